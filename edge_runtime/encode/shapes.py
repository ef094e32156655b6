"""What a subscriber may rely on in a payload: one type a kind, held against whatever comes.

Fields may be added within a schema version: what is not named here is let through, as long as it
is JSON's own.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, field

# Far beyond any record of ours; a birth names every label of every stream.
MOST_BYTES = 1 << 20
MOST_VALUES = 100_000
DEEPEST = 16
MOST_INTEGER = 1 << 63

Real: TypeAlias = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
Moment: TypeAlias = Annotated[float, Meta(ge=0.0, le=1e11)]  # Unix seconds
Count: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 62)]
Seq: TypeAlias = Annotated[int, Meta(ge=1, lt=1 << 40)]
Boot: TypeAlias = Annotated[int, Meta(ge=1, lt=1 << 22)]


class Status(msgspec.Struct):
    """Birth, will, clean stop."""

    state: str
    boot: Boot
    models: list[str] = []
    streams: dict[str, StreamEntry] = {}


class StreamEntry(msgspec.Struct):
    """A stream in the birth: the names that CBOR refers to."""

    labels: list[str] = []
    rules: list[str] = []


class Health(msgspec.Struct):
    """Health: free in all but its state."""

    state: str


class Head(msgspec.Struct, kw_only=True):
    """What every record bears."""

    ts: Moment
    seq: Seq
    boot: Boot
    model: str
    late: bool = False
    clock: str = ""


class Thing(msgspec.Struct):
    """An object in a frame."""

    label: str
    score: Real
    box: tuple[Real, Real, Real, Real]
    track: Count = 0


class Objects(Head, kw_only=True):
    """`detections`."""

    objects: list[Thing]


class Happening(Head, kw_only=True):
    """`event`."""

    event: str
    rule: str = ""
    direction: str = ""
    object: Thing | None = None
    channel: str = ""
    value: Real = 0.0
    unit: str = ""
    since: Real = 0.0


class LabelCounts(msgspec.Struct):
    """One label of `counts`."""

    entered: Count
    most: Count
    mean: Real


class Spanned(Head, kw_only=True):
    """A record of a time."""

    begin: Real = field(name="from")
    end: Real = field(name="to")


class Tallies(Spanned, kw_only=True):
    """`counts`."""

    counts: dict[str, LabelCounts]
    rule: str = ""


class Scored(msgspec.Struct):
    """One class of `classification`."""

    label: str
    score: Real


class Classes(Head, kw_only=True):
    """`classification`."""

    classes: list[Scored]


class PersonShape(msgspec.Struct):
    """One body of `pose`."""

    score: Real
    keypoints: list[tuple[Real, Real, Real]]


class People(Head, kw_only=True):
    """`pose`."""

    people: list[PersonShape]


class Score(Head, kw_only=True):
    """`anomaly`."""

    score: Real
    threshold: Real
    alarm: bool


class SummaryLine(msgspec.Struct):
    """One line of `summary`."""

    n: Count
    min: Real
    max: Real
    mean: Real


class SummaryLines(Spanned, kw_only=True):
    """`summary`."""

    of: str
    count: Count
    values: dict[str, SummaryLine]


class Missing(Head, kw_only=True):
    """`gap`."""

    from_seq: Seq
    to_seq: Seq
    count: Count
    reason: str
    of_boot: Annotated[int, Meta(ge=0, lt=1 << 22)] = 0


class Measured(msgspec.Struct, kw_only=True):
    """A further record of a SenML pack."""

    n: str = ""
    u: str = ""
    v: Real = 0.0
    t: Real = 0.0


class MeasuredFirst(Measured, kw_only=True):
    """The first record of a SenML pack, which bears the names of all."""

    bn: str
    bt: Moment
    seq: Seq
    boot: Boot
    model: str
    late: bool = False
    clock: str = ""


SHAPES: dict[str, type[msgspec.Struct]] = {
    "detections": Objects,
    "event": Happening,
    "counts": Tallies,
    "classification": Classes,
    "pose": People,
    "anomaly": Score,
    "summary": SummaryLines,
    "gap": Missing,
}
OF_DEVICE: dict[str, type[msgspec.Struct]] = {"status": Status, "health": Health}


def check(kind: str, value: Any, *, of_device: bool) -> None:
    """Raise ValueError where a payload is not what its kind promises. Unknown kinds: an object."""
    if kind == "reading" and not of_device:
        check_pack(value)
        return
    shape = (OF_DEVICE if of_device else SHAPES).get(kind)
    if shape is not None:
        msgspec.convert(value, shape)
    elif not isinstance(value, dict):
        raise ValueError("Expected `object`")


def check_pack(value: Any) -> None:
    """Raise ValueError where it is no SenML pack of ours."""
    if not isinstance(value, list) or not value:
        raise ValueError("Expected `array` of SenML records")
    msgspec.convert(value[0], MeasuredFirst)
    msgspec.convert(value[1:], list[Measured])


def check_plain(value: Any, key_types: tuple[type, ...] = (str,)) -> None:
    """Raise ValueError where a value is none of JSON's, or one that nobody can mean.

    CBOR has more types, numbers without end, and references by which a few bytes make millions
    of values, or a list holds itself.
    """
    left = MOST_VALUES
    level = [value]
    for _ in range(DEEPEST):
        left -= sum(1 + len(one) for one in level if isinstance(one, dict | list))
        if left < 0:
            raise ValueError(f"more than {MOST_VALUES} values")
        level = [inner for one in level for inner in inside(one, key_types)]
        if not level:
            return
    raise ValueError(f"nested deeper than {DEEPEST}")


def inside(value: Any, key_types: tuple[type, ...]) -> Iterable[Any]:
    """Return what a list or an object holds. Raises ValueError where a value is not JSON's."""
    if isinstance(value, dict):
        if not all(type(key) in key_types for key in value):
            raise ValueError("a key that JSON cannot carry")
        return value.values()
    if isinstance(value, list):
        return value
    good = FITS.get(type(value))
    if good is None or not good(value):
        raise ValueError(f"a value that JSON cannot carry ({type(value).__name__})")
    return ()


FITS: dict[type, Callable[[Any], bool]] = {
    str: lambda _: True,
    bool: lambda _: True,
    type(None): lambda _: True,
    int: lambda number: -MOST_INTEGER <= number < MOST_INTEGER,
    float: math.isfinite,
}
