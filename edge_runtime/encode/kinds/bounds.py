"""Between which numbers a count truly lies: `low` and `high` of a line of `counts` or `summary`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, TypeAlias

from msgspec import Meta

from edge_runtime.encode.keys import BOUNDS_STRIDE, Key
from edge_runtime.encode.kinds.base import Fields, rows_of
from edge_runtime.encode.payloads import Count, WirePayload
from edge_runtime.records import LabelCount, SummaryLine

BoundedLine: TypeAlias = LabelCount | SummaryLine
NOT_ESTIMATED = (-1, -1)


class BoundsPayload(WirePayload, kw_only=True):
    """How many truly came in, in 90 of 100 intervals; absent where it was not estimated."""

    low: Annotated[Count, Meta(description="at least so many truly came in")] | None = None
    high: Annotated[Count, Meta(description="at most so many truly came in")] | None = None


def bounds_to_json(line: BoundedLine) -> dict[str, int]:
    """Return `low` and `high`, where they were estimated."""
    if line.low is None or line.high is None:
        return {}
    return {"low": line.low, "high": line.high}


def bounds_to_cbor(lines: Iterable[BoundedLine]) -> Fields:
    """Return the field with the bounds of all lines; nothing where none has any."""
    pairs = [(line.low, line.high) for line in lines]
    flat = [n for pair in pairs for n in (NOT_ESTIMATED if None in pair else pair)]
    return {Key.BOUNDS.value: flat} if any(n != -1 for n in flat) else {}


def bounds_from_cbor(raw: Fields, count: int) -> Sequence[dict[str, int]]:
    """Return `low` and `high` of so many lines in JSON's form. Raises ValueError."""
    if Key.BOUNDS not in raw:
        return [{}] * count
    rows = rows_of(raw[Key.BOUNDS], BOUNDS_STRIDE)
    if len(rows) != count:
        raise ValueError(f"bounds of {len(rows)} lines, where there are {count}")
    return [{} if low < 0 else {"low": low, "high": high} for low, high in rows]


def bounds_words(line: dict[str, int]) -> str:
    """Say the bounds of a line in JSON's form, where it has some that differ."""
    low, high = line.get("low"), line.get("high")
    return "" if low is None or low == high else f" ({low} to {high})"
