"""Gathers what is decided, merges what is alike, and gives it to the ring once a minute."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence

import msgspec

from edge_runtime.boxes import Box
from edge_runtime.clock import Stamp
from edge_runtime.decision_log.entries import (
    OUTCOMES,
    SCALE,
    ChannelRun,
    Entry,
    EventEntry,
    FrameRun,
    Outcome,
    PositionEntry,
    PositionWriter,
    ScoreRun,
    SetupEntry,
    StreamFacts,
    TrackPosition,
)
from edge_runtime.records import Detection, Event, Result, TrackState

SLOT_S = 10.0  # what happens within it is told together
MOST_POSITIONS = 60_000  # numbers between two writes: a crowd must not fill the memory


class ChannelLevels(msgspec.Struct, frozen=True):
    """A channel's values in a block: how many rows, how many without one, the extremes (or NaN)."""

    count: int
    missing: int
    low: float
    high: float


class StreamDecisions:
    """What one stream decides. Several threads, one at a time by its own lock.

    `thinning`: one frame in so many is kept with its positions; the ring asks for more where the
    day's bytes are used up.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._facts: SetupEntry | None = None
        self._is_new = False
        self._frames: list[FrameRun] = []
        self._scores: dict[tuple[float, int], ScoreRun] = {}
        self._channels: dict[tuple[float, int], ChannelRun] = {}
        self._events: list[EventEntry] = []
        self._positions: list[tuple[float, tuple[TrackPosition, ...], int, float]] = []
        self._numbers = 0
        self._looks = 0
        self.thinning = 1

    def setup(self, facts: StreamFacts, at_s: float) -> None:
        """Note how the stream runs from a moment (Unix seconds) on."""
        with self._lock:
            if self._facts is None or self._facts.facts != facts:
                self._facts, self._is_new = SetupEntry(self._stream, at_s, facts), True

    def frame(self, stamp: Stamp, outcome: Outcome) -> None:
        """Note what became of a frame."""
        place = OUTCOMES.index(outcome)
        with self._lock:
            run = self._frames[-1] if self._frames else None
            if run is None or not self._goes_on(run, place, stamp.wall_s):
                run = FrameRun(self._stream, stamp.wall_s, stamp.wall_s, [0] * len(OUTCOMES))
                self._frames.append(run)
            run.counts[place] += 1
            run.end_s = max(run.end_s, stamp.wall_s)

    def _goes_on(self, run: FrameRun, place: int, at_s: float) -> bool:
        """Say whether a run takes a frame in: of its slot, or like all before it."""
        if slot_of(run.begin_s) == slot_of(at_s):
            return True
        alone = run.counts[place] == sum(run.counts)
        return alone and 0.0 <= at_s - run.end_s <= SLOT_S

    def seen(self, stamp: Stamp, objects: Sequence[Detection], min_score: float) -> None:
        """Note all that a model saw in a frame, also what does not count."""
        slot_s = slot_of(stamp.wall_s)
        with self._lock:
            for one in objects:
                key = (slot_s, one.class_id)
                run = self._scores.get(key)
                if run is None:
                    run = ScoreRun(self._stream, stamp.wall_s, stamp.wall_s, one.class_id)
                    self._scores[key] = run
                run.end_s = max(run.end_s, stamp.wall_s)
                run.best = max(run.best, round(one.score, 3))
                if one.score >= min_score:
                    run.above += 1
                else:
                    run.below += 1

    def tracks(self, stamp: Stamp, live: Iterable[TrackState]) -> None:
        """Note where the tracks in sight are."""
        now = tuple(
            TrackPosition(one.id, one.class_id, on_grid(one.xyxy)) for one in live if one.visible
        )
        if not now:
            return
        with self._lock:
            self._looks += 1
            if self._looks % self.thinning or self._numbers >= MOST_POSITIONS:
                return
            if self._positions and self._positions[-1][1] == now:
                at_s, tracks, repeats, _ = self._positions[-1]
                self._positions[-1] = (at_s, tracks, repeats + 1, stamp.wall_s)
                return
            self._positions.append((stamp.wall_s, now, 0, stamp.wall_s))
            self._numbers += 6 * len(now)

    def told(self, results: Iterable[Result], label_of: Callable[[int], str]) -> None:
        """Note the events among what was told."""
        for result in results:
            body = result.body
            if not isinstance(body, Event):
                continue
            rule = result.rules[body.rule] if 0 <= body.rule < len(result.rules) else ""
            about = body.object
            track, label = (about.track, label_of(about.class_id)) if about else (0, "")
            entry = EventEntry(self._stream, result.stamp.wall_s, rule, body.event, track, label)
            with self._lock:
                self._events.append(entry)

    def rows(self, stamp: Stamp, last_s: float, channels: Sequence[ChannelLevels]) -> None:
        """Note a block's rows up to `last_s` (Unix seconds)."""
        slot_s = slot_of(stamp.wall_s)
        with self._lock:
            for channel, levels in enumerate(channels):
                run = self._channels.get((slot_s, channel))
                if run is None:
                    run = ChannelRun(self._stream, stamp.wall_s, last_s, channel)
                    run.low = run.high = math.nan
                    self._channels[slot_s, channel] = run
                run.end_s = max(run.end_s, last_s)
                run.count += levels.count
                run.missing += levels.missing
                run.low, run.high = least(run.low, levels.low), most(run.high, levels.high)

    def take(self, *, with_setup: bool) -> list[Entry]:
        """Return what was noted since the last time; `with_setup`: and how the stream runs."""
        with self._lock:
            entries: list[Entry] = []
            if self._facts is not None and (with_setup or self._is_new):
                entries.append(self._facts)
                self._is_new = False
            entries += [*self._frames, *self._scores.values(), *self._channels.values()]
            entries += self._events
            writer = PositionWriter()
            entries += [
                PositionEntry(self._stream, at_s, writer.values(tracks), repeats, until_s)
                for at_s, tracks, repeats, until_s in self._positions
            ]
            self._frames, self._events, self._positions = [], [], []
            self._scores, self._channels, self._numbers = {}, {}, 0
            return entries

    @property
    def is_quiet(self) -> bool:
        """Whether nothing was noted but frames in which nothing was seen."""
        return not (self._events or self._positions or self._scores or self._is_new)


class UnkeptDecisions(StreamDecisions):
    """What a stream has where nobody keeps its decisions, as in a replay: nothing is gathered."""

    def frame(self, stamp: Stamp, outcome: Outcome) -> None: ...

    def seen(self, stamp: Stamp, objects: Sequence[Detection], min_score: float) -> None: ...

    def tracks(self, stamp: Stamp, live: Iterable[TrackState]) -> None: ...

    def told(self, results: Iterable[Result], label_of: Callable[[int], str]) -> None: ...

    def rows(self, stamp: Stamp, last_s: float, channels: Sequence[ChannelLevels]) -> None: ...


def slot_of(at_s: float) -> float:
    """Return the beginning of the slot of a moment."""
    return at_s - at_s % SLOT_S


def on_grid(box: Box) -> Box:
    """Return a box as it is written."""
    left, top, right, bottom = (round(edge * SCALE) / SCALE for edge in box)
    return left, top, right, bottom


def least(one: float, other: float) -> float:
    """Return the lesser of two numbers, of which NaN is none."""
    return other if one > other or math.isnan(one) else one


def most(one: float, other: float) -> float:
    """Return the greater of two numbers, of which NaN is none."""
    return other if one < other or math.isnan(one) else one
