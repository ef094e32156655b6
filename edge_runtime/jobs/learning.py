"""Listens to a machine that runs well, and makes a baseline of what its alarm would look at."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator

import msgspec
import numpy as np

from edge_runtime.clock import Clock, Stamp
from edge_runtime.errors import ConfigError, SourceError, Text, row
from edge_runtime.labels import wire_name
from edge_runtime.language import N_
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import SCORE, channels_of
from edge_runtime.options import StreamOptions, ThresholdOptions
from edge_runtime.raw import Doubles, Samples
from edge_runtime.records import NO_MODEL
from edge_runtime.sources.base import Source
from edge_runtime.stream.baseline import (
    LEAST_VALUES,
    Baseline,
    BaselineError,
    Limit,
    Side,
    count_exceeding,
    limit_of,
    quantiles_of,
    sensor_ref,
    sides,
)
from edge_runtime.stream.sensor_reporter import read
from edge_runtime.stream.sensor_task import WindowModel

MOST_VALUES = 200_000  # kept; of more every second one is let go, then every fourth …
BEARABLE = 0.01  # of one half, past the limit learnt from the other; a single value proves nothing
MOST_LOSSES = 5
REOPEN_S = 1.0
ROOM = 0.05  # that scores must leave between the limit and 0 or 1: there is where faults lie

HALVES = (N_("first"), N_("second"))
NO_ROOM: dict[Side, str] = {
    "above": N_(
        "'{channel}' lay between {low:.2f} and {high:.2f}, which leaves no score above that for a "
        "fault: the model does not know this machine as healthy; train it with recordings of this "
        "machine"
    ),
    "below": N_(
        "'{channel}' lay between {low:.2f} and {high:.2f}, which leaves no score below that for a "
        "fault: the model does not know this machine as healthy; train it with recordings of this "
        "machine"
    ),
}

Progress = Callable[[float, int, float], None]  # seconds, values, the latest value
Values = Callable[[Samples], Iterable[float]]


class Subject(msgspec.Struct, frozen=True):
    """What is learnt: a channel of a stream, and the rules about it."""

    stream: StreamOptions
    pack: Pack | None
    channel: str
    rules: tuple[ThresholdOptions, ...]

    @property
    def is_share(self) -> bool:
        """Whether the values are a classifier's scores, from 0 to 1."""
        return self.pack is not None and self.channel != SCORE

    @property
    def index(self) -> int:
        """The channel's index in a row, or among what the model says."""
        if self.pack is None:
            assert self.stream.sensor is not None
            return self.stream.sensor.channels.index(self.channel)
        return channels_of(self.pack).index(wire_name(self.channel, self.pack.labels))


class LearntSamples(msgspec.Struct, frozen=True):
    """What was heard: values in their order, how long it took, how often data was missing.

    `notices`: what the source said of itself meanwhile.
    """

    values: Doubles
    seconds: float
    gaps: int
    notices: tuple[Text, ...] = ()


