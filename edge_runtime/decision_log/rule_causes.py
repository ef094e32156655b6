"""Why rules told nothing of what was followed: where it went, and how far that was from enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edge_runtime.clock import Stamp
from edge_runtime.decision_log.channel_causes import threshold
from edge_runtime.decision_log.evidence import KeptDecisions
from edge_runtime.decision_log.explanation import Explanation
from edge_runtime.decision_log.paths import TrackPath, chained, paths_of, stays_in
from edge_runtime.errors import Text
from edge_runtime.hours import WeeklyHours
from edge_runtime.options import (
    CountOptions,
    DwellOptions,
    LineOptions,
    Polygon,
    RuleOptions,
    ThresholdOptions,
    ZoneOptions,
)
from edge_runtime.options.polygons import LEAVE_MARGIN
from edge_runtime.rules.area import (
    distance_to_border,
    distance_to_segment,
    signed_distance,
)

STEP_S = 60.0  # at which a rule's hours are looked at
MOST_OF_IT = 0.5


def rule_findings(evidence: KeptDecisions, label: str, rule: str) -> Iterator[Explanation]:
    """Yield why each rule told nothing, the one that was nearest to it first."""
    facts = evidence.facts
    if facts is None:
        return
    paths = paths_of(evidence, label)
    found: list[Explanation] = []
    for options in facts.rules:
        if rule and options.name != rule:
            continue
        off = switched_off(options, evidence, paths)
        found += [off] if off is not None else list(judged(options, evidence, paths, label))
    yield from sorted(found, key=lambda one: -one.nearness)


def judged(
    options: RuleOptions, evidence: KeptDecisions, paths: list[TrackPath], label: str
) -> Iterator[Explanation]:
    """Yield why a rule that was on told nothing."""
    if isinstance(options, ThresholdOptions):
        yield from threshold(options, evidence)
        return
    if label and options.labels and label not in options.labels:
        yield Explanation(
            "rule_label",
            Text(
                "rule '{rule}' is about {labels} alone, not about '{label}'",
                rule=options.name,
                labels=", ".join(options.labels),
                label=label,
            ),
            0.9,
        )
        return
    names = evidence.facts.names if evidence.facts is not None else ()
    about = [
        path
        for path in paths
        if not options.labels
        or (path.class_id < len(names) and names[path.class_id] in options.labels)
    ]
    if about:
        yield from JUDGES[type(options)](options, about)


def switched_off(
    options: RuleOptions, evidence: KeptDecisions, paths: list[TrackPath]
) -> Explanation | None:
    """Say that a rule was off for most of the moments that count: its hours or its mode."""
    facts = evidence.facts
    assert facts is not None
    moments = [at_s for path in paths for at_s in path.times_s] or grid(evidence)
    if options.active:
        hours = WeeklyHours(options.active, facts.time_zone)
        off = sum(not hours.hold(Stamp(at_s, 0.0)) for at_s in moments)
        if off >= MOST_OF_IT * len(moments):
            text = Text(
                "rule '{rule}' was off: its hours are {hours}",
                rule=options.name,
                hours="; ".join(options.active),
            )
            return Explanation("rule_hours", text, 1.0)
    if options.modes:
        held = [(one.begin_s, one.end_s, str(one.text)) for one in evidence.all_held("mode")]
        off_in = [
            mode
            for at_s in moments
            for begin_s, end_s, mode in held
            if begin_s <= at_s <= end_s and mode not in options.modes
        ]
        if len(off_in) >= MOST_OF_IT * len(moments):
            text = Text(
                "rule '{rule}' was off: mode {mode} held, and the rule is on in {modes}",
                rule=options.name,
                mode=max(set(off_in), key=off_in.count),
                modes=", ".join(options.modes),
            )
            return Explanation("mode", text, 1.0)
    return None


def grid(evidence: KeptDecisions) -> list[float]:
    """Return moments of a time, evenly spread."""
    count = max(1, round((evidence.end_s - evidence.begin_s) / STEP_S))
    return [evidence.begin_s + (at + 0.5) * STEP_S for at in range(count)]


def zone(options: ZoneOptions, paths: list[TrackPath]) -> Iterator[Explanation]:
    """Yield why nobody entered a zone."""
    stays = [stay for path in paths for stay in stays_in(options.polygon, path)]
    if not stays:
        yield not_reached(options, options.polygon, paths)
        return
    longest = max(stays, key=lambda one: one.seconds)
    if longest.seconds < options.debounce_s:
        yield Explanation(
            "debounce",
            Text(
                "track {track} was in zone '{rule}' for {seconds:.1f} s; it enters after "
                "debounce_s = {limit:g} s",
                track=longest.track,
                rule=options.name,
                seconds=longest.seconds,
                limit=options.debounce_s,
            ),
            0.95,
        )
        return
    yield Explanation(
        "hysteresis",
        Text(
            "track {track} was in zone '{rule}' all the time: it had entered before, and who stays "
            "within {margin:g} of its edge has not left",
            track=longest.track,
            rule=options.name,
            margin=LEAVE_MARGIN,
        ),
        0.9,
    )


def count(options: CountOptions, paths: list[TrackPath]) -> Iterator[Explanation]:
    """Yield why a count has nobody in it."""
    if options.polygon is not None and not any(stays_in(options.polygon, one) for one in paths):
        yield not_reached(options, options.polygon, paths)


def dwell(options: DwellOptions, paths: list[TrackPath]) -> Iterator[Explanation]:
    """Yield why nobody stayed long enough."""
    stays = [stay for path in paths for stay in stays_in(options.polygon, path)]
    if not stays:
        yield not_reached(options, options.polygon, paths)
        return
    longest = max(stays, key=lambda one: one.seconds)
    chain = chained(stays)
    if longest.seconds < options.after_s <= chain[-1].end_s - chain[0].begin_s:
        yield Explanation(
            "id_swap",
            Text(
                "somebody stayed in '{rule}' for {seconds:.0f} s, but under {count} ids one after "
                "the other ({tracks}), the longest for {longest:.0f} s; after_s is {limit:g}: "
                "hidden between, or too low a rate",
                rule=options.name,
                seconds=chain[-1].end_s - chain[0].begin_s,
                count=len(chain),
                tracks=", ".join(str(one.track) for one in chain),
                longest=longest.seconds,
                limit=options.after_s,
            ),
            0.97,
        )
        return
    yield Explanation(
        "short_stay",
        Text(
            "track {track} stayed in '{rule}' for {seconds:.1f} s; after_s is {limit:g}",
            track=longest.track,
            rule=options.name,
            seconds=longest.seconds,
            limit=options.after_s,
        ),
        min(0.95, longest.seconds / options.after_s),
    )


def line(options: LineOptions, paths: list[TrackPath]) -> Iterator[Explanation]:
    """Yield why nobody crossed a line."""
    best = max(paths, key=lambda path: progress(options, path))
    sides = [signed_distance(options.start, options.end, point) for point in best.points]
    turned = min(sides) < 0.0 <= max(sides)
    beyond = min(max(sides), -min(sides))
    if turned and beyond < options.margin:
        yield Explanation(
            "margin",
            Text(
                "track {track} got {beyond:.3f} of the frame beyond line '{rule}'; it counts from "
                "margin = {margin:g} on",
                track=best.id,
                beyond=beyond,
                rule=options.name,
                margin=options.margin,
            ),
            0.95,
        )
        return
    if turned:
        yield Explanation(
            "round_the_end",
            Text(
                "track {track} came to the other side of line '{rule}' round one of its ends; make "
                "the line longer",
                track=best.id,
                rule=options.name,
            ),
            0.9,
        )
        return
    nearest = min(distance_to_segment(options.start, options.end, point) for point in best.points)
    yield Explanation(
        "line_not_reached",
        Text(
            "track {track} came as near as {distance:.3f} of the frame to line '{rule}', and "
            "stayed on its side",
            track=best.id,
            distance=nearest,
            rule=options.name,
        ),
        max(0.0, 0.8 - nearest),
    )


JUDGES: dict[type[Any], Callable[[Any, list[TrackPath]], Iterator[Explanation]]] = {
    ZoneOptions: zone,
    LineOptions: line,
    DwellOptions: dwell,
    CountOptions: count,
}


def not_reached(
    options: ZoneOptions | DwellOptions | CountOptions, polygon: Polygon, paths: list[TrackPath]
) -> Explanation:
    """Say how near to an area anybody came."""
    nearest, track = min(
        (distance_to_border(polygon, point), path.id) for path in paths for point in path.points
    )
    text = Text(
        "nobody stood in '{rule}': track {track} came as near as {distance:.3f} of the frame, by "
        "the bottom centre of its box",
        rule=options.name,
        track=track,
        distance=nearest,
    )
    return Explanation("zone_not_reached", text, max(0.0, 0.8 - nearest))


def progress(options: LineOptions, path: TrackPath) -> float:
    """Return how near a track was to a crossing: more is nearer."""
    sides = [signed_distance(options.start, options.end, point) for point in path.points]
    if min(sides) < 0.0 <= max(sides):
        return 1.0 + min(max(sides), -min(sides))
    return -min(distance_to_segment(options.start, options.end, point) for point in path.points)
