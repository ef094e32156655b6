"""Columns as wide as they need to be, their heads in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge_runtime.cli.localized import spoken
from edge_runtime.cli.printable import printable, say
from edge_runtime.errors import Text


def show_table(head: Sequence[Text], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; devices and strangers may have written into its cells."""
    language = spoken()
    lines = [[one.localized(language) for one in head]]
    lines += [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(cells).rstrip())
