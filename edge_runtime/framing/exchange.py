"""Which answer belongs to which question, on a line where answers may come late. Pure.

An RTU answer bears device, function and count, not the address: a late answer to one question
looks like the answer to the next one for as many words. So after a question that had no answer in
time the line is listened to until that answer came, or can hardly come any more; and the first
answer after one that never came is believed once nothing more has followed it for as long. That
tells apart: answers up to three timeouts late in any order, though others are lost; one answer
however late, and all answers as late as each other, of a device that answers in order. Answers of
ever other lateness beyond three timeouts, some of them lost, can still be mistaken.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import msgspec

from edge_runtime.framing.registers import RegisterRequest
from edge_runtime.framing.rows import Reason
from edge_runtime.framing.rtu import (
    AROUND_BYTES,
    TELEGRAM_BYTES,
    RtuReply,
    answer_bytes,
    find_answer,
    telegram,
)

# In timeouts, from the question on: so long an answer is waited for before the next question,
# doubled for each further question that has none.
PATIENCE = 3.0
MOST_PATIENCE = 12.0
SLOWER = 1.5  # times what a late answer took, for the next one
APART = 1.25  # times the distance of two questions, for their answers
STRAY_QUIET = 2.0  # timeouts of silence behind an answer that nobody waits for; of a new port, too
SILENT_BYTES = 3.5  # that part two telegrams, but at least
LEAST_SILENCE_S = 0.00175
MOST_HELD_BYTES = 1024
MOST_OPEN = 32  # questions without an answer that are remembered
REMEMBERED_S = 60.0  # so long the longest time that an answer took is told

Outcome: TypeAlias = RtuReply | Reason


class Asked(msgspec.Struct, eq=False):
    """A question that was sent, and when."""

    request: RegisterRequest
    at_s: float


class Exchange:
    """One device's questions, one at a time. `late` counts what came after its time.

    `late_s` is the moment of the latest one, `lateness_s` what one of late took at least.
    """

    def __init__(self, device: int, timeout_s: float, byte_s: float) -> None:
        self._device = device
        self._timeout_s = timeout_s
        self._byte_s = byte_s
        self._silence_s = max(LEAST_SILENCE_S, SILENT_BYTES * byte_s)
        self._open: list[Asked] = []  # what has no answer since all was answered, oldest first
        self._asked: Asked | None = None  # the last of them, while it is waited for
        self._arrived: list[tuple[RtuReply, float]] = []  # since then, and fits it
        self._held = b""
        self.late = 0
        self.lateness_s = 0.0
        self._slow_s = 0.0  # how long an answer may have taken of late
        self.late_s = -math.inf
        self.reopened(0.0)

    @property
    def is_waiting(self) -> bool:
        """Say whether a question waits for its outcome."""
        return self._asked is not None

    def reopened(self, now_s: float) -> None:
        """Begin with a port opened anew: what others asked may still be answered."""
        self._asked = None
        self._held = self._echo = b""
        self._heard_s = -math.inf
        self._settling_s = now_s
        self._stray_s = now_s

    def ready_s(self) -> float:
        """Return when the next question may go, where nothing more comes until then."""
        timeout_s = self._timeout_s
        owed_s = -math.inf
        if self._open:
            owed_s = self._open[-1].at_s + self._patience_s(len(self._open) - 1)
        quiet_s = max(self._heard_s + self._silence_s, self._stray_s + STRAY_QUIET * timeout_s)
        # A line that is never silent has others on it; they are told from our device anyway.
        return max(owed_s, min(quiet_s, self._settling_s + MOST_PATIENCE * timeout_s))

    def ask(self, request: RegisterRequest, now_s: float) -> bytes:
        """Return the telegram that asks; `now_s` is the moment at which it is sent."""
        self._asked = Asked(request, now_s)
        self._open = [*self._open, self._asked][-MOST_OPEN:]
        self._arrived = []
        self._held = b""
        self._echo = telegram(self._device, request)
        return self._echo

    def feed(self, data: bytes, now_s: float) -> None:
        """Take what came."""
        if not data:
            return
        self._heard_s = now_s
        self._held = (self._held + data)[-MOST_HELD_BYTES:]
        # Some adapters give back what we send; a question for coils can look like an answer.
        if self._echo and self._held.startswith(self._echo):
            self._held = self._held[len(self._echo) :]
            self._echo = b""
        while (found := find_answer(self._held, self._device)) is not None:
            answer, end = found
            self._held = self._held[end:]
            self._arrive(answer, now_s)

    def outcome(self, now_s: float) -> Outcome | None:
        """Return the answer, or why there is none; None: not known yet."""
        asked = self._asked
        if asked is None:
            return None
        if self._arrived:
            return self._believed(asked, now_s)
        size = TELEGRAM_BYTES + answer_bytes(asked.request)
        if now_s < asked.at_s + self._timeout_s + size * self._byte_s:
            return None
        return self._unanswered(now_s)

    def _believed(self, asked: Asked, now_s: float) -> Outcome | None:
        """Return the answer once it is known to be no late one."""
        answer, came = self._arrived[0][0], len(self._arrived)
        others = [one for one in self._open if one is not asked]
        rivals = [one for one in others if answer.fits(one.request)]
        if rivals and came <= len(rivals) and now_s < self._certain_s(asked, rivals):
            return None
        if came == 1:  # the rivals' answers never came; those to other questions still may
            self._close([] if rivals else others, now_s)
            return answer
        self._count_late([*rivals, asked], now_s)
        return "late"

    def _certain_s(self, asked: Asked, rivals: list[Asked]) -> float:
        """Return when no further answer can be expected, where the first was that to a rival.

        One that always takes as long sends them as far apart as the questions were.
        """
        apart_s = APART * (asked.at_s - rivals[-1].at_s) + self._timeout_s
        next_s = self._arrived[-1][1] + min(apart_s, 2.0 * MOST_PATIENCE * self._timeout_s)
        return max(next_s, asked.at_s + self._patience_s(len(rivals)))

    def _count_late(self, open_: list[Asked], now_s: float) -> None:
        """Take note of more answers than one: which is whose is known where none is missing."""
        if len(self._arrived) == len(open_):
            for one, (_, came_s) in zip(open_, self._arrived, strict=True):
                self._note_late(came_s, came_s - one.at_s, came_s - one.at_s)
        else:
            self._note_late(now_s, 0.0, now_s - open_[0].at_s)
        self._stray_s = now_s  # more may follow than is known of
        self._close(open_[len(self._arrived) :], now_s)

    def _unanswered(self, now_s: float) -> Reason:
        asked, begun = self._asked, bytes((self._device,))
        is_ours = self._open == [asked] and self._held.startswith(begun)
        is_damaged = is_ours and len(self._held) >= AROUND_BYTES
        self._close([] if is_damaged else self._open, now_s)
        return "checksum" if is_damaged else "unanswered"

    def _close(self, still_open: list[Asked], now_s: float) -> None:
        self._open = still_open
        self._asked = None
        self._settling_s = now_s

    def _arrive(self, answer: RtuReply, now_s: float) -> None:
        if self._asked is not None and answer.fits(self._asked.request):
            self._arrived.append((answer, now_s))
            return
        owed = [one for one in self._open if one is not self._asked and answer.fits(one.request)]
        if not owed:
            self._stray_s = now_s
            return
        # Devices answer in the order of the questions.
        self._open.remove(owed[0])
        self._note_late(now_s, now_s - owed[-1].at_s, now_s - owed[0].at_s)

    def _note_late(self, now_s: float, took_s: float, most_s: float) -> None:
        """Count a late answer that took so long at least and at most."""
        if most_s <= self._timeout_s:
            return
        if now_s - self.late_s > REMEMBERED_S:
            self.lateness_s = self._slow_s = 0.0
        self.late += 1
        self.late_s = now_s
        self.lateness_s = max(self.lateness_s, took_s)
        self._slow_s = max(self._slow_s, most_s)

    def _patience_s(self, others: int) -> float:
        """Return how long an answer is waited for behind so many that never came."""
        wanted_s = max(PATIENCE * 2.0**others * self._timeout_s, SLOWER * self._slow_s)
        return min(wanted_s, MOST_PATIENCE * self._timeout_s)
