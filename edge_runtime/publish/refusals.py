"""Rows that the broker would not take for now: pause, try one, go on when it is taken."""

from __future__ import annotations

from collections.abc import Callable

from edge_runtime.backoff import Backoff
from edge_runtime.publish.reasons import QUOTA_EXCEEDED
from edge_runtime.records import Stored

TRIES = 5


class Refused:
    """One row, how often it was refused, and how many others had been accepted before."""

    def __init__(self, stored: Stored, accepted_before: int) -> None:
        self.stored = stored
        self.accepted_before = accepted_before
        self.times = 0

    @property
    def turn(self) -> tuple[int, int]:
        """Oldest first; after each few tries a row steps behind the others."""
        return self.times // TRIES, self.stored.row


class Refusals:
    """Decides which rows may go.

    After a refusal nothing is sent for a while; then one row at a time (the oldest, which keeps
    the order), with growing pauses, until the broker takes one. A row that is refused again and
    again while others are taken is itself what the broker minds: it is given up. A quota is never
    a row's own fault.
    """

    def __init__(self, pause: Backoff) -> None:
        self._pause = pause
        self._rows: dict[int, Refused] = {}
        self._waiting: set[int] = set()
        self._paused_until_s = 0.0
        self._accepted = 0
        self._probing = False
        self._probe = -1

    def resumes_at_s(self) -> float:
        """Return when the present pause is over."""
        return self._paused_until_s

    def accepted(self, row: int) -> bool:
        """Note that a row was taken. Return True where it was on trial: the trial is over."""
        self._accepted += 1
        self._rows.pop(row, None)
        if row != self._probe:
            return False
        self._end_trial()
        return True

    def refused(self, stored: Stored, code: int, now_s: float) -> bool:
        """Note that a row was not taken, and pause. Return True where it is to be given up."""
        refused = self._rows.setdefault(stored.row, Refused(stored, self._accepted))
        refused.times += 1
        minded = refused.times >= TRIES and self._accepted > refused.accepted_before
        if minded and code != QUOTA_EXCEEDED:
            self.forget(stored.row)
            return True
        self._waiting.add(stored.row)
        if not self._probing or stored.row == self._probe:
            self._paused_until_s = now_s + self._pause.next_s()
        self._probing = True
        return False

    def forget(self, row: int) -> None:
        """Drop a row that was given up, here or for another reason."""
        self._rows.pop(row, None)
        self._waiting.discard(row)
        if not self._rows:
            self._end_trial()

    def next(
        self, now_s: float, room: int, rows_in_flight: int, take: Callable[[int], list[Stored]]
    ) -> list[Stored]:
        """Return the rows to send now: the refused ones first, then what `take` gives."""
        if now_s < self._paused_until_s:
            return []
        if not self._probing:
            again = [self._rows[row].stored for row in sorted(self._waiting)[:room]]
            self._waiting.difference_update(stored.row for stored in again)
            return again + (take(room - len(again)) if room > len(again) else [])
        if rows_in_flight or room < 1:
            return []
        probe = self._next_probe(room, take)
        self._probe = probe.row
        self._waiting.discard(probe.row)
        return [probe]

    def _next_probe(self, room: int, take: Callable[[int], list[Stored]]) -> Stored:
        first = min((self._rows[row] for row in self._waiting), key=lambda refused: refused.turn)
        if first.times >= TRIES and len(self._rows) <= room:
            # Is it the row, or the broker? Another row will tell.
            for stored in take(1):
                return stored
        return first.stored

    def _end_trial(self) -> None:
        self._probing = False
        self._probe = -1
        self._paused_until_s = 0.0
        self._pause.reset()