class LearningSamples:
    """Values in the order in which they came, in bounded memory."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._most = most
        self._every = 1
        self._kept: list[float] = []
        self.count = 0

    def add(self, value: float) -> None:
        """Take the next value."""
        if self.count % self._every == 0:
            if len(self._kept) == self._most:
                del self._kept[1::2]
                self._every *= 2
            if self.count % self._every == 0:
                self._kept.append(value)
        self.count += 1

    def values(self) -> Doubles:
        """Return what is kept."""
        return np.array(self._kept, np.float64)


def subject_of(stream: StreamOptions, pack: Pack | None, channel: str | None) -> Subject:
    """Return what is to be learnt of a stream. Raises ConfigError."""
    if stream.sensor is None:
        raise ConfigError(
            "stream '{stream}' gives pictures; name one of a sensor", stream=stream.name
        )
    named = list(dict.fromkeys(rule.channel for rule in stream.thresholds))
    if not named:
        raise ConfigError(
            "stream '{stream}' has no rule of kind threshold, so that no alarm could use what is "
            "learnt; add one to its rules",
            stream=stream.name,
        )
    if channel is None and len(named) > 1:
        raise ConfigError(
            "rules are about {channels}; choose one with --channel", channels=", ".join(named)
        )
    chosen = channel or named[0]
    if chosen not in named:
        raise ConfigError(
            "no rule is about the channel '{chosen}'; rules are about {channel}",
            chosen=chosen,
            channel=named[0],
        )
    rules = tuple(rule for rule in stream.thresholds if rule.channel == chosen)
    return Subject(stream, pack, chosen, rules)


def values_of(subject: Subject, look: WindowModel | None) -> Values:
    """Return what gives the values of a block that the alarm would look at."""
    index = subject.index
    if look is None:
        return lambda block: present(block.values[:, index])
    assert subject.pack is not None
    channels = len(channels_of(subject.pack))

    def windows(block: Samples) -> Iterator[float]:
        for _stamp, decoded in look.windows(block):
            yield read(decoded, channels)[0][index]

    return windows


def present(values: Doubles) -> list[float]:
    """Return the values that are not missing."""
    found: list[float] = values[~np.isnan(values)].tolist()
    return found


def samples(source: Source, clock: Clock, on_loss: Callable[[Text], None]) -> Iterator[Samples]:
    """Yield a source's blocks to its end. Raises SourceError where it does not open, or is gone.

    One that is lost while it is listened to is opened again a few times: a plug may be loose.
    """
    losses = -1
    while True:
        try:
            source.open()
            losses = max(losses, 0)
            while (block := source.read()) is not None:
                assert isinstance(block, Samples)
                yield block
        except SourceError as error:
            if losses < 0 or losses == MOST_LOSSES:
                raise
            losses += 1
            on_loss(error.text)
        else:
            return
        finally:
            source.close()
        clock.sleep(REOPEN_S)


def listen(
    blocks: Iterable[Samples], values: Values, seconds: float, on_progress: Progress
) -> LearntSamples:
    """Take blocks until so many seconds of data have come, or their source has ended."""
    gathered, gaps, passed_s, latest = LearningSamples(), 0, 0.0, np.nan
    begun_s: float | None = None
    for block in blocks:
        begun_s = block.stamp.monotonic_s if begun_s is None else begun_s
        passed_s = block.stamp.monotonic_s - begun_s
        if passed_s >= seconds:
            break
        gaps += block.gap
        for latest in values(block):
            gathered.add(latest)
        on_progress(passed_s, gathered.count, latest)
    return LearntSamples(gathered.values(), min(passed_s, seconds), gaps)


def conclude(subject: Subject, heard: LearntSamples, made: Stamp) -> Baseline:
    """Make a baseline of what was heard. Raises BaselineError where it says too little."""
    values = heard.values
    check_enough(heard)
    limits = limits_of(subject, values)
    for side, one in limits.items():
        check_reach(subject, values, side, one)
    halves = np.array_split(values, 2)
    first, second = (limits_of(subject, half) for half in halves)
    sensor = subject.stream.sensor
    assert sensor is not None
    return Baseline(
        stream=subject.stream.name,
        channel=subject.channel,
        model=(NO_MODEL if subject.pack is None else subject.pack.ref).full_name,
        sensor=sensor_ref(sensor),
        date=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made.wall_s)),
        clock="synced" if made.trusted else "unsynced",
        seconds=round(heard.seconds, 1),
        windows=len(values),
        gaps=heard.gaps,
        quantiles=quantiles_of(values),
        past=(count_exceeding(halves[0], second), count_exceeding(halves[1], first)),
        limits=limits,
    )


def limits_of(subject: Subject, values: Doubles) -> dict[Side, Limit]:
    """Return the limits on the sides that the rules have."""
    return {
        side: limit_of(values, side, is_share=subject.is_share) for side in sides(subject.rules)
    }


def check_enough(heard: LearntSamples) -> None:
    """Raise BaselineError where there are too few values for the quantile that is asked for."""
    count = len(heard.values)
    if count >= LEAST_VALUES:
        return
    too_few = Text(
        "{count} values in {seconds:.0f} s are too few: {least} are needed, so that 1 in 100 can "
        "lie past the quantile that the limit is drawn from",
        count=count,
        seconds=heard.seconds,
        least=LEAST_VALUES,
    )
    if not count:
        raise BaselineError(too_few)
    minutes = math.ceil(heard.seconds / 60.0 * LEAST_VALUES / count * 10.0) / 10.0
    advice = Text("at this pace --minutes {minutes:g} gives them", minutes=minutes)
    raise BaselineError(row([too_few, advice]))


def check_reach(subject: Subject, values: Doubles, side: Side, limit: Limit) -> None:
    """Raise BaselineError for a limit that could not tell a fault."""
    low, high = float(values.min()), float(values.max())
    if limit.limit == limit.clear:
        raise BaselineError(
            "'{channel}' was 0 all the time; a limit cannot be drawn from that",
            channel=subject.channel,
        )
    if subject.is_share and not ROOM <= limit.limit <= 1.0 - ROOM:
        raise BaselineError(Text(NO_ROOM[side], channel=subject.channel, low=low, high=high))


def warnings_of(heard: LearntSamples, baseline: Baseline) -> list[Text]:
    """Return what speaks against a baseline, each as one line."""
    found = list(heard.notices)
    if heard.gaps:
        found.append(
            Text("data was missing {count} times; what spans a gap was left out", count=heard.gaps)
        )
    first, second = np.array_split(heard.values, 2)
    if has_moved(first, second) or has_moved(second, first):
        found.append(
            Text(
                "the machine was not steady: the median of the first half is {first:.4g}, of the "
                "second {second:.4g}; let it warm up, and learn for longer",
                first=float(np.median(first)),
                second=float(np.median(second)),
            )
        )
    for half, count, part in zip(HALVES, baseline.past, (first, second), strict=True):
        if count > max(1.0, BEARABLE * len(part)):
            found.append(
                Text(
                    "{count} of {size} values of the {half} half lie past the limit learnt from "
                    "the other half: alarms without cause are to be expected",
                    count=count,
                    size=len(part),
                    half=Text(half),
                )
            )
    return found


def has_moved(values: Doubles, other: Doubles) -> bool:
    """Say whether the median of some values lies outside what four fifths of the others are."""
    low, high = np.quantile(other, (0.1, 0.9))
    return not low <= float(np.median(values)) <= high
