"""How an error reaches the person at the terminal: one line, and a status for scripts."""

from __future__ import annotations

import sys
from typing import NoReturn

from edge_runtime.cli.printable import say
from edge_runtime.errors import EdgeError, UsageError
from edge_runtime.language import Language


def fail(error: EdgeError, language: Language | None = None) -> NoReturn:
    """Say what is wrong on standard error and exit: 2 for wrong input, 1 for a failure."""
    text = str(error) if language is None else error.localized(language)
    say(f"edge-runtime: {text}", err=True)
    sys.exit(2 if isinstance(error, UsageError) else 1)
