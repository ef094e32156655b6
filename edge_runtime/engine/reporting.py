"""A sensor's decisions: values by channel in, readings and alarms out. Pure, as `pipeline` is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.options import Publish, PublishMode
from edge_runtime.options import Threshold as ThresholdOptions
from edge_runtime.records import (
    Anomaly,
    Body,
    Classification,
    Decoded,
    Detection,
    Event,
    Measure,
    ModelRef,
    Reading,
    Result,
    Samples,
    whole_frame,
)
from edge_runtime.rules.base import TIME_TOLERANCE_S
from edge_runtime.rules.threshold import Threshold

SCORE = "score"  # the one channel of a model that says how far from healthy a window is


class Watch(msgspec.Struct, frozen=True):
    """A rule at work: its place in the stream's list, and that of its channel."""

    rule: int
    channel: int
    threshold: Threshold
    limit: float


class Reporter:
    """Chooses what is published of one sensor. One thread; blocks or windows in order of time.

    `channels` are what rules and dead bands refer to: the sensor's own, or what a model gives.
    """

    def __init__(
        self,
        stream: str,
        model: ModelRef,
        channels: Sequence[str],
        units: Sequence[str],
        *,
        publish: Publish,
        rules: Sequence[ThresholdOptions],
        mode: Callable[[], PublishMode],
        min_score: float = 0.0,
        class_ids: frozenset[int] | None = None,
    ) -> None:
        self._stream = stream
        self._model = model
        self._channels = tuple(channels)
        self._units = tuple(units)
        self._watches = tuple(
            Watch(i, self._channels.index(rule.channel), Threshold(rule), rule.limits[0])
            for i, rule in enumerate(rules)
        )
        self._due = Due(self._channels, publish, mode)
        self._min_score = min_score
        self._class_ids = class_ids

    def block(self, block: Samples) -> tuple[Result, ...]:
        """Take a sensor's rows: each is held against the rules, the last may be published."""
        row_s = 1.0 / block.rate_hz if block.rate_hz else 0.0
        if block.gap:
            self.lose_sight()
        results: list[Result] = []
        if self._watches:
            for number, row in enumerate(block.values.tolist()):
                results += self._judge(row, block.stamp, number * row_s)
        last = [float(str(value)) for value in block.values[-1]]  # as short as float32 is
        stamp = block.stamp.later((len(block.values) - 1) * row_s)
        if self._due.take(last, stamp.monotonic_s):
            measures = map(Measure, self._channels, self._units, last)
            results.append(self._result(stamp, Reading(tuple(measures))))
        return tuple(results)

    def window(self, stamp: Stamp, decoded: Decoded) -> tuple[Result, ...]:
        """Take what a model says of a window."""
        values, about = self._read(decoded)
        results = self._judge(values, stamp, 0.0, about)
        if self._due.take(values, stamp.monotonic_s):
            results.append(self._result(stamp, self._told(decoded)))
        return tuple(results)

    def lose_sight(self) -> None:
        """Data is missing from here on."""
        for watch in self._watches:
            watch.threshold.lose_sight()

    def _judge(
        self, row: Sequence[float], stamp: Stamp, later_s: float, about: Detection | None = None
    ) -> list[Result]:
        results = []
        at_s = stamp.monotonic_s + later_s
        for watch in self._watches:
            value = row[watch.channel]
            turn = watch.threshold.update(value, at_s)
            if turn is not None:
                name, unit = self._channels[watch.channel], self._units[watch.channel]
                age_s = max(0.0, at_s - watch.threshold.since_s)
                measure = Measure(name, unit, value)
                event = Event(turn, about, watch.rule, age_s=age_s, measure=measure)
                results.append(self._result(stamp.later(later_s), event))
        return results

    def _read(self, decoded: Decoded) -> tuple[list[float], Detection | None]:
        """Return the value of each channel, and what the model takes it for."""
        if isinstance(decoded, Anomaly):
            return [decoded.score], None
        assert isinstance(decoded, Classification)
        values = [0.0] * len(self._channels)
        for found in decoded.classes:
            values[found.class_id] = found.score
        best = decoded.classes[0]
        return values, whole_frame(best.class_id, best.score)

    def _told(self, decoded: Decoded) -> Decoded:
        """Return a model's record as it is published."""
        if isinstance(decoded, Anomaly):
            watch = self._watches[0]
            return Anomaly(decoded.score, watch.limit, watch.threshold.on)
        assert isinstance(decoded, Classification)
        wanted = self._class_ids
        return Classification(
            tuple(
                one
                for one in decoded.classes
                if one.score > self._min_score and (wanted is None or one.class_id in wanted)
            )
        )

    def _result(self, stamp: Stamp, body: Body) -> Result:
        return Result(self._stream, stamp, body, self._model)


class Due:
    """Says which values are published, by the publish mode of the moment."""

    def __init__(
        self, channels: Sequence[str], publish: Publish, mode: Callable[[], PublishMode]
    ) -> None:
        self._bands = [(channels.index(name), band) for name, band in publish.dead_band.items()]
        self._heartbeat_s = publish.heartbeat_s
        self._every_s = publish.every_s
        self._mode = mode
        self._sent: Sequence[float] = ()
        self._sent_s = -math.inf

    def take(self, values: Sequence[float], at_s: float) -> bool:
        """Say whether these values are to be sent, and remember them if so."""
        due = self._is_due(values, at_s - self._sent_s + TIME_TOLERANCE_S)
        if due:
            self._sent, self._sent_s = values, at_s
        return due

    def _is_due(self, values: Sequence[float], age_s: float) -> bool:
        mode = self._mode()
        if mode == "every_inference" or math.isinf(age_s):
            return True
        if mode == "interval":
            return age_s >= self._every_s
        return age_s >= self._heartbeat_s or any(
            abs(values[place] - self._sent[place]) > band for place, band in self._bands
        )
