"""What is wrong in a file: each fault at its key, all of them told in the file's order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from edge_runtime.errors import Text, UsageError, located
from edge_runtime.toml_file.lines import KeyLines


class Fault(msgspec.Struct, frozen=True):
    """One fault: the key as the file spells it (`streams[0].name`; empty: the file), and the text.

    `error_type`: the error that says so where it is the only one, or the first.
    """

    key: str
    text: Text
    error_type: type[UsageError] | None = None


def refuse(
    faults: Iterable[Fault], raw: dict[str, Any], path: Path | Text, error_type: type[UsageError]
) -> NoReturn:
    """Raise one error that has all faults, in the order in which they stand in the file."""
    lines = KeyLines(getattr(raw, "text", ""))
    placed = sorted(((lines.of(one.key), one) for one in faults), key=lambda both: both[0] or 1e9)
    kind = placed[0][1].error_type or error_type
    raise kind.of([told(path, line, one) for line, one in placed])


def told(path: Path | Text, line: int, fault: Fault) -> Text:
    """Return a fault with its place."""
    place = [path, *([Text("line {line}", line=line)] if line else [])]
    return located(*place, *([fault.key] if fault.key else []), fault.text)


def spoils(faults: Iterable[Fault], where: str) -> bool:
    """Say whether any fault lies in the table or value at `where`."""
    return any(one.key == where or one.key.startswith((f"{where}.", f"{where}[")) for one in faults)
