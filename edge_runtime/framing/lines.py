"""Text lines: CSV, or one JSON object a line."""

from __future__ import annotations

from functools import reduce
from typing import Any

import msgspec

from edge_runtime.framing.rows import Row, Rows, Run, Stage, as_array
from edge_runtime.framing.splitter import Splitter
from edge_runtime.options import Lines


class LinesFraming:
    """One row a line; a line ends with LF, CR or both."""

    def __init__(self, options: Lines) -> None:
        self.rows = Rows(options.columns)
        self._stage: Stage[Row] = Stage(self.rows, as_array)
        self._parse = CsvParser(options) if options.format == "csv" else JsonParser(options)
        self._splitter = Splitter(
            b"\n", options.max_line_bytes, self._stage.lose, starts_cut=options.format == "csv"
        )

    def feed(self, data: bytes) -> list[Run]:
        for piece in self._splitter.pieces(data.replace(b"\r", b"\n")):
            line = piece.strip()
            if not line:
                continue
            try:
                self._stage.add(self._parse(line))
            # MsgspecError and UnicodeError are ValueErrors; a deep JSON raises RecursionError.
            except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
                self._stage.lose("parse", len(piece))
        return self._stage.take()

    def reset(self) -> None:
        self._splitter.reset()


class CsvParser:
    """Parses a line of numbers between separators."""

    def __init__(self, options: Lines) -> None:
        # A space stands for any run of blanks.
        self._separator = None if options.separator == " " else options.separator.encode()
        self._decimal = options.decimal.encode()
        places = [column.at for column in options.columns]
        self._is_exact = all(place is None for place in places)
        self._places = [i if at is None else int(at) for i, at in enumerate(places)]

    def __call__(self, line: bytes) -> Row:
        fields = line.split(self._separator)
        if self._is_exact and len(fields) != len(self._places):
            raise ValueError("another number of columns")
        return [self._number(fields[place]) for place in self._places]

    def _number(self, field: bytes) -> float:
        if b"_" in field:  # Python reads 1_000 as a number; no sensor means it so
            raise ValueError("not a number")
        return float(field if self._decimal == b"." else field.replace(self._decimal, b"."))


class JsonParser:
    """Parses a JSON object; a dot in a key goes into an inner object."""

    def __init__(self, options: Lines) -> None:
        self._paths = [str(column.at or column.name).split(".") for column in options.columns]

    def __call__(self, line: bytes) -> Row:
        tree = msgspec.json.decode(line)
        return [number(reduce(inner, path, tree)) for path in self._paths]


def inner(tree: Any, key: str) -> Any:
    if not isinstance(tree, dict):
        raise TypeError("not an object")
    return tree[key]


def number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    return float(value)
