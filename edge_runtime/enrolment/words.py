"""A key's fingerprint as six words that anybody can read aloud over a bad telephone line.

Each word is three open syllables of a consonant and a vowel, 5 bits a syllable: six words are 90
bits, and who wants a key with the words of another one must try 2^90 keys. Of the letters that
speakers of Vietnamese merge there is one each (d, gi, r, z, v; l, n; s, x; b, p), and no syllable
ends in a consonant: so the words are heard alike in the north, in the south, and in English.
"""

from __future__ import annotations

import hashlib

CONSONANTS = "bdhklmst"
VOWELS = "aiou"
WORDS, SYLLABLES = 6, 3
SYLLABLE_BITS = 5
WORD_BITS = SYLLABLES * SYLLABLE_BITS


def six_words(der_public_key: bytes) -> str:
    """Return the words of a DER SubjectPublicKeyInfo."""
    digest = hashlib.sha256(der_public_key).digest()
    bits = int.from_bytes(digest, "big") >> (8 * len(digest) - WORDS * WORD_BITS)
    places = range((WORDS - 1) * WORD_BITS, -1, -WORD_BITS)
    return " ".join(word(bits >> place & ((1 << WORD_BITS) - 1)) for place in places)


def word(bits: int) -> str:
    """Return 15 bits as a word of six letters."""
    places = range((SYLLABLES - 1) * SYLLABLE_BITS, -1, -SYLLABLE_BITS)
    return "".join(
        CONSONANTS[bits >> place + 2 & 7] + VOWELS[bits >> place & 3] for place in places
    )
