"""A sensor's decisions: values by channel in, readings and alarms out. Pure, as `pipeline` is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.errors import EMPTY, Text
from edge_runtime.options import PublishMode, PublishOptions, ThresholdOptions
from edge_runtime.raw import Samples
from edge_runtime.records import (
    Anomaly,
    Body,
    Classification,
    ClassScore,
    Decoded,
    Detection,
    Detections,
    Event,
    Measure,
    ModelRef,
    Pose,
    Result,
    whole_frame,
)
from edge_runtime.rules.build import open_channel_rule
from edge_runtime.rules.scheduled import ALWAYS, RuleSchedule, RuleTimes
from edge_runtime.rules.threshold import Threshold, Turn
from edge_runtime.stream.readings import (
    BlockReadings,
    DueValues,
    RowReadings,
    SignalReadings,
    as_float32,
    as_float64,
)
from edge_runtime.stream.stream_hours import StreamHours

NONE_ON: Mapping[str, Stamp] = {}


class ActiveThreshold(msgspec.Struct, frozen=True):
    """A rule at work: its index in the stream's list, and that of its channel.

    `begun`: since when an alarm is on that was told before a restart.
    """

    rule: int
    channel: int
    options: ThresholdOptions
    threshold: Threshold
    begun: Stamp | None
    times: RuleTimes

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.options.name

    @property
    def limit(self) -> float:
        """The first limit that is set."""
        return self.options.limits[0]

    def age_s(self, moment: Stamp) -> float | None:
        """Return how long before a moment the state began; None: no clock can tell any more."""
        if not math.isnan(self.threshold.since_s):
            return max(0.0, moment.monotonic_s - self.threshold.since_s)
        if self.begun is None or not (self.begun.trusted and moment.trusted):
            return None
        return max(0.0, moment.wall_s - self.begun.wall_s)


def watch_of(
    options: ThresholdOptions,
    number: int,
    channels: Sequence[str],
    begun: Stamp | None,
    schedule: RuleSchedule,
) -> ActiveThreshold:
    """Put a rule to work, where its alarm is on as it was left."""
    threshold = open_channel_rule(options)
    if begun is not None:
        threshold.resume()
    index = channels.index(options.channel)
    times = RuleTimes(options, schedule)
    return ActiveThreshold(number, index, options, threshold, begun, times)


def succeeding(
    before: ActiveThreshold,
    options: ThresholdOptions,
    number: int,
    channels: Sequence[str],
    schedule: RuleSchedule,
) -> ActiveThreshold:
    """Return what follows a rule of the same name: the rule itself where it did not change."""
    watch = watch_of(options, number, channels, None, schedule)
    if before.options == options:
        return msgspec.structs.replace(before, rule=number, times=watch.times)
    watch.threshold.succeed(before.threshold)
    return msgspec.structs.replace(watch, begun=before.begun)


class ReporterSettings(msgspec.Struct, frozen=True):
    """What a reporter decides by. All of it can be exchanged while the stream runs."""

    publish: PublishOptions
    rules: tuple[ThresholdOptions, ...]
    mode: Callable[[], PublishMode]
    min_score: float = 0.0
    class_ids: frozenset[int] | None = None
    hours: StreamHours | None = None
    schedule: RuleSchedule = ALWAYS


class SensorReporter:
    """Chooses what is published of one sensor. One thread; blocks or windows in order of time.

    `channels` are what rules and dead bands refer to: the sensor's own, or what a model gives.
    `alarms` are those that are on, by rule, since when.
    """

    def __init__(
        self,
        stream: str,
        model: ModelRef,
        channels: Sequence[str],
        units: Sequence[str],
        settings: ReporterSettings,
        *,
        float32_channels: frozenset[str] = frozenset(),
        alarms: Mapping[str, Stamp] = NONE_ON,
    ) -> None:
        self._stream = stream
        self._model = model
        self._channels = tuple(channels)
        self._units = tuple(units)
        self._watches = tuple(
            watch_of(rule, i, self._channels, alarms.get(rule.name), settings.schedule)
            for i, rule in enumerate(settings.rules)
        )
        self._rule_names = tuple(rule.name for rule in settings.rules)
        self._due = DueValues(self._channels, settings.publish, settings.mode)
        self._min_score = settings.min_score
        self._class_ids = settings.class_ids
        self._shorten = [
            as_float32 if one in float32_channels else as_float64 for one in self._channels
        ]
        self._publish = settings.publish
        self._mode = settings.mode
        self._hours = settings.hours
        self._readings: BlockReadings | None = None

    def exchange(self, settings: ReporterSettings) -> None:
        """Go on by other settings: alarms that are on stay on, by the name of their rule."""
        before = {watch.name: watch for watch in self._watches}
        self._watches = tuple(
            succeeding(before[rule.name], rule, i, self._channels, settings.schedule)
            if rule.name in before
            else watch_of(rule, i, self._channels, None, settings.schedule)
            for i, rule in enumerate(settings.rules)
        )
        self._rule_names = tuple(rule.name for rule in settings.rules)
        self._publish, self._mode = settings.publish, settings.mode
        self._due.exchange(settings.publish, settings.mode)
        if self._readings is not None:
            self._readings.exchange(settings.publish, settings.mode)
        self._min_score = settings.min_score
        self._class_ids = settings.class_ids
        self._hours = settings.hours

    @property
    def schedule(self) -> Text:
        """What is to be said of the stream's hours."""
        return self._hours.notice if self._hours is not None else EMPTY

    def rests(self, stamp: Stamp) -> bool:
        """Say whether a moment is outside the stream's hours, when it takes nothing."""
        return self._hours is not None and self._hours.rests(stamp)

    def rest(self, stamp: Stamp) -> tuple[Result, ...]:
        """End with the stream's hours: what is on goes off."""
        return tuple(
            self._event("clear", watch, stamp, math.nan)
            for watch in self._watches
            if watch.threshold.stand_down()
        )

    def block(self, block: Samples) -> tuple[Result, ...]:
        """Take a sensor's rows: each is held against the rules; what is due is published."""
        row_s = 1.0 / block.rate_hz if block.rate_hz else 0.0
        if block.gap:
            self.lose_sight()
        results: list[Result] = []
        if self._watches:
            for number, row in enumerate(block.values.tolist()):
                results += self._judge(row, block.stamp, number * row_s)
        if self._readings is None:
            opened = SignalReadings if block.rate_hz else RowReadings
            self._readings = opened(
                self._channels, self._units, self._publish, self._mode, self._shorten
            )
        results += [self._result(stamp, reading) for stamp, reading in self._readings.take(block)]
        return tuple(results)

    def window(self, stamp: Stamp, decoded: Decoded) -> tuple[Result, ...]:
        """Take what a model says of a window."""
        values, about = read(decoded, len(self._channels))
        results = self._judge(values, stamp, 0.0, about)
        if self._due.take(values, stamp.monotonic_s):
            results.append(self._result(stamp, self._told(decoded)))
        return tuple(results)

    def values(self, decoded: Decoded) -> list[float]:
        """Return the value of each channel that a model's word gives."""
        return read(decoded, len(self._channels))[0]

    def label(self, class_id: int) -> str:
        """Return a class's name."""
        return self._model.label(class_id)

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
            value, moment = row[watch.channel], stamp.later(later_s)
            is_on = watch.times.hold(moment)
            turn = watch.threshold.update(value, at_s) if is_on else watch.threshold.stand_down()
            if turn is not None:
                results.append(self._event(turn, watch, moment, value, about))
        return results

    def _event(
        self,
        turn: Turn,
        watch: ActiveThreshold,
        moment: Stamp,
        value: float,
        about: Detection | None = None,
    ) -> Result:
        name, unit = self._channels[watch.channel], self._units[watch.channel]
        measure = None if math.isnan(value) else Measure(name, unit, value)
        age_s = watch.age_s(moment)
        event = Event(turn, about, watch.rule, age_s=age_s, measure=measure)
        return self._result(moment, event, watch.name)

    def _told(self, decoded: Decoded) -> Decoded:
        """Return a model's record as it is published."""
        match decoded:
            case Anomaly(score=score):
                watch = self._watches[0]
                return Anomaly(score, watch.limit, watch.threshold.on)
            case Classification(classes=classes):
                return Classification(tuple(one for one in classes if self._is_wanted(one)))
            case Detections() | Pose():
                raise TypeError(f"{decoded.KIND} of a window")  # the manifest allows none
            case _:
                assert_never(decoded)

    def _is_wanted(self, one: ClassScore) -> bool:
        wanted = self._class_ids is None or one.class_id in self._class_ids
        return wanted and one.score > self._min_score

    def _result(self, stamp: Stamp, body: Body, alarm: str = "") -> Result:
        return Result(self._stream, stamp, body, self._model, alarm, self._rule_names)


def read(decoded: Decoded, channels: int) -> tuple[list[float], Detection | None]:
    """Return the value of each channel of a model, and what it takes the window for."""
    match decoded:
        case Anomaly(score=score):
            return [score], None
        case Classification(classes=classes):
            values = [0.0] * channels
            for found in classes:
                values[found.class_id] = found.score
            return values, whole_frame(classes[0].class_id, classes[0].score)
        case Detections() | Pose():
            raise TypeError(f"{decoded.KIND} of a window")
        case _:
            assert_never(decoded)
