"""What the ring holds: one type an entry, in msgpack, several a block.

Positions are whole numbers, fractions of the frame times `SCALE`, each as the difference from where
the same track was before in the same block: most take one byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import msgspec

from edge_runtime.boxes import Box
from edge_runtime.options import Polygon, RuleOptions
from edge_runtime.text_form import AnyForm

SCALE = 8192
# What became of a frame, in the order of `FrameRun.counts`.
Outcome: TypeAlias = Literal["inferred", "still", "coasted", "dropped", "resting"]
OUTCOMES: tuple[Outcome, ...] = ("inferred", "still", "coasted", "dropped", "resting")
# What a state is of: the daemon itself, a stream's source, what it makes of its pictures, the link,
# refused topics, the day's bytes, heat, the clock, the mode.
Subject: TypeAlias = Literal[
    "daemon", "stream", "camera", "link", "refused", "uplink", "throttle", "clock", "mode"
]


class StreamFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a stream's configuration decides; no address and no password stands in it.

    `names`: the model's labels; `labels`: those that are wanted (empty: all). `channels`: of a
    sensor.
    """

    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    min_score: float = 0.0
    gate: str = "always"
    active: tuple[str, ...] = ()
    time_zone: str = ""
    mask: tuple[Polygon, ...] = ()
    rules: tuple[RuleOptions, ...] = ()
    channels: tuple[str, ...] = ()
    is_tracked: bool = False


class SetupEntry(msgspec.Struct, array_like=True, frozen=True, tag=0):
    """How a stream runs from a moment on."""

    stream: str
    at_s: float
    facts: StreamFacts


class FrameRun(msgspec.Struct, array_like=True, tag=1):
    """What became of a stream's frames in a time, by the places of `OUTCOMES`."""

    stream: str
    begin_s: float
    end_s: float
    counts: list[int]


class ScoreRun(msgspec.Struct, array_like=True, tag=2):
    """How often a class was seen in a time, with a score that counts and with less; the best."""

    stream: str
    begin_s: float
    end_s: float
    class_id: int
    above: int = 0
    below: int = 0
    best: float = 0.0


class PositionEntry(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """The tracks in sight in one frame: id, class and box of each, as differences, one after other.

    `repeats` frames up to `until_s` showed the same.
    """

    stream: str
    at_s: float
    values: list[int]
    repeats: int = 0
    until_s: float = 0.0


class EventEntry(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """What a rule told; `rule` empty: the stream has none, and a track came or went."""

    stream: str
    at_s: float
    rule: str
    event: str
    track: int = 0
    label: str = ""


class ChannelRun(msgspec.Struct, array_like=True, tag=5):
    """The values of a sensor's channel in a time: how many, how many missing, the extremes."""

    stream: str
    begin_s: float
    end_s: float
    channel: int
    count: int = 0
    missing: int = 0
    low: float = 0.0
    high: float = 0.0


class StateEntry(msgspec.Struct, array_like=True, frozen=True, tag=6):
    """What came to be at a moment; `stream` empty: of the device. An empty text: all is well."""

    at_s: float
    subject: Subject
    stream: str
    text: AnyForm


Entry: TypeAlias = (
    SetupEntry | FrameRun | ScoreRun | PositionEntry | EventEntry | ChannelRun | StateEntry
)


class TrackPosition(msgspec.Struct, frozen=True):
    """Where a track was, as it was written: each coordinate a multiple of 1 / `SCALE`."""

    id: int
    class_id: int
    box: Box


class PositionWriter:
    """Makes the numbers of the tracks in one block."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, ...]] = {}

    def values(self, tracks: Iterable[TrackPosition]) -> list[int]:
        """Return the numbers of the tracks in sight in a frame."""
        found: list[int] = []
        for track in tracks:
            now = (track.class_id, *(round(edge * SCALE) for edge in track.box))
            before = self._last.get(track.id, (0,) * len(now))
            found += (track.id, *(one - other for one, other in zip(now, before, strict=True)))
            self._last[track.id] = now
        return found


class PositionReader:
    """Reads what a `PositionWriter` made, entry by entry of one stream in one block."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, ...]] = {}

    def tracks(self, values: list[int]) -> Iterator[TrackPosition]:
        """Yield the tracks. Raises ValueError where the numbers are none."""
        if len(values) % 6:
            raise ValueError("positions that are cut short")
        for at in range(0, len(values), 6):
            id_, *steps = values[at : at + 6]
            before = self._last.get(id_, (0,) * len(steps))
            now = tuple(one + other for one, other in zip(before, steps, strict=True))
            self._last[id_] = now
            left, top, right, bottom = (edge / SCALE for edge in now[1:])
            yield TrackPosition(id_, now[0], (left, top, right, bottom))
