"""Why there was an alarm, or none: the way of a frame is gone along, up to where it ended.

Each step says what it found in one sentence, and what would have had to differ. The first one that
explains it all comes first; what else was seen follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from edge_runtime.boxes import contains
from edge_runtime.decision_log.entries import EventEntry, Outcome, ScoreRun, Subject
from edge_runtime.decision_log.evidence import Held, KeptDecisions
from edge_runtime.decision_log.explanation import Explanation
from edge_runtime.decision_log.rule_causes import rule_findings
from edge_runtime.errors import Text
from edge_runtime.language import N_
from edge_runtime.options import Polygon, RuleOptions
from edge_runtime.options.polygons import breadth

MOST_OF_IT = 0.5  # of a time, or of its frames
SOME_OF_IT = 0.05
RARELY = 0.1  # of the frames: where no more are looked at, that is why somebody is seen too rarely
MOST_EVENTS = 3  # told one by one
GRID = 24  # points a side at which an area is compared with the masks
# Events that are no word about an alarm.
ENDINGS = ("exit", "clear")


class Question(msgspec.Struct, frozen=True):
    """What is asked: about which label (empty: any) and which rule (empty: any)."""

    label: str = ""
    rule: str = ""


def findings(evidence: KeptDecisions, question: Question) -> list[Explanation]:
    """Return why it was so, the cause that explains most first."""
    found = list(before_frames(evidence))
    if found:
        return found
    told = [one for one in evidence.events if is_asked(one, question)]
    if told:
        kept_back = delivery(evidence, ("refused", "link", "clock"))
        return [*kept_back, *map(event_finding(evidence), told[:MOST_EVENTS])]
    if evidence.channels and not evidence.frames:
        return list(rule_findings(evidence, question.label, question.rule))
    return list(nothing_told(evidence, question))


def is_asked(event: EventEntry, question: Question) -> bool:
    """Say whether an event is one that is asked about."""
    if event.event in ENDINGS:
        return False
    return (not question.label or event.label in (question.label, "")) and (
        not question.rule or event.rule == question.rule
    )


def nothing_told(evidence: KeptDecisions, question: Question) -> Iterator[Explanation]:
    """Yield why nothing was told, though there were frames or should have been."""
    frames = list(frame_findings(evidence))
    if frames and not evidence.frames_that("inferred"):
        yield from frames
        return
    seen = seen_of(evidence, question.label)
    if not any(run.above for run in seen):
        yield from frames
        yield from unseen(evidence, question, seen)
        return
    if not evidence.sights and evidence.facts is not None and evidence.facts.is_tracked:
        looked = evidence.frames_that("inferred")
        is_rare = looked <= RARELY * evidence.frame_count
        yield from (frames if is_rare else [])
        yield too_few(evidence, seen)
        yield from ([] if is_rare else frames)
        return
    yield from rule_findings(evidence, question.label, question.rule)
    yield from delivery(evidence, ("uplink", "clock"))
    yield from frames


# What keeps frames from being there at all


def before_frames(evidence: KeptDecisions) -> Iterator[Explanation]:
    """Yield what kept the stream from seeing anything for most of the time."""
    since = evidence.kept_since
    if since is None or since > evidence.end_s:
        yield Explanation("not_kept", not_kept(evidence))
        return
    stopped = longest(evidence, "daemon", MOST_OF_IT)
    if stopped is not None:
        yield Explanation("stopped", stopped.text)
    elif evidence.facts is None:
        yield Explanation("no_stream", Text("there was no stream of this name then"))
        return
    stream = longest(evidence, "stream", MOST_OF_IT)
    if stream is not None and not evidence.frames_that("inferred", "still", "coasted"):
        yield Explanation(
            "camera",
            Text(
                "the source gave nothing for {seconds:.0f} s: {reason}",
                seconds=stream.seconds,
                reason=stream.text,
            ),
        )


def not_kept(evidence: KeptDecisions) -> Text:
    """Say that a time is not kept, and from when on it is."""
    if evidence.kept_since is None:
        return Text("nothing is kept yet: the board writes its decisions once a minute")
    return Text(
        "that is not kept any more; from {since} on it is",
        since=moment(evidence.kept_since, evidence),
    )


def longest(evidence: KeptDecisions, subject: Subject, share: float) -> Held | None:
    """Return what was wrong with a subject for at least a share of the time."""
    held = evidence.held(subject)
    asked_s = max(evidence.end_s - evidence.begin_s, 1.0)
    return held if held is not None and held.seconds >= share * asked_s else None


# What keeps frames from being looked at


def frame_findings(evidence: KeptDecisions) -> Iterator[Explanation]:
    """Yield what kept frames from the model, the most important first."""
    camera = evidence.held("camera")
    if camera is not None:
        yield Explanation("blind", camera.text)
    total = evidence.frame_count
    if not total:
        return
    shares = {outcome: evidence.frames_that(outcome) / total for outcome in FRAME_CAUSES}
    for outcome in sorted(shares, key=lambda one: -shares[one]):
        if shares[outcome] >= MOST_OF_IT or (shares[outcome] > SOME_OF_IT and outcome == "dropped"):
            yield from FRAME_CAUSES[outcome](evidence, total)


def resting(evidence: KeptDecisions, _total: int) -> Iterator[Explanation]:
    """Yield that it was outside the stream's hours."""
    assert evidence.facts is not None
    hours = "; ".join(evidence.facts.active)
    yield Explanation(
        "stream_hours",
        Text("the stream was outside its hours ({hours}), when nothing is looked at", hours=hours),
    )


