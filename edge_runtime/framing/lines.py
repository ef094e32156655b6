"""Text lines: CSV, or one JSON object a line."""

from __future__ import annotations

import csv
import math
import re
from functools import reduce
from typing import Any, TypeAlias

import msgspec

from edge_runtime.errors import EMPTY, Text, row
from edge_runtime.framing.causes import MOST_SHOWN, TEXT_BYTES, Cause
from edge_runtime.framing.fields import NAMED, QUOTES, DamagedFieldError, Field, FieldParser
from edge_runtime.framing.rows import BaseFraming, Row, RowBuffer, RowRun, Stage, as_array
from edge_runtime.framing.splitter import Splitter
from edge_runtime.framing.units import other_unit
from edge_runtime.options import ColumnOptions, LinesOptions

NOT_THERE = Text("not in the line")
MOST_UNITS = 64  # that are remembered, of all columns
# No JSON, but what Python and Arduino libraries write where a probe gives nothing.
BARE_WORDS = re.compile(
    rb"(?<=[\[:,\s])[+-]?(?:nan|inf(?:inity)?|none)(?=\s*[,}\]])", re.IGNORECASE
)

Fields: TypeAlias = list[Field]


class FieldCountError(ValueError):
    """A line has another number of fields than is configured."""

    def __init__(self, found: int, wanted: int) -> None:
        super().__init__(f"{found} fields, not {wanted}")
        self.found, self.wanted = found, wanted


class LinesFraming(BaseFraming):
    """One row a line; a line ends with LF, CR or both."""

    def __init__(self, options: LinesOptions) -> None:
        self.rows = RowBuffer(options.columns)
        self._options = options
        self._stage: Stage[Row] = Stage(self.rows, as_array)
        self._parse = CsvParser(options) if options.format == "csv" else JsonParser(options)
        self._splitter = Splitter(
            b"\n", options.max_line_bytes, self._stage.lose, starts_cut=options.format == "csv"
        )
        self._refused: Cause | None = None  # why the latest line was, where none was good since
        self._units: dict[tuple[int, str], Text] = {}  # what is wrong with a unit that came
        self._notices = [EMPTY] * len(options.columns)

    @property
    def notice(self) -> Text:
        return row([text for text in self._notices if text])

    def cause(self) -> Cause | None:
        return super().cause() or self._refused

    def feed(self, data: bytes) -> list[RowRun]:
        for piece in self._splitter.pieces(data.replace(b"\r", b"\n")):
            line = piece.strip()
            if not line:
                continue
            try:
                fields = self._parse(line)
            # MsgspecError and UnicodeError are ValueErrors; a deep JSON raises RecursionError.
            except (ValueError, LookupError, TypeError, RecursionError, csv.Error) as error:
                self._stage.lose("parse", len(piece))
                self._refused = self._why_refused(line, error)
            else:
                self._take(fields, len(piece))
        return self._stage.take()

    def reset(self) -> None:
        self._splitter.reset()

    def _take(self, fields: Fields, size: int) -> None:
        why: dict[int, Text] = {}
        values: Row = []
        for i, (value, _, unit) in enumerate(fields):
            if isinstance(value, Text):
                why[i] = value
                values.append(math.nan)
                continue
            values.append(value)
            if unit or self._notices[i]:
                self._notices[i] = self._other_unit(i, unit)
        if len(why) == len(fields):
            self._stage.lose("parse", size)
            self.rows.say_missing(why)
            return
        self._stage.add(values, why)
        self._refused = None

    def _other_unit(self, column: int, unit: str) -> Text:
        key = column, unit
        if key not in self._units:
            if not unit or len(self._units) >= MOST_UNITS:
                return EMPTY
            self._units[key] = other_unit(self._options.columns[column], unit)
        return self._units[key]

    def _why_refused(self, line: bytes, error: Exception) -> Cause | None:
        """Return what is wrong with a line; None: it is no text at all."""
        if not TEXT_BYTES.issuperset(line):
            return None
        shown = line.decode("ascii")[:MOST_SHOWN]
        is_json = self._options.format == "json"
        if is_json != line.startswith(b"{"):
            what = Text("lines of JSON come ('{line}')", line=shown)
            if is_json:
                what = Text("lines come that are no JSON object ('{line}')", line=shown)
            other = "csv" if is_json else "json"
            return Cause(what, Text('set format = "{format}"', format=other))
        if isinstance(error, FieldCountError):
            return Cause(
                Text(
                    "a line has {found} fields, not {wanted} ('{line}')",
                    found=error.found,
                    wanted=error.wanted,
                    line=shown,
                ),
                Text("correct separator, or give each column its place in the line (at)"),
            )
        if isinstance(error, DamagedFieldError):
            return Cause(
                Text("'{field}' is neither a number nor one with a unit", field=error.field),
                Text("correct decimal, separator and at, or check cable and earth"),
            )
        return Cause(
            Text("a line cannot be read ('{line}')", line=shown),
            Text("hold columns and format against what the sensor sends"),
        )


