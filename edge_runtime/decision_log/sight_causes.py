"""Why nothing counted of what the model was shown: scores, labels, masks, too few sightings."""

from __future__ import annotations

from collections.abc import Iterator

from edge_runtime.boxes import contains
from edge_runtime.decision_log.entries import ScoreRun
from edge_runtime.decision_log.evidence import KeptDecisions
from edge_runtime.decision_log.explanation import Explanation, Question
from edge_runtime.errors import Text
from edge_runtime.options import Polygon, RuleOptions
from edge_runtime.options.polygons import breadth

MOST_OF_IT = 0.5  # of where the rules look
GRID = 24  # points a side at which an area is compared with the masks


def seen_of(evidence: KeptDecisions, label: str) -> list[ScoreRun]:
    """Return how often the wanted classes, or the one in question, were seen."""
    facts = evidence.facts
    if facts is None:
        return []
    wanted = facts.labels if not label else (label,) if label in (facts.labels or (label,)) else ()
    return [
        run
        for run in evidence.scores
        if not (facts.labels or label) or evidence.label(run.class_id) in wanted
    ]


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
                label=evidence.label(best.class_id),
                count=sum(run.below for run in seen),
                best=best.best,
                limit=evidence.facts.min_score,
            ),
        )
    others: dict[str, int] = {}
    for run in evidence.scores:
        if run.above and run not in seen:
            name = evidence.label(run.class_id)
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
    label = evidence.label(max(seen, key=lambda run: run.above).class_id)
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