def still(evidence: KeptDecisions, total: int) -> Iterator[Explanation]:
    """Yield that the gate was shut."""
    assert evidence.facts is not None
    count = evidence.frames_that("still")
    text = Text(
        "the gate ({kind}) let {count} of {total} frames pass as still: nothing moved in them, by "
        "its threshold and min_area",
        kind=evidence.facts.gate,
        count=count,
        total=total,
    )
    if evidence.facts.gate == "interval":
        text = Text(
            "the gate (interval) passed {count} of {total} frames over; every_s says how often one "
            "is looked at",
            count=count,
            total=total,
        )
    yield Explanation("gate", text)


def coasted(evidence: KeptDecisions, total: int) -> Iterator[Explanation]:
    """Yield that frames were left out, for heat or by the adaptive rate."""
    count, throttle = evidence.frames_that("coasted"), evidence.held("throttle")
    if throttle is not None:
        text = Text(
            "{count} of {total} frames were left out: {reason}",
            count=count,
            total=total,
            reason=throttle.text,
        )
        yield Explanation("throttle", text)
        return
    text = Text("the adaptive rate left {count} of {total} frames out", count=count, total=total)
    yield Explanation("adaptive", text)


def dropped(evidence: KeptDecisions, total: int) -> Iterator[Explanation]:
    """Yield that the board was too slow for the camera's rate."""
    yield Explanation(
        "dropped",
        Text(
            "{count} of {total} frames were dropped, because the model was at work on others: set "
            "a lower rate_fps, or a gate",
            count=evidence.frames_that("dropped"),
            total=total,
        ),
    )


FRAME_CAUSES: dict[Outcome, Callable[[KeptDecisions, int], Iterator[Explanation]]] = {
    "resting": resting,
    "still": still,
    "coasted": coasted,
    "dropped": dropped,
}


# What the model saw


def seen_of(evidence: KeptDecisions, label: str) -> list[ScoreRun]:
    """Return how often the wanted classes, or the one in question, were seen."""
    facts = evidence.facts
    if facts is None:
        return []
    wanted = facts.labels if not label else (label,) if label in (facts.labels or (label,)) else ()
    return [
        run
        for run in evidence.scores
        if not (facts.labels or label) or name_of(evidence, run.class_id) in wanted
    ]


def name_of(evidence: KeptDecisions, class_id: int) -> str:
    """Return a class's name."""
    names = evidence.facts.names if evidence.facts is not None else ()
    return names[class_id] if class_id < len(names) else f"#{class_id}"


def unseen(
    evidence: KeptDecisions, question: Question, seen: list[ScoreRun]
) -> Iterator[Explanation]:
    """Yield why nothing counted of what the model was shown."""
    assert evidence.facts is not None
    if any(run.below for run in seen):
        best = max((run for run in seen if run.below), key=lambda run: run.best)
        yield Explanation(
            "low_score",
            Text(
                "'{label}' was seen {count} times, but with scores of {best:.2f} at most; "
                "min_score is {limit:g}",
                label=name_of(evidence, best.class_id),
                count=sum(run.below for run in seen),
                best=best.best,
                limit=evidence.facts.min_score,
            ),
        )
    others: dict[str, int] = {}
    for run in evidence.scores:
        if run.above and run not in seen:
            name = name_of(evidence, run.class_id)
            others[name] = others.get(name, 0) + run.above
    if question.label and evidence.facts.labels and question.label not in evidence.facts.labels:
        yield Explanation(
            "label", label_text(evidence, question.label, others.get(question.label, 0))
        )
    elif others:
        name = max(others, key=lambda one: others[one])
        yield Explanation("label", label_text(evidence, name, others[name]))
    if (share := masked_share(evidence, question.rule)) >= MOST_OF_IT:
        yield Explanation(
            "mask",
            Text(
                "{share:.0%} of where the rules look is masked: nobody is seen there", share=share
            ),
        )
    if not seen and not others:
        yield Explanation(
            "nothing_seen",
            Text(
                "{count} frames were looked at, and nothing was seen in them that has a score of "
                "note; look at a picture with {command}",
                count=evidence.frames_that("inferred"),
                command="`edge-runtime snapshot`",
            ),
        )


