"""How an error reaches the person at the terminal: one line, and a status for scripts."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from edge_runtime.errors import EdgeError, UsageError


def fail(error: EdgeError) -> NoReturn:
    """Say what is wrong on standard error and exit: 2 for wrong input, 1 for a failure."""
    click.echo(f"edge-runtime: {error}", err=True)
    sys.exit(2 if isinstance(error, UsageError) else 1)
