"""One stream's decisions: samples and what was seen in them in, results out.

Pure: no thread, no clock, no I/O. Time comes with the samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

import msgspec

from edge_runtime.boxes import FULL_FRAME, Box
from edge_runtime.clock import Stamp
from edge_runtime.label_groups import NO_GROUPS, LabelGroups
from edge_runtime.options import PublishMode, PublishOptions
from edge_runtime.records import (
    Anomaly,
    Body,
    Classification,
    Counts,
    Decoded,
    Detection,
    Detections,
    Event,
    Gap,
    ModelRef,
    Pose,
    Reading,
    Result,
    Summary,
    TrackState,
    whole_frame,
)
from edge_runtime.rules.base import Rule
from edge_runtime.stream.pace import PaceMonitor
from edge_runtime.track import Tracker
from edge_runtime.track.tracker import Attention

NO_KEYPOINT_SCORE = 0.1  # below it a keypoint is a guess and does not stretch the body's box


class RuleUse(msgspec.Struct, frozen=True):
    """A rule, and the publish mode that it belongs to; None: it is heard in every mode.

    It sees every sample, heard or not, so that a change of mode finds it knowing who is there.
    """

    rule: Rule
    mode: PublishMode | None = None


class Pipeline:
    """Tracks, applies the rules and chooses what is published. Called in the samples' order.

    `class_ids` are the wanted classes (None: all). Which of them a tracked thing is in shows over
    several samples: what may turn out to be wanted is tracked, and filtered by its track's class.
    `groups` says which classes stand for each other, where the labels' names do not.
    """

    def __init__(
        self,
        stream: str,
        model: ModelRef,
        *,
        publish: PublishOptions,
        min_score: float,
        class_ids: frozenset[int] | None,
        tracker: Tracker | None,
        rules: Sequence[RuleUse],
        rule_names: tuple[str, ...] = (),
        mode: Callable[[], PublishMode] | None = None,
        groups: LabelGroups | None = None,
        pace: PaceMonitor | None = None,
    ) -> None:
        self._stream = stream
        self._model = model
        self._publish = publish
        self._min_score = min_score
        self._groups = LabelGroups(model.labels) if groups is None else groups
        self._class_ids = class_ids
        self._trackable = self._groups.widened(class_ids) if class_ids and tracker else class_ids
        self._tracker = tracker
        self._pace = pace or PaceMonitor()
        self._rules = tuple(rules)
        self._rule_names = rule_names
        self._mode = mode or (lambda: publish.mode)
        self._next_interval_s: float | None = None
        self._last: Stamp | None = None

    def attention(self) -> Attention:
        """Return what the tracks wait for. Any thread, between two samples."""
        return self._tracker.attention() if self._tracker is not None else "new"

    def inferred(
        self, stamp: Stamp, decoded: Decoded, region: Box = FULL_FRAME
    ) -> tuple[Result, ...]:
        """Take what a model saw in one sample, or in a region of it."""
        self._last = stamp
        decoded = chosen(
            decoded, self._trackable if isinstance(decoded, Detections) else self._class_ids
        )
        bodies: list[Body] = []
        live: tuple[TrackState, ...] = ()
        if self._tracker is not None:
            objects = objects_of(decoded, self._min_score)
            # A class of the whole picture does not waver on one thing: there the picture changes.
            groups = self._groups if isinstance(decoded, Detections) else NO_GROUPS
            update = self._tracker.update(objects, stamp.monotonic_s, region, groups)
            live = update.live
            self._pace.take(len(update.entered), update.dropped, update.missed, stamp.monotonic_s)
            if isinstance(decoded, Detections):
                decoded = chosen(Detections(update.objects), self._class_ids)
        if self._is_due(stamp, decoded):
            bodies.append(self._confident(decoded))
        bodies.extend(self._ruled(live, stamp))
        return self._results(stamp, bodies)

    def skipped(self, stamp: Stamp) -> tuple[Result, ...]:
        """Take a sample in which nothing moved: what was there is there still."""
        self._last = stamp
        live: tuple[TrackState, ...] = ()
        if self._tracker is not None:
            live = self._tracker.hold(stamp.monotonic_s).live
        return self._results(stamp, self._ruled(live, stamp))

    def coasted(self, stamp: Stamp) -> tuple[Result, ...]:
        """Take a sample that was not looked at though something may move in it."""
        self._last = stamp
        live: tuple[TrackState, ...] = ()
        if self._tracker is not None:
            live = self._tracker.coast(stamp.monotonic_s).live
        return self._results(stamp, self._ruled(live, stamp))

    def finish(self) -> tuple[Result, ...]:
        """End of the source: every track exits, every count is closed."""
        if self._last is None:
            return ()
        stamp = self._last
        if self._tracker is not None:
            self._tracker.finish(stamp.monotonic_s)
        said = [(use, use.rule.finish(stamp)) for use in self._rules]
        return self._results(stamp, self._heard(said))

    def _confident(self, decoded: Decoded) -> Decoded:
        # The tracker is given weaker objects too; subscribers get those that were asked for.
        if not isinstance(decoded, Detections):
            return decoded
        return Detections(tuple(o for o in decoded.objects if o.score >= self._min_score))

    def _is_due(self, stamp: Stamp, decoded: Decoded) -> bool:
        mode = self._mode()
        if mode == "every_inference":
            return True
        # Detectors have their interval as counts, which a rule makes; others send the latest.
        if mode != "interval" or isinstance(decoded, Detections):
            return False
        if self._next_interval_s is None or stamp.monotonic_s >= self._next_interval_s:
            self._next_interval_s = stamp.monotonic_s + self._publish.every_s
            return True
        return False

    def _ruled(self, live: tuple[TrackState, ...], stamp: Stamp) -> list[Body]:
        return self._heard([(use, use.rule.update(live, stamp)) for use in self._rules])

    def _heard(self, said: Sequence[tuple[RuleUse, Sequence[Body]]]) -> list[Body]:
        modes = (None, self._mode())
        heard = [body for use, bodies in said if use.mode in modes for body in bodies]
        if self._class_ids is None:
            return heard
        wanted = self._class_ids
        return [kept for body in heard if (kept := about_wanted(body, wanted)) is not None]

    def _results(self, stamp: Stamp, bodies: Sequence[Body]) -> tuple[Result, ...]:
        return tuple(
            Result(self._stream, stamp, body, self._model, rules=self._rule_names)
            for body in bodies
        )


def chosen(decoded: Decoded, wanted: frozenset[int] | None) -> Decoded:
    """Return a record without the classes that are not wanted (None: all are)."""
    if wanted is None:
        return decoded
    match decoded:
        case Detections(objects=objects):
            return Detections(tuple(one for one in objects if one.class_id in wanted))
        case Classification(classes=classes):
            return Classification(tuple(one for one in classes if one.class_id in wanted))
        case Pose() | Anomaly():  # of no class
            return decoded
        case _:
            assert_never(decoded)


def about_wanted(body: Body, wanted: frozenset[int]) -> Body | None:
    """Return what a rule said without the classes that are not wanted; None: nothing is left."""
    match body:
        case Event(object=Detection(class_id=class_id)):
            return body if class_id in wanted else None
        case Counts(span_s=span_s, labels=labels, rule=rule):
            return Counts(span_s, tuple(one for one in labels if one.class_id in wanted), rule)
        case Event() | Detections() | Classification() | Pose() | Anomaly():
            return body
        case Reading() | Summary() | Gap():  # made by no rule
            return body
        case _:
            assert_never(body)


def objects_of(decoded: Decoded, min_score: float) -> tuple[Detection, ...]:
    """Return a record as objects that can be tracked: a class fills the frame, a body its box."""
    match decoded:
        case Detections(objects=objects):
            return objects
        case Classification(classes=classes):
            best = classes[:1]
            return tuple(whole_frame(c.class_id, c.score) for c in best if c.score >= min_score)
        case Pose(people=people):
            return tuple(
                Detection(0, person.score, around(person.keypoints))
                for person in people
                if person.score >= min_score
            )
        case Anomaly():  # nothing has a place
            return ()
        case _:
            assert_never(decoded)


def around(keypoints: Sequence[tuple[float, float, float]]) -> Box:
    """Return the box around a body's keypoints."""
    sure = [point for point in keypoints if point[2] >= NO_KEYPOINT_SCORE] or list(keypoints)
    xs = [point[0] for point in sure]
    ys = [point[1] for point in sure]
    return min(xs), min(ys), max(xs), max(ys)


class PublishModes(Protocol):
    """How much streams publish: as configured, or less near the day's limit. Any thread."""

    def mode(self, configured: PublishMode) -> PublishMode:
        """Return how a stream publishes now."""

    def modes(self, configured: PublishMode) -> tuple[PublishMode, ...]:
        """Return the modes that a stream may come to."""


class Sink(Protocol):
    """Where results go: the outbox."""

    def append(self, result: Result) -> None:
        """Take one result; may block as back-pressure."""
        ...
