"""From options to rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_runtime.errors import ConfigError, RawText, Text
from edge_runtime.labels import class_ids as labelled
from edge_runtime.options import (
    BaseRuleOptions,
    CountOptions,
    DwellOptions,
    LineOptions,
    ThresholdOptions,
    TrackRuleOptions,
    ZoneOptions,
)
from edge_runtime.rules.base import Classes, Rule
from edge_runtime.rules.count import Count
from edge_runtime.rules.dwell import Dwell
from edge_runtime.rules.line import Line
from edge_runtime.rules.presence import Presence
from edge_runtime.rules.scheduled import ALWAYS, RuleSchedule, RuleTimes, ScheduledRule
from edge_runtime.rules.threshold import Threshold
from edge_runtime.rules.zone import Zone

TRACK_RULES: dict[type[TrackRuleOptions], Callable[[Any, int, Classes], Rule]] = {
    ZoneOptions: Zone,
    LineOptions: Line,
    DwellOptions: Dwell,
    CountOptions: Count,
}
CHANNEL_RULES: dict[type[BaseRuleOptions], Callable[[Any], Threshold]] = {
    ThresholdOptions: Threshold,
}

SHOWN_LABELS = 10


def open_rules(
    options: tuple[TrackRuleOptions, ...],
    labels: tuple[str, ...],
    schedule: RuleSchedule = ALWAYS,
) -> tuple[Rule, ...]:
    """Return a stream's rules; where it has none, each track's enter and exit."""
    if not options:
        return (Presence(),)
    return tuple(open_rule(each, index, labels, schedule) for index, each in enumerate(options))


def open_rule(
    options: TrackRuleOptions,
    index: int,
    labels: tuple[str, ...],
    schedule: RuleSchedule = ALWAYS,
) -> Rule:
    """Return one rule, `index` its place in the stream's list, `labels` those of the model."""
    classes = class_ids(options, index, labels)

    def opened() -> Rule:
        return TRACK_RULES[type(options)](options, index, classes)

    if not (options.active or options.modes):
        return opened()
    return ScheduledRule(opened, RuleTimes(options, schedule))


def open_channel_rule(options: ThresholdOptions) -> Threshold:
    """Return what follows one channel of a sensor."""
    return CHANNEL_RULES[type(options)](options)


def class_ids(options: TrackRuleOptions, index: int, labels: tuple[str, ...]) -> Classes:
    """Return the classes a rule is about; None: all. One label may name several classes."""
    for number, label in enumerate(options.labels):
        if not labelled((label,), labels):
            raise ConfigError(
                "rules[{index}].labels[{number}]: the model has no '{label}'; it knows {known}",
                index=index,
                number=number,
                label=label,
                known=suggestions(label, labels),
            )
    return labelled(options.labels, labels) if options.labels else None


def suggestions(label: str, labels: tuple[str, ...]) -> Text:
    """Name the labels that were perhaps meant, or the first few, on one line."""
    import difflib  # for a mistake alone

    near = difflib.get_close_matches(label, labels, n=3)
    shown = near or list(labels[:SHOWN_LABELS])
    rest = len(labels) - len(shown)
    known = ", ".join(shown)
    return Text("{known} and {rest} more", known=known, rest=rest) if rest else RawText(known)
