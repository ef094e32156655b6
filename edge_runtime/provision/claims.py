"""Where the claim comes from, and where it must not stay: until it is used it is a key."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

from edge_runtime.enrolment.claim import MAX_FILE_CHARACTERS, Claim, parse_claim
from edge_runtime.errors import UsageError, because
from edge_runtime.urls import HIDDEN

LOOKS_LIKE_TEXT = re.compile(r"\s*edge-claim-[0-9]+:")
LONGEST_NAME = 40  # a claim has 200 characters and more, none of them a dot or a slash
ARG_START, ARG_END = 45, 46  # fields 48 and 49 of proc(5)'s stat, counted after the program's name


def read_claim(given: str) -> Claim:
    """Read a claim from a file, from standard input (`-`), or as the text itself."""
    if given == "-":
        typed = sys.stdin.isatty()
        return parse_claim((sys.stdin.readline if typed else sys.stdin.read)(MAX_FILE_CHARACTERS))
    if LOOKS_LIKE_TEXT.match(given):
        hide_argument(given)
        return parse_claim(given)
    try:
        with Path(given).open(encoding="utf-8", errors="replace") as file:
            return parse_claim(file.read(MAX_FILE_CHARACTERS))
    except OSError as error:
        raise UsageError(
            "{file}: the claim cannot be read ({reason}); give its file, its text, or - to type it",
            file=given if may_be_file(given) else HIDDEN,
            reason=because(error),
        ) from None


def may_be_file(given: str) -> bool:
    """Say whether a text looks like a file's name, not like a claim that was cut or mistyped."""
    return len(given) <= LONGEST_NAME or "/" in given or "." in given


def hide_argument(secret: str) -> None:
    """Overwrite an argument where `ps` reads it; the text could be seen until here."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[ARG_START]), int(fields[ARG_END])
        place = Path("/proc/self/cmdline").read_bytes().find(os.fsencode(secret))
    except (OSError, ValueError, IndexError):  # no /proc: then ps does not read it either
        return
    length = len(os.fsencode(secret))
    if place >= 0 and start > 0 and start + place + length <= end:
        ctypes.memset(start + place, ord("x"), length)