def label_text(evidence: KeptDecisions, name: str, count: int) -> Text:
    """Say that a label is not asked for."""
    assert evidence.facts is not None
    return Text(
        "'{label}' was seen {count} times, but is not asked for: labels are {labels}",
        label=name,
        count=count,
        labels=", ".join(evidence.facts.labels),
    )


def too_few(evidence: KeptDecisions, seen: list[ScoreRun]) -> Explanation:
    """Say that nothing was seen often enough to be followed."""
    label = name_of(evidence, max(seen, key=lambda run: run.above).class_id)
    return Explanation(
        "few_hits",
        Text(
            "'{label}' was seen in {count} frames, never in enough of them in a row for an id "
            "(track.min_hits): too fast for the rate, or hidden between",
            label=label,
            count=sum(run.above for run in seen),
        ),
    )


def masked_share(evidence: KeptDecisions, rule: str) -> float:
    """Return how much is masked of where the rules look, 0 to 1."""
    assert evidence.facts is not None
    if not evidence.facts.mask:
        return 0.0
    points = list(looked_at(evidence.facts.rules, rule))
    hidden = sum(any(contains(one, point) for one in evidence.facts.mask) for point in points)
    return hidden / len(points) if points else 0.0


def looked_at(rules: tuple[RuleOptions, ...], name: str) -> Iterator[tuple[float, float]]:
    """Yield points at which rules look, evenly spread."""
    chosen = [one for one in rules if not name or one.name == name]
    corners = [tuple(point for _, point in one.points()) for one in chosen]
    areas: list[Polygon] = [one for one in corners if len(one) > 2 and breadth(one) > 0.0]
    grid = [((x + 0.5) / GRID, (y + 0.5) / GRID) for x in range(GRID) for y in range(GRID)]
    if not any(corners):
        yield from grid
    for area in areas:
        yield from (point for point in grid if contains(area, point))
    for ends in corners:
        if len(ends) == 2:
            (x1, y1), (x2, y2) = ends
            for step in range(GRID):
                share = (step + 0.5) / GRID
                yield x1 + share * (x2 - x1), y1 + share * (y2 - y1)


# What became of what was told


def delivery(evidence: KeptDecisions, subjects: Sequence[Subject]) -> Iterator[Explanation]:
    """Yield what kept results from whoever waits for them."""
    for subject in subjects:
        held = evidence.held(subject)
        if held is not None:
            text = Text(DELIVERY[subject], seconds=held.seconds, reason=held.text)
            yield Explanation(subject, text)


DELIVERY: dict[Subject, str] = {
    "refused": N_("the broker refused results for {seconds:.0f} s, and they waited: {reason}"),
    "link": N_("the link was down for {seconds:.0f} s, and results were sent later: {reason}"),
    "uplink": N_("less was sent for {seconds:.0f} s: {reason}"),
    "clock": N_("for {seconds:.0f} s times were not what they say: {reason}"),
}


def event_finding(evidence: KeptDecisions) -> Callable[[EventEntry], Explanation]:
    """Return what says why an event was told."""

    def said(event: EventEntry) -> Explanation:
        at = moment(event.at_s, evidence)
        if not event.rule:
            text = Text(
                "at {at} '{event}' was told of {label} (track {track}): the stream has no rules, "
                "and tells who comes and goes",
                at=at,
                event=event.event,
                label=event.label,
                track=event.track,
            )
        elif event.track:
            text = Text(
                "at {at} rule '{rule}' told '{event}' of {label} (track {track}), whose best score "
                "was {best:.2f}",
                at=at,
                rule=event.rule,
                event=event.event,
                label=event.label,
                track=event.track,
                best=best_score(evidence, event.label),
            )
        else:
            text = Text(
                "at {at} rule '{rule}' told '{event}'", at=at, rule=event.rule, event=event.event
            )
        return Explanation("told", text)

    return said


def best_score(evidence: KeptDecisions, label: str) -> float:
    """Return the best score of a label."""
    scores = [run.best for run in evidence.scores if name_of(evidence, run.class_id) == label]
    return max(scores, default=0.0)


def moment(at_s: float, evidence: KeptDecisions) -> str:
    """Return a moment in the stream's own time, as people write it."""
    zone = evidence.facts.time_zone if evidence.facts is not None else ""
    return f"{datetime.fromtimestamp(at_s, ZoneInfo(zone) if zone else None):%Y-%m-%d %H:%M:%S}"