class CsvParser:
    """Parses a line of values between separators; of a field without one it says why."""

    def __init__(self, options: LinesOptions) -> None:
        # A space stands for any run of blanks.
        self._separator = None if options.separator == " " else options.separator
        self._columns = options.columns
        self._fields = FieldParser(options.decimal)
        self._is_exact = all(column.at is None for column in options.columns)
        self._is_named = any(isinstance(column.at, str) for column in options.columns)

    def __call__(self, line: bytes) -> Fields:
        fields = self._split(text_of(line))
        if self._is_exact and len(fields) != len(self._columns):
            raise FieldCountError(len(fields), len(self._columns))
        named = by_name(fields) if self._is_named else {}
        return [self._value(i, column, fields, named) for i, column in enumerate(self._columns)]

    def _value(
        self, index: int, column: ColumnOptions, fields: list[str], named: dict[str, str]
    ) -> Field:
        if isinstance(column.at, str):
            if column.at not in named:
                return Field(NOT_THERE)
            return self._fields.parse(named[column.at], column)
        place = index if column.at is None else column.at
        if place >= len(fields):
            raise FieldCountError(len(fields), place + 1)
        return self._fields.parse(fields[place], column)

    def _split(self, line: str) -> list[str]:
        if self._separator is None or '"' not in line:
            return line.split(self._separator)
        return next(csv.reader([line], delimiter=self._separator, skipinitialspace=True))


def text_of(line: bytes) -> str:
    """Return a line as text; a degree sign comes as UTF-8, or as one byte."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def by_name(fields: list[str]) -> dict[str, str]:
    """Return the fields with a name before them, `name=value` or `name:value`, by their name."""
    named = {}
    for field in fields:
        if (found := NAMED.match(field.strip(QUOTES))) is not None:
            named[found[1]] = field
    return named


class JsonParser:
    """Parses a JSON object; a dot in a key goes into an inner object."""

    def __init__(self, options: LinesOptions) -> None:
        self._fields = FieldParser(options.decimal)
        self._columns = options.columns
        self._paths = [str(column.at or column.name).split(".") for column in options.columns]

    def __call__(self, line: bytes) -> Fields:
        tree = decoded(line)
        if not isinstance(tree, dict):
            raise TypeError("not an object")
        return [
            self._value(reduce(inner, path, tree), column)
            for path, column in zip(self._paths, self._columns, strict=True)
        ]

    def _value(self, value: Any, column: ColumnOptions) -> Field:
        if value is None:
            return Field(Text("null"))
        if value is ABSENT:
            return Field(NOT_THERE)
        if isinstance(value, str):
            return self._fields.parse(value, column)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Field(Text("not a number"))
        try:
            return Field(float(value))
        except OverflowError:
            return Field(math.inf if value > 0 else -math.inf)


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
