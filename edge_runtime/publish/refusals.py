"""What the broker does not take for now waits, by topic; all else goes on.

A refusal is the broker's state (a rule mistyped in the office, a quota, a limit) until it is proved
to be the record's fault. So the topic of a refused record waits, and what is too large waits as a
group of its own. The records stay in the queue; one at a time is tried, with growing pauses.

| a group | what comes | then |
|---|---|---|
| is open | a record is refused | it waits |
| waits | the pause is over | its oldest record is tried; if that goes on, the next beside it |
| is tried | the record is refused, or the link breaks | it waits for twice as long |
| is tried | the record is taken | it is open: what waited goes, in order |

A record is given up, which leaves a gap, where it is refused again although another of its topic,
sent after it and for a question of size no smaller, was taken since. A gap is never given up.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence

from edge_runtime.backoff import Backoff
from edge_runtime.broker.reasons import PACKET_TOO_LARGE
from edge_runtime.errors import EMPTY, row
from edge_runtime.publish.contract import Queue
from edge_runtime.publish.outgoing import Sent
from edge_runtime.publish.record_refusal import (
    HUNG_UP,
    LARGE,
    NO_ROWS_FAULT,
    Group,
    RecordRefusal,
    RefusedRecord,
    in_order,
    refusal_of,
    taken_again,
    too_large,
    why_it_waits,
)
from edge_runtime.records import Gap, Stored, Topic

log = logging.getLogger("edge_runtime.publish")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
# Each try of what the broker hangs up on costs a connection.
LONGEST_HANG_UP_S = 600.0
# A broker tells its packet size when it is connected to.
FIRST_ASK_S = 300.0
LONGEST_ASK_S = 3600.0
SAME_ROW_BREAKS = 3
ALONE = 5  # so often the oldest record is tried alone, which keeps the order
PROVED = 10  # so many taken since a group is open again end its back-off
MAX_KNOWN = 1000


class Refusals:
    """Over a publisher's life, across its connections; all in the publisher's thread.

    `reason` may be read by any thread: what waits and why, one line, empty where nothing does.
    """

    def __init__(self, queue: Queue, jitter: random.Random) -> None:
        self._queue = queue
        self._jitter = jitter
        self._groups: dict[Topic, Group] = {}
        self._rows: dict[Topic, dict[int, RefusedRecord]] = {}
        self._own: dict[str, tuple[Backoff, float]] = {}
        self._announced_bytes = 0
        self._minded_bytes = 0
        self._suspect = -1
        self._breaks = 0
        self._order = 0
        self._ask = Backoff(FIRST_ASK_S, LONGEST_ASK_S, jitter)
        self._ask_at_s = 0.0
        self.reason = EMPTY

    def connected(self, max_packet_bytes: int, now_s: float) -> None:
        """Take note of what a new connection's broker takes; 0: any size."""
        self._ask_at_s = now_s + self._ask.next_s()
        if max_packet_bytes != self._announced_bytes:
            self._announced_bytes, self._minded_bytes = max_packet_bytes, 0
            self._ask.reset()
            for name, group in list(self._groups.items()):
                if group.waits and (name == LARGE or group.refusal.announced):
                    self._open(name)

    def asks_again(self, now_s: float) -> bool:
        """Say whether it is time to connect anew: records wait for a larger packet size."""
        waits = any(g.waits and g.refusal.announced for g in self._groups.values())
        return waits and now_s >= self._ask_at_s

    def next_order(self) -> int:
        """Return the place of the next record that is sent, in the order of sending."""
        self._order += 1
        return self._order

    def is_too_large(self, stored: Stored, size: int) -> RecordRefusal | None:
        """Return the refusal that a packet would meet, where that is known before it is sent."""
        if 0 < self._announced_bytes < size:
            return too_large(self._announced_bytes)
        is_probe = self._is_probe(LARGE, stored.row)
        return too_large(None) if 0 < self._minded_bytes <= size and not is_probe else None

    def due(self, now_s: float, room: int) -> list[Stored]:
        """Return the records to be tried now, at most `room`."""
        probes: list[Stored] = []
        for topic, group in list(self._groups.items()):
            is_due = group.waits and not group.probes and now_s >= group.resumes_at_s
            if is_due and len(probes) < room:
                chosen = self._choose(topic, group, room - len(probes))
                group.probes = {one.row for one in chosen}
                probes += chosen
                if not chosen:  # given up for room, or not read yet: the next one will tell
                    self._open(topic)
        return probes

    def next_at_s(self) -> float | None:
        """Return when the next record is to be tried; None: nothing waits for that."""
        times = [g.resumes_at_s for g in self._groups.values() if g.waits and not g.probes]
        return min(times, default=None)

    def accepted(self, sent: Sent) -> None:
        """Note that a record was taken."""
        assert sent.stored is not None
        topic, row = sent.stored.topic, sent.stored.row
        rows = self._rows.get(topic, {})
        rows.pop(row, None)
        for other in rows.values():
            if other.order < sent.order and (not other.by_size or sent.packet_bytes >= other.size):
                other.another_taken = True
        for name in (topic, LARGE):
            if self._is_probe(name, row):
                self._open(name)
            self._count_taken(name, sent.packet_bytes)

    def refused(self, sent: Sent, refusal: RecordRefusal, now_s: float) -> bool:
        """Note that a record was not taken: it waits. True: it is to be given up instead."""
        stored = sent.stored
        assert stored is not None
        known = self._known(stored)
        known.times += 1
        alone = known.another_taken and known.times >= refusal.tries
        known.order, known.size, known.by_size = sent.order, sent.packet_bytes, refusal.by_size
        known.another_taken = False
        if alone and refusal.may_be_rows and not isinstance(stored.body, Gap):
            return True  # the caller gives it up, and then has it forgotten
        self.set_aside(stored, sent.packet_bytes, refusal, now_s)
        return False

    def set_aside(self, stored: Stored, size: int, refusal: RecordRefusal, now_s: float) -> None:
        """Put a record back into the queue, and let its group wait."""
        name = LARGE if refusal.by_size and not in_order(stored) else stored.topic
        self._queue.postpone(stored.row, name)
        self._wait(name, refusal, stored.row, now_s)
        group = self._groups[name]
        group.least_bytes = min(group.least_bytes or size, size) if refusal.by_size else 0
        if name == LARGE and not refusal.announced:
            self._minded_bytes = min(self._minded_bytes or size, size)

    def may_go(self, kind: str, now_s: float) -> bool:
        """Say whether a message of the device's own may go: one that was refused waits, too."""
        return kind not in self._own or now_s >= self._own[kind][1]

    def settled(self, kind: str, *, taken: bool, now_s: float) -> None:
        """Note what became of a message of the device's own."""
        if taken:
            self._own.pop(kind, None)
        else:
            # Where the broker hangs up on it, each connect would end with it.
            pause, _ = self._own.get(kind) or (self._pause(LONGEST_HANG_UP_S), 0.0)
            self._own[kind] = pause, now_s + pause.next_s()

    def forget(self, stored: Stored) -> None:
        """Drop what is known of a record that leaves the queue; what it was a trial of is open."""
        self._rows.get(stored.topic, {}).pop(stored.row, None)
        for name in (stored.topic, LARGE):
            if self._is_probe(name, stored.row):
                self._open(name)

    def broke(self, unanswered: Sequence[Sent], code: int, now_s: float) -> list[Sent]:
        """Note that a connection ended with records in flight; return those to be given up.

        `code`: why, where the broker said it. What was being tried is taken for the cause; else
        the oldest one, once it is the same time after time: brokers answer in order.
        """
        rows = [sent for sent in unanswered if sent.stored is not None]
        minded = self._minded(rows, code)
        refusal = refusal_of(code, HUNG_UP)
        given_up = [sent for sent in minded if self.refused(sent, refusal, now_s)]
        for group in self._groups.values():
            group.probes.clear()
        return given_up

    def _minded(self, rows: list[Sent], code: int) -> list[Sent]:
        """Return what the broker may have hung up on."""
        if not rows or code in NO_ROWS_FAULT:
            return []
        if code == PACKET_TOO_LARGE:
            largest = max(rows, key=lambda sent: sent.packet_bytes)
            self._minded_bytes = min(
                self._minded_bytes or largest.packet_bytes, largest.packet_bytes
            )
            return [largest]
        probes = set().union(*(group.probes for group in self._groups.values()))
        tried = [sent for sent in rows if sent.stored is not None and sent.stored.row in probes]
        if tried:
            return tried
        assert rows[0].stored is not None
        oldest = rows[0].stored.row
        self._breaks = self._breaks + 1 if oldest == self._suspect else 1
        self._suspect = oldest
        if self._breaks < SAME_ROW_BREAKS:
            return []
        self._breaks = 0
        return rows[:1]

    def _choose(self, topic: Topic, group: Group, room: int) -> list[Stored]:
        """Return what is to be tried. Is it the record, or the broker? A second one will tell."""
        group.tries += 1
        if group.tries <= ALONE:
            places = [0]
        elif room > 1:
            places = [0, 0]  # one after the other, in order
        else:
            places = [(group.tries + 1) % 2]
        found = [one for place in places if (one := self._queue.probe(topic, place)) is not None]
        if not found and places == [1]:
            first = self._queue.probe(topic, 0)
            return [] if first is None else [first]
        return found

    def _known(self, stored: Stored) -> RefusedRecord:
        rows = self._rows.setdefault(stored.topic, {})
        if len(rows) >= MAX_KNOWN:
            rows.pop(min(rows))
        return rows.setdefault(stored.row, RefusedRecord())

    def _wait(self, name: Topic, refusal: RecordRefusal, row: int, now_s: float) -> None:
        group = self._groups.get(name)
        if group is None:
            longest_s = LONGEST_HANG_UP_S if refusal.hangs_up else LONGEST_PAUSE_S
            group = self._groups[name] = Group(self._pause(longest_s))
            log.warning("%s", why_it_waits(name, refusal))
        if not group.waits:
            group.waits, group.tries = True, 0
            if name != LARGE:
                self._queue.hold(name)
        elif row not in group.probes:
            return  # it was in flight behind one that was refused
        group.probes.discard(row)
        if group.probes:
            return  # the other one tells
        group.taken, group.refusal = 0, refusal
        group.resumes_at_s = now_s + group.pause.next_s()
        self._say()

    def _pause(self, longest_s: float) -> Backoff:
        return Backoff(FIRST_PAUSE_S, longest_s, self._jitter)

    def _open(self, name: Topic) -> None:
        group = self._groups[name]
        group.waits = False
        group.probes.clear()
        if name == LARGE:
            self._minded_bytes = 0
        self._queue.release(name)
        self._say()

    def _count_taken(self, name: Topic, size: int) -> None:
        group = self._groups.get(name)
        if group is not None and not group.waits and size >= group.least_bytes:
            group.taken += 1
            if group.taken >= PROVED:
                del self._groups[name]
                log.info("%s", taken_again(name))

    def _is_probe(self, name: Topic, row: int) -> bool:
        return name in self._groups and row in self._groups[name].probes

    def _say(self) -> None:
        waiting = [(topic, group) for topic, group in self._groups.items() if group.waits]
        self.reason = row([why_it_waits(t, g.refusal) for t, g in waiting])
