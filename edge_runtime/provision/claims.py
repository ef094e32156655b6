"""Where the claim comes from, and where it must not stay: until it is used it is a key."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from edge_runtime.enrolment.claim import MAX_FILE_CHARACTERS, Claim, parse_claim
from edge_runtime.errors import UsageError, because
from edge_runtime.urls import HIDDEN

LOOKS_LIKE_TEXT = re.compile(r"\s*edge-claim-[0-9]+:")
LONGEST_NAME = 40  # a claim has 200 characters and more, none of them a dot or a slash


def read_claim(given: str) -> Claim:
    """Read a claim from a file, or from standard input (`-`). Raises UsageError for one as text."""
    if given == "-":
        typed = sys.stdin.isatty()
        return parse_claim((sys.stdin.readline if typed else sys.stdin.read)(MAX_FILE_CHARACTERS))
    if LOOKS_LIKE_TEXT.match(given):
        raise UsageError(
            "--claim takes a file: what stands in a command everybody on this board can read, and "
            "the shell keeps it; type --claim - and paste the claim when it is asked for"
        )
    try:
        with Path(given).open(encoding="utf-8", errors="replace") as file:
            return parse_claim(file.read(MAX_FILE_CHARACTERS))
    except OSError as error:
        raise UsageError(
            "{file}: the claim cannot be read ({reason}); give its file, or - to be asked for it",
            file=given if may_be_file(given) else HIDDEN,
            reason=because(error),
        ) from None


def may_be_file(given: str) -> bool:
    """Say whether a text looks like a file's name, not like a claim that was cut or mistyped."""
    return len(given) <= LONGEST_NAME or "/" in given or "." in given
