"""What a stream saw and told in an hour, in one line: for the log, and for who asks for status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from edge_runtime.errors import EMPTY, RawText, Text, row
from edge_runtime.records import Event, Result, TrackState

HOUR_S = 3600.0
ENOUGH_FRAMES = 100  # that were looked at: that nothing was seen in fewer says nothing
SHOWN = 5


class StreamTally:
    """Counts of the running hour. One thread at a time; `words` may be asked for by any."""

    def __init__(self) -> None:
        self._begun_s: float | None = None
        self._looked = 0
        self._ids: set[int] = set()
        self._seen: Counter[str] = Counter()
        self._told: Counter[str] = Counter()

    def take(
        self,
        at_s: float,
        live: Iterable[TrackState],
        results: Sequence[Result],
        label_of: Callable[[int], str],
        *,
        is_looked_at: bool = True,
    ) -> Text:
        """Take in a sample; return the hour's line with the first one of the next, else nothing."""
        line = EMPTY
        if self._begun_s is None or at_s - self._begun_s >= HOUR_S:
            line = self.words if self._begun_s is not None else EMPTY
            self._begin(at_s)
        self._looked += is_looked_at
        for track in live:
            if track.id not in self._ids:
                self._ids.add(track.id)
                self._seen[label_of(track.class_id)] += 1
        for one in results:
            if isinstance(one.body, Event):
                self._told[told_by(one, one.body)] += 1
        return line

    def _begin(self, at_s: float) -> None:
        self._begun_s, self._looked = at_s, 0
        self._seen, self._told = Counter(), Counter()

    @property
    def words(self) -> Text:
        """What was seen and told in the running hour."""
        looked = Text("this hour {count} frames were looked at", count=self._looked)
        if self._seen or self._told:
            seen = Text("seen: {what}", what=listed(self._seen)) if self._seen else EMPTY
            told = (
                Text("told: {what}", what=listed(self._told))
                if self._told
                else Text("no rule told anything of it: {command} says why", command=WHY)
            )
            return row([one for one in (looked, seen, told) if one], ", ")
        if self._looked < ENOUGH_FRAMES:
            return looked
        return row([looked, Text("nothing was seen: look with {command}", command=LOOK)], ", ")


WHY = "`edge-runtime why`"
LOOK = "`edge-runtime snapshot`"


def told_by(result: Result, event: Event) -> str:
    """Return what is counted of an event: its rule's name and what it says."""
    rule = result.rules[event.rule] if 0 <= event.rule < len(result.rules) else ""
    words = [word for word in (rule, event.event, event.direction or "") if word]
    return " ".join(words)


def listed(counts: Counter[str]) -> RawText:
    """Return the most frequent, each with its number."""
    most = counts.most_common(SHOWN)
    more = " …" if len(counts) > SHOWN else ""
    return RawText(", ".join(f"{number} {name}" for name, number in most) + more)
