"""One stream's decisions: samples and what was seen in them in, results out.

Pure: no thread, no clock, no I/O. Time comes with the samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from edge_runtime.boxes import FULL_FRAME, Box
from edge_runtime.clock import Stamp
from edge_runtime.label_groups import NO_GROUPS, LabelGroups
from edge_runtime.options import PublishMode, PublishOptions, TrackOptions, TrackRuleOptions
from edge_runtime.records import (
    Body,
    Decoded,
    Detection,
    Detections,
    ModelRef,
    Result,
    TrackState,
)
from edge_runtime.rules.base import Rule
from edge_runtime.stream.pace import PaceMonitor
from edge_runtime.stream.wanted import about_wanted, chosen, objects_of
from edge_runtime.track import Tracker
from edge_runtime.track.tracker import Attention


class RuleUse(msgspec.Struct, frozen=True):
    """A rule, the publish mode that it belongs to (None: any), and what it was made of.

    It sees every sample, whatever the mode, so that a change of mode finds it knowing who is there.
    """

    rule: Rule
    mode: PublishMode | None = None
    options: TrackRuleOptions | None = None
    time_zone: str = ""


class PipelineSettings(msgspec.Struct, frozen=True):
    """What a pipeline decides by. All of it can be exchanged while the stream runs.

    `class_ids` are the wanted classes (None: all). Which of them a tracked thing is in shows over
    several samples: what may turn out to be wanted is tracked, and filtered by its track's class.
    `track` None: nothing is tracked. `mode`: how the stream publishes now; None: as `publish` says.
    """

    publish: PublishOptions
    min_score: float
    class_ids: frozenset[int] | None
    track: TrackOptions | None
    rules: tuple[RuleUse, ...]
    rule_names: tuple[str, ...] = ()
    mode: Callable[[], PublishMode] | None = None


class Pipeline:
    """Tracks, applies the rules and chooses what is published. Called in the samples' order.

    `groups` says which classes stand for each other, where the labels' names do not. `new_id`
    issues track ids.
    """

    def __init__(
        self,
        stream: str,
        model: ModelRef,
        settings: PipelineSettings,
        *,
        new_id: Callable[[], int],
        groups: LabelGroups | None = None,
        pace: PaceMonitor | None = None,
    ) -> None:
        self._stream = stream
        self._model = model
        self._new_id = new_id
        self._groups = LabelGroups(model.labels) if groups is None else groups
        self._pace = pace or PaceMonitor()
        self._tracker: Tracker | None = None
        self._live: tuple[TrackState, ...] = ()
        self._next_interval_s: float | None = None
        self._last: Stamp | None = None
        self._seen: Decoded | None = None  # in the last sample, if a model looked at that
        self._take(settings)

    def exchange(self, settings: PipelineSettings) -> tuple[Result, ...]:
        """Go on by other settings; tracks keep their ids, rules that did not change their memory.

        Returns what the rules that go still had open (exits, the counts of the running interval),
        under the names that held until now. Where other classes are wanted all rules begin anew.
        """
        is_same_view = settings.class_ids == self._settings.class_ids
        before = list(self._rules) if is_same_view else []
        rules, begun = [], []
        for use in settings.rules:
            kept = next((one for one in before if is_same_rule(one, use)), None)
            if kept is None:
                begun.append(use.rule)
            else:
                before.remove(kept)
                kept.rule.place = use.rule.place
            rules.append(kept or use)
        gone = [use for use in self._rules if not any(use is one for one in rules)]
        results = self._closed(gone)
        if settings.publish != self._settings.publish:
            self._next_interval_s = None
        self._take(msgspec.structs.replace(settings, rules=tuple(rules)))
        if self._last is not None:
            for rule in begun:
                rule.begin(self.live, self._last)
        return results

    def _take(self, settings: PipelineSettings) -> None:
        self._settings = settings
        self._min_score = settings.min_score
        self._class_ids = wanted = settings.class_ids
        self._trackable = self._groups.widened(wanted) if wanted and settings.track else wanted
        self._rules, self._rule_names = settings.rules, settings.rule_names
        self._mode = settings.mode or (lambda: settings.publish.mode)
        if settings.track is None:
            self._tracker, self._live = None, ()
        elif self._tracker is None:
            self._tracker = Tracker(
                settings.track, high_score=settings.min_score, new_id=self._new_id
            )
        else:
            self._tracker.change(settings.track, high_score=settings.min_score)

    def _closed(self, gone: Sequence[RuleUse]) -> tuple[Result, ...]:
        stamp = self._last
        if stamp is None:
            return ()
        return self._results(stamp, self._heard([(use, use.rule.finish(stamp)) for use in gone]))

    def attention(self) -> Attention:
        """Return what the tracks wait for. Any thread, between two samples."""
        return self._tracker.attention() if self._tracker is not None else "new"

    def inferred(
        self, stamp: Stamp, decoded: Decoded, region: Box = FULL_FRAME, *, sees: bool = True
    ) -> tuple[Result, ...]:
        """Take what a model saw in one sample, or in a region of it.

        `sees`: whether the camera can show who comes.
        """
        self._last = stamp
        decoded = chosen(
            decoded, self._trackable if isinstance(decoded, Detections) else self._class_ids
        )
        bodies: list[Body] = []
        if self._tracker is not None:
            objects = objects_of(decoded, self._min_score)
            # A class of the whole picture does not waver on one thing: there the picture changes.
            groups = self._groups if isinstance(decoded, Detections) else NO_GROUPS
            update = self._tracker.update(objects, stamp.monotonic_s, region, groups)
            self._live = update.live
            self._pace.take(len(update.entered), update.dropped, update.missed, stamp.monotonic_s)
            self._seen = chosen(Detections(update.objects), self._class_ids)
            if isinstance(decoded, Detections):
                decoded = self._seen
        else:
            self._seen = decoded
        if self._is_due(stamp, decoded):
            bodies.append(self._confident(decoded))
        bodies.extend(self._ruled(stamp, is_looked_at=sees))
        return self._results(stamp, bodies)

    def skipped(self, stamp: Stamp, *, sees: bool = True) -> tuple[Result, ...]:
        """Take a sample in which nothing moved: what was there is there still.

        `sees` as above: a covered lens shows nothing that moves.
        """
        self._last, self._seen = stamp, None
        if self._tracker is not None:
            self._live = self._tracker.hold(stamp.monotonic_s).live
        return self._results(stamp, self._ruled(stamp, is_looked_at=sees))

    def coasted(self, stamp: Stamp) -> tuple[Result, ...]:
        """Take a sample that was not looked at though something may move in it."""
        self._last, self._seen = stamp, None
        if self._tracker is not None:
            self._live = self._tracker.coast(stamp.monotonic_s).live
        return self._results(stamp, self._ruled(stamp, is_looked_at=False))

    @property
    def live(self) -> tuple[TrackState, ...]:
        """The confirmed tracks as of the last sample. Between two samples."""
        return self._live

    @property
    def min_score(self) -> float:
        """The least score that counts."""
        return self._min_score

    def label(self, class_id: int) -> str:
        """Return a class's name."""
        return self._model.label(class_id)

    def in_view(self) -> tuple[Detection, ...]:
        """Return the wanted objects of the last sample; if none looked at it, the tracks in sight.

        Of a body the box around it, of a class the whole frame. Between two samples.
        """
        if self._seen is not None:
            return objects_of(self._confident(self._seen), self._min_score)
        in_sight = tuple(
            Detection(one.class_id, one.score, one.xyxy, one.id) for one in self.live if one.visible
        )
        wanted = chosen(Detections(in_sight), self._class_ids)
        assert isinstance(wanted, Detections)
        return wanted.objects

    def finish(self) -> tuple[Result, ...]:
        """End of the source: every track exits, every count is closed."""
        if self._last is None:
            return ()
        stamp = self._last
        if self._tracker is not None:
            self._tracker.finish(stamp.monotonic_s)
            self._live = ()
        return self._closed(self._rules)

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
            self._next_interval_s = stamp.monotonic_s + self._settings.publish.every_s
            return True
        return False

    def _ruled(self, stamp: Stamp, *, is_looked_at: bool) -> list[Body]:
        live = self._live
        return self._heard(
            [(use, use.rule.update(live, stamp, is_looked_at=is_looked_at)) for use in self._rules]
        )

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


def is_same_rule(one: RuleUse, other: RuleUse) -> bool:
    """Say whether two rules are configured alike, wherever they stand in the list."""
    return (one.mode, one.options, one.time_zone) == (other.mode, other.options, other.time_zone)


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
