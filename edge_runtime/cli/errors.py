"""How an error reaches the person at the terminal: a line a fault, and a status for scripts."""

from __future__ import annotations

import sys
from typing import NoReturn

from edge_runtime.cli.printable import say
from edge_runtime.errors import EdgeError, Text, UsageError
from edge_runtime.language import Language


def faults_of(error: EdgeError) -> tuple[Text, ...]:
    """Return all that an error says, one text each."""
    faults = error.faults if isinstance(error, UsageError) else ()
    return faults or (error.text,)


def fail(error: EdgeError, language: Language | None = None) -> NoReturn:
    """Say what is wrong on standard error and exit: 2 for wrong input, 1 for a failure.

    All faults of a file are said, a line each; of a syntax error, its line with the place marked.
    """
    language = language or Language("en")
    for fault in faults_of(error):
        say(f"edge-runtime: {fault.localized(language)}", err=True)
    for line in error.excerpt if isinstance(error, UsageError) else ():
        say(line, err=True)
    sys.exit(2 if isinstance(error, UsageError) else 1)
