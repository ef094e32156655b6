"""Where a parser of TOML stopped, and what was typed amiss there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from edge_runtime.errors import Text

# The parser's words that several looks ask for.
BEHIND_VALUE = "Expected newline or end of document after a statement"
NO_EQUALS = "Expected '=' after a key in a key/value pair"


class Slip(NamedTuple):
    """What is wrong, where it stands in the text, and what to type."""

    at: int
    text: Text


class Stop(NamedTuple):
    """Where the parser stopped: the whole text, the place in it, the line, the parser's words."""

    text: str
    at: int
    message: str
    begin: int
    line: str

    @property
    def column(self) -> int:
        """The place within the line, from 0."""
        return self.at - self.begin

    @property
    def rest(self) -> str:
        """What follows in the line."""
        return self.line[self.column :]

    @property
    def before(self) -> str:
        """What stands before it in the line."""
        return self.line[: self.column]


Look: TypeAlias = Callable[[Stop], Slip | None]


def stop_at(text: str, at: int, message: str) -> Stop:
    """Return a place in a text with its line; behind a line's end, that line."""
    at = min(at, len(text))
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", begin)
    return Stop(text, at, message, begin, text[begin : end if end >= 0 else len(text)])
