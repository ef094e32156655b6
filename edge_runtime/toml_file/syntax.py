"""What was typed that is no TOML: the line, the character, and what to type in its place."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import tomli

from edge_runtime.errors import Text, UsageError, located
from edge_runtime.toml_file.slips import Look, Slip, stop_at
from edge_runtime.toml_file.structure_slips import (
    behind,
    bracket,
    header,
    key,
    pasted,
    statement,
    twice,
)
from edge_runtime.toml_file.value_slips import (
    backslash,
    comma,
    number,
    odd_character,
    open_quote,
    value,
)
from edge_runtime.urls import URL_IN_TEXT, without_urls

EXCERPT_LENGTH = 100


def syntax_error(
    error: tomli.TOMLDecodeError, path: Path, error_type: type[UsageError]
) -> UsageError:
    """Return an error that says what a person has to type, with the line as its excerpt."""
    stop = stop_at(error.doc, error.pos, error.msg)
    slip = next((found for look in LOOKS if (found := look(stop))), None)
    if slip is None:
        fault = Text(without_urls(error.msg)[:80])
        slip = Slip(stop.at, Text("not valid TOML: {fault}; correct the line", fault=fault))
    place = stop_at(stop.text, slip.at, "")
    number = stop.text.count("\n", 0, place.begin) + 1
    line = Text("line {line}, column {column}", line=number, column=place.column + 1)
    made = error_type(located(path, line, slip.text))
    made.excerpt = excerpt(place.line, place.column)
    return made


def excerpt(line: str, column: int) -> tuple[str, ...]:
    """Return a line as it may be shown, and a caret below one of its characters."""
    if without_urls(line) != line or "password" in line.lower():
        line = URL_IN_TEXT.sub(lambda found: "*" * len(found[0]), line)
        line = re.sub(r"(password\s*=\s*)(.*)", lambda f: f[1] + "*" * len(f[2]), line, flags=re.I)
    begin = max(0, column - EXCERPT_LENGTH // 2)
    shown = line[begin : begin + EXCERPT_LENGTH].expandtabs(1)
    return "    " + shown, "    " + " " * width(shown[: column - begin]) + "^"


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(unicodedata.combining(one) > 0 for one in text)


LOOKS: tuple[Look, ...] = (
    pasted,
    odd_character,
    comma,
    backslash,
    open_quote,
    value,
    number,
    behind,
    key,
    header,
    bracket,
    twice,
    statement,
)
