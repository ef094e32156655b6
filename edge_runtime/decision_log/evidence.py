"""What the ring tells of one stream in a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from edge_runtime.decision_log.entries import (
    OUTCOMES,
    ChannelRun,
    EventEntry,
    FrameRun,
    Outcome,
    PositionEntry,
    PositionReader,
    ScoreRun,
    SetupEntry,
    StateEntry,
    StreamFacts,
    Subject,
    TrackPosition,
)
from edge_runtime.decision_log.ring import Block, kept_since, last_moment, read
from edge_runtime.errors import EMPTY, Text
from edge_runtime.hours import zone_of
from edge_runtime.text_form import form_of, text_of

SILENT_S = 420.0  # longer than between two writes
SILENT = Text("the daemon does not run, or has not written since: see `edge-runtime status`")


class Sight(msgspec.Struct, frozen=True):
    """The tracks in sight in one frame."""

    at_s: float
    tracks: tuple[TrackPosition, ...]


class Held(msgspec.Struct, frozen=True):
    """What held of a subject from one moment to another; an empty text: all was well."""

    begin_s: float
    end_s: float
    text: Text

    @property
    def seconds(self) -> float:
        """How long."""
        return max(0.0, self.end_s - self.begin_s)


class KeptDecisions(msgspec.Struct):
    """All that is kept of a stream from `begin_s` to `end_s`, both in Unix seconds.

    `facts`: how it ran at the end; None: it is not kept, or there was no such stream. `kept_since`:
    the first moment that anything is kept of; None: nothing is.
    """

    begin_s: float
    end_s: float
    kept_since: float | None
    facts: StreamFacts | None = None
    frames: list[FrameRun] = []
    scores: list[ScoreRun] = []
    channels: list[ChannelRun] = []
    events: list[EventEntry] = []
    sights: list[Sight] = []
    states: dict[Subject, list[Held]] = {}

    def frames_that(self, *outcomes: Outcome) -> int:
        """Return how many frames came to an outcome."""
        places = [OUTCOMES.index(one) for one in outcomes]
        return sum(run.counts[place] for run in self.frames for place in places)

    def label(self, class_id: int) -> str:
        """Return a class's name; one that is not known is shown as a number."""
        names = self.facts.names if self.facts is not None else ()
        return names[class_id] if class_id < len(names) else f"#{class_id}"

    def local(self, at_s: float) -> str:
        """Return a moment in the stream's own time, as people write it."""
        zone = self.facts.time_zone if self.facts is not None else ""
        return f"{datetime.fromtimestamp(at_s, zone_of(zone)):%Y-%m-%d %H:%M:%S}"

    @property
    def frame_count(self) -> int:
        """How many frames there were."""
        return self.frames_that(*OUTCOMES)

    def held(self, subject: Subject) -> Held | None:
        """Return what was wrong with a subject for longest; None: nothing was."""
        found = [one for one in self.states.get(subject, ()) if one.text and one.seconds > 0.0]
        return max(found, key=lambda one: one.seconds, default=None)

    def all_held(self, subject: Subject) -> list[Held]:
        """Return what held of a subject, one after the other."""
        return self.states.get(subject, [])


def gathered(folder: Path, stream: str, begin_s: float, end_s: float) -> KeptDecisions:
    """Return what a ring tells of a stream in a time."""
    found = KeptDecisions(begin_s, end_s, kept_since(folder))
    changes: dict[Subject, list[StateEntry]] = defaultdict(list)
    for block in read(folder, begin_s, end_s):
        add(found, block, stream, changes)
    last_s = last_moment(folder)
    if last_s is not None and last_s + SILENT_S < end_s:
        changes["daemon"].append(StateEntry(last_s, "daemon", "", form_of(SILENT)))
    found.states = {
        subject: list(spans(entries, begin_s, end_s)) for subject, entries in changes.items()
    }
    for runs in (found.frames, found.scores, found.channels):
        runs.sort(key=lambda run: run.begin_s)
    found.sights.sort(key=lambda one: one.at_s)
    found.events.sort(key=lambda one: one.at_s)
    return found


def add(
    found: KeptDecisions, block: Block, stream: str, changes: dict[Subject, list[StateEntry]]
) -> None:
    """Take in a block, as far as it is about the stream and the time."""
    reader = PositionReader()
    begin_s, end_s = found.begin_s, found.end_s
    for entry in block.entries:
        if isinstance(entry, StateEntry):
            if entry.stream in ("", stream) and entry.at_s <= end_s:
                changes[entry.subject].append(entry)
            continue
        if entry.stream != stream:
            continue
        match entry:
            case SetupEntry(at_s=at_s, facts=facts):
                if at_s <= end_s or found.facts is None:
                    found.facts = facts
            case FrameRun() if overlaps(entry.begin_s, entry.end_s, begin_s, end_s):
                found.frames.append(entry)
            case ScoreRun() if overlaps(entry.begin_s, entry.end_s, begin_s, end_s):
                found.scores.append(entry)
            case ChannelRun() if overlaps(entry.begin_s, entry.end_s, begin_s, end_s):
                found.channels.append(entry)
            case EventEntry(at_s=at_s) if begin_s <= at_s <= end_s:
                found.events.append(entry)
            case PositionEntry():
                found.sights += sights_of(entry, reader, begin_s, end_s)
            case _:
                pass


def sights_of(
    entry: PositionEntry, reader: PositionReader, begin_s: float, end_s: float
) -> Iterator[Sight]:
    """Yield the frames of an entry that lie in a time; all are read, for the later ones' sake."""
    tracks = tuple(reader.tracks(entry.values))
    step_s = (entry.until_s - entry.at_s) / entry.repeats if entry.repeats else 0.0
    for number in range(entry.repeats + 1):
        at_s = entry.at_s + number * step_s
        if begin_s <= at_s <= end_s:
            yield Sight(at_s, tracks)


def overlaps(begin_s: float, end_s: float, other_begin_s: float, other_end_s: float) -> bool:
    """Say whether two times have a moment in common."""
    return begin_s <= other_end_s and other_begin_s <= end_s


def spans(entries: Iterable[StateEntry], begin_s: float, end_s: float) -> Iterator[Held]:
    """Yield what held in a time, from the changes up to its end."""
    ordered = sorted(entries, key=lambda one: one.at_s)
    last: StateEntry | None = None
    for entry in ordered:
        if last is not None and entry.at_s > begin_s and entry.text != last.text:
            yield Held(max(begin_s, last.at_s), entry.at_s, said(last))
        last = entry
    if last is not None:
        yield Held(max(begin_s, last.at_s), end_s, said(last))


def said(entry: StateEntry) -> Text:
    """Return the text of an entry."""
    return text_of(entry.text) if entry.text else EMPTY
