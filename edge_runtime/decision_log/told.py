"""What was told and why, and what kept it from whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from edge_runtime.decision_log.entries import EventEntry, Subject
from edge_runtime.decision_log.evidence import KeptDecisions
from edge_runtime.decision_log.explanation import Explanation
from edge_runtime.errors import Text
from edge_runtime.language import N_


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
        at = evidence.local(event.at_s)
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
    scores = [run.best for run in evidence.scores if evidence.label(run.class_id) == label]
    return max(scores, default=0.0)
