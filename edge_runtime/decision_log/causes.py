"""Why there was an alarm, or none: the way of a frame is gone along, up to where it ended.

Each step says what it found in one sentence, and what would have had to differ. The first one that
explains it all comes first; what else was seen follows.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_runtime.decision_log.entries import EventEntry, Subject
from edge_runtime.decision_log.evidence import Held, KeptDecisions
from edge_runtime.decision_log.explanation import Explanation, Question
from edge_runtime.decision_log.frame_causes import frame_findings
from edge_runtime.decision_log.rule_causes import rule_findings
from edge_runtime.decision_log.sight_causes import seen_of, too_few, unseen
from edge_runtime.decision_log.told import delivery, event_finding
from edge_runtime.errors import Text

MOST_OF_IT = 0.5  # of a time
RARELY = 0.1  # of the frames: where no more are looked at, that is why somebody is seen too rarely
MOST_EVENTS = 3  # told one by one
# Events that are no word about an alarm.
ENDINGS = ("exit", "clear")


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
        since=evidence.local(evidence.kept_since),
    )


def longest(evidence: KeptDecisions, subject: Subject, share: float) -> Held | None:
    """Return what was wrong with a subject for at least a share of the time."""
    held = evidence.held(subject)
    asked_s = max(evidence.end_s - evidence.begin_s, 1.0)
    return held if held is not None and held.seconds >= share * asked_s else None
