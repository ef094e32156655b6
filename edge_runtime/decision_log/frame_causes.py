"""What kept frames from the model: hours, gate, heat, a board that is too slow, a blind camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edge_runtime.decision_log.entries import Outcome
from edge_runtime.decision_log.evidence import KeptDecisions
from edge_runtime.decision_log.explanation import Explanation
from edge_runtime.errors import Text

MOST_OF_IT = 0.5  # of the frames
SOME_OF_IT = 0.05


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
