"""A key's fingerprint as six words that anybody can read aloud over a bad telephone line.

Proquints (Wilkerson, arXiv 0901.4016): 16 bits are consonant-vowel-consonant-vowel-consonant, the
same in every language. Six words are 96 bits: who wants a key with the words of another one must
try 2^96 keys.
"""

from __future__ import annotations

import hashlib
import struct

CONSONANTS = "bdfghjklmnprstvz"
VOWELS = "aiou"
WORDS = 6


def six_words(der_public_key: bytes) -> str:
    """Return the words of a DER SubjectPublicKeyInfo."""
    digest = hashlib.sha256(der_public_key).digest()
    return " ".join(map(proquint, struct.unpack_from(f">{WORDS}H", digest)))


def proquint(number: int) -> str:
    """Return 16 bits as a word of five letters."""
    return (
        CONSONANTS[number >> 12]
        + VOWELS[number >> 10 & 3]
        + CONSONANTS[number >> 6 & 15]
        + VOWELS[number >> 4 & 3]
        + CONSONANTS[number & 15]
    )
