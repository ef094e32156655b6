"""One value as a text says it: `12.5`, `"12.5"`, `t=12.5`, `T:+012.5C`, `+  12.345 kg`."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from edge_runtime.errors import Text
from edge_runtime.framing.units import is_unit
from edge_runtime.options import ChannelOptions

NOT_GIVEN = Text("empty")
MOST_SHOWN = 16  # characters of a field
NO_NUMBER = re.compile(r"[-+A-Za-z/.?* ]+")  # nan, ERR, n/a, --, ???
NAMED = re.compile(r"([A-Za-z][\w .-]{0,31}?) *[=:](?!//)")
DIGITS = frozenset("0123456789")
QUOTES = "\"' "


class Field(NamedTuple):
    """A field's number, or why it has none, with the name before it and the unit behind it."""

    value: float | Text
    name: str = ""
    unit: str = ""


class DamagedFieldError(ValueError):
    """A field has digits that make no number: the line was damaged, or is not as configured."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field[:MOST_SHOWN]


class FieldParser:
    """Reads fields of one channel. `decimal`: what stands before the fraction."""

    def __init__(self, decimal: str) -> None:
        self._decimal = decimal
        self._is_point = decimal == "."
        point = re.escape(decimal)
        self._number = re.compile(
            rf"([-+]?) *((?:\d+(?:{point}\d*)?|{point}\d+)(?:[eE][-+]?\d+)?)(?: *(\D.{{0,15}}))?",
            re.ASCII,
        )

    def parse(self, field: str, channel: ChannelOptions) -> Field:
        """Return what a field says. Raises DamagedFieldError.

        A broken probe is written as a word, or left out. Where there are digits that make no
        number, the line was damaged on its way, and what its other fields say is not to be
        believed.
        """
        text, name = field.strip(QUOTES), ""
        if text[-1:] in DIGITS and text.isascii() and "_" not in text:  # as nearly all are
            try:
                return Field(float(text if self._is_point else text.replace(self._decimal, ".")))
            except ValueError:
                pass
        if ("=" in text or ":" in text) and (found := NAMED.match(text)) is not None:
            name, text = found[1], text[found.end() :].strip(QUOTES)
        if not text:
            return Field(NOT_GIVEN, name)
        if not any(map(str.isdigit, text)):
            return Field(without_number(text), name)
        number = self._number.fullmatch(text)
        unit = "" if number is None else (number[3] or "").strip()
        if number is None or (unit and not is_unit(unit, channel)):
            raise DamagedFieldError(field.strip())
        value = float(number[2].replace(self._decimal, "."))
        return Field(-value if number[1] == "-" else value, name, unit)


def without_number(text: str) -> float | Text:
    """Return what a word in place of a number means. Raises DamagedFieldError."""
    if not NO_NUMBER.fullmatch(text):
        raise DamagedFieldError(text)
    if text.lstrip("+-").lower() in ("inf", "infinity"):
        return math.copysign(math.inf, -1.0 if text.startswith("-") else 1.0)
    return Text("not a number ({field})", field=text[:MOST_SHOWN])
