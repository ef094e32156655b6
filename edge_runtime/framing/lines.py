"""Text lines: CSV, or one JSON object a line."""

from __future__ import annotations

import csv
import math
import re
from functools import reduce
from typing import Any

import msgspec

from edge_runtime.errors import Text
from edge_runtime.framing.rows import Row, RowBuffer, RowRun, Stage, as_array
from edge_runtime.framing.splitter import Splitter
from edge_runtime.options import LinesOptions

EMPTY = Text("empty")
MOST_SHOWN = 16  # characters of a field
NO_NUMBER = re.compile(r"[-+A-Za-z/.?* ]+")  # nan, ERR, n/a, --, ???
# No JSON, but what Python and Arduino libraries write where a probe gives nothing.
BARE_WORDS = re.compile(
    rb"(?<=[\[:,\s])[+-]?(?:nan|inf(?:inity)?|none)(?=\s*[,}\]])", re.IGNORECASE
)


class LinesFraming:
    """One row a line; a line ends with LF, CR or both."""

    def __init__(self, options: LinesOptions) -> None:
        self.rows = RowBuffer(options.columns)
        self._stage: Stage[Row] = Stage(self.rows, as_array)
        self._parse = CsvParser(options) if options.format == "csv" else JsonParser(options)
        self._splitter = Splitter(
            b"\n", options.max_line_bytes, self._stage.lose, starts_cut=options.format == "csv"
        )

    def feed(self, data: bytes) -> list[RowRun]:
        for piece in self._splitter.pieces(data.replace(b"\r", b"\n")):
            line = piece.strip()
            if not line:
                continue
            try:
                fields = self._parse(line)
            # MsgspecError and UnicodeError are ValueErrors; a deep JSON raises RecursionError.
            except (ValueError, LookupError, TypeError, RecursionError, csv.Error):
                self._stage.lose("parse", len(piece))
            else:
                self._take(fields, len(piece))
        return self._stage.take()

    def reset(self) -> None:
        self._splitter.reset()

    def _take(self, fields: list[float | Text], size: int) -> None:
        why = {i: field for i, field in enumerate(fields) if isinstance(field, Text)}
        if len(why) == len(fields):
            self._stage.lose("parse", size)
            self.rows.say_missing(why)
        else:
            self._stage.add([math.nan if i in why else float(f) for i, f in enumerate(fields)], why)


class CsvParser:
    """Parses a line of numbers between separators; of a field without one it says why."""

    def __init__(self, options: LinesOptions) -> None:
        # A space stands for any run of blanks.
        self._separator = None if options.separator == " " else options.separator
        self._decimal = options.decimal
        places = [column.at for column in options.columns]
        self._is_exact = all(place is None for place in places)
        self._places = [i if at is None else int(at) for i, at in enumerate(places)]

    def __call__(self, line: bytes) -> list[float | Text]:
        fields = self._split(line.decode("latin-1"))
        if self._is_exact and len(fields) != len(self._places):
            raise ValueError("another number of columns")
        return [number(fields[place], self._decimal) for place in self._places]

    def _split(self, line: str) -> list[str]:
        if self._separator is None or '"' not in line:
            return line.split(self._separator)
        return next(csv.reader([line], delimiter=self._separator, skipinitialspace=True))


class JsonParser:
    """Parses a JSON object; a dot in a key goes into an inner object."""

    def __init__(self, options: LinesOptions) -> None:
        self._decimal = options.decimal
        self._paths = [str(column.at or column.name).split(".") for column in options.columns]

    def __call__(self, line: bytes) -> list[float | Text]:
        tree = decoded(line)
        if not isinstance(tree, dict):
            raise TypeError("not an object")
        return [self._value(reduce(inner, path, tree)) for path in self._paths]

    def _value(self, value: Any) -> float | Text:
        if value is None:
            return Text("null")
        if value is ABSENT:
            return Text("not in the line")
        if isinstance(value, str):
            return number(value, self._decimal)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Text("not a number")
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf


ABSENT = object()


def decoded(line: bytes) -> Any:
    """Return a line of JSON, in which NaN and infinity are taken for null."""
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        mended = BARE_WORDS.sub(b"null", line)
        if mended == line:
            raise
        return msgspec.json.decode(mended)


def inner(tree: Any, key: str) -> Any:
    return tree.get(key, ABSENT) if isinstance(tree, dict) else ABSENT


def number(field: str, decimal: str) -> float | Text:
    """Return the number in a field, or why there is none. Raises ValueError where it is damaged.

    A broken probe is written as a word, or left out. Where there are digits that make no number,
    the line was damaged on its way, and what its other fields say is not to be believed.
    """
    text = field.strip().strip("\"'").strip()
    if not text:
        return EMPTY
    if not any(map(str.isdigit, text)):
        if not NO_NUMBER.fullmatch(text):
            raise ValueError("damaged")
        if text.lstrip("+-").lower() in ("inf", "infinity"):
            return math.copysign(math.inf, -1.0 if text.startswith("-") else 1.0)
        return Text("not a number ({field})", field=text[:MOST_SHOWN])
    if "_" in text or not text.isascii():  # Python reads 1_000 as a number; no sensor means it so
        raise ValueError("not a number")
    return float(text if decimal == "." else text.replace(decimal, "."))
