"""Held topics: which rows are passed over, and the oldest of each at hand to be tried."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.outbox.rows import RowTable
from edge_runtime.outbox.send_range import Entry, SendRange, row_of
from edge_runtime.records import Topic

# So many rows of a group: the oldest, and one to compare it with.
AT_HAND = 2


class HeldTopics:
    """The caller holds the lanes' lock. A group is a topic, or rows put back one by one."""

    def __init__(self) -> None:
        self.topics: set[Topic] = set()
        self._at_hand: dict[Topic, list[tuple[RowTable, Entry]]] = {}

    def restart(self) -> None:
        """Forget all rows: a database was just opened. The topics stay held."""
        self._at_hand = {}

    def hold(self, topic: Topic, ranges: Sequence[SendRange]) -> None:
        """Pass over a topic from now on."""
        self.topics.add(topic)
        for range_ in ranges:
            self.note_deferred(range_, range_.defer_topic(topic))

    def note_deferred(self, range_: SendRange, entries: Sequence[Entry]) -> None:
        """Note what a range deferred."""
        for entry in entries:
            self.note_postponed(entry[1].topic, range_.lane, entry)

    def note_postponed(self, group: Topic, lane: RowTable, entry: Entry) -> None:
        """Note one row of a held group."""
        waiting = self._at_hand.setdefault(group, [])
        if all(other[0] != entry[0] for _, other in waiting):
            waiting.append((lane, entry))
        waiting.sort(key=lambda one: row_of(one[1]))
        del waiting[AT_HAND:]

    def probe(
        self, group: Topic, place: int, ranges: Sequence[SendRange]
    ) -> tuple[SendRange, Entry] | None:
        """Hand out the oldest row of a group, or the one behind it; None: no such is at hand."""
        waiting = self._at_hand.get(group, [])
        if place < len(waiting):
            lane, entry = waiting.pop(place)
            for range_ in ranges:
                if (
                    range_.lane == lane
                    and range_.is_pending(entry[0])
                    and range_.try_deferred(entry)
                ):
                    return range_, entry
        return None

    def release(self, group: Topic) -> None:
        """Let a group go on."""
        self.topics.discard(group)
        self._at_hand.pop(group, None)

    def gone(self, lane: RowTable, first: int, last: int) -> None:
        """Forget rows that are no longer on disk."""
        for waiting in self._at_hand.values():
            waiting[:] = [
                (its_lane, entry)
                for its_lane, entry in waiting
                if its_lane != lane or not first <= entry[0] <= last
            ]
