"""What a Modbus device is asked in each poll, and what came of it: a row that may have holes. Pure.

Neighbours are asked for together. Where such a block is refused, its registers are asked for one by
one, and those that the device refuses are set aside: asked for again now and then, each on its own.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence

import msgspec

from edge_runtime.errors import Text
from edge_runtime.framing.exchange import Outcome
from edge_runtime.framing.registers import MAX_WORDS, RegisterRequest, Words, places, plan, value
from edge_runtime.framing.rows import Reason, Row
from edge_runtime.framing.rtu import RtuReply, refusal
from edge_runtime.options import RegisterOptions

REFUSED_AGAIN_S = 30.0
SILENT_AGAIN_S = 300.0  # an answer that does not come costs all others their time
MOST_MISSES = 3
ILLEGAL_FUNCTION = 1
LASTING = (ILLEGAL_FUNCTION, 2, 3, 4)  # not: busy, or a gateway that has lost the device
PER_REGISTER = (2, 3, 4)
WHY: dict[Reason, Text] = {
    "unanswered": Text("no answer"),
    "late": Text("answered too late"),
    "checksum": Text("the answer was damaged"),
    "length": Text("the answer has another size than was asked for"),
}
NOT_ASKED = Text("not asked, as the device did not answer before")


class Aside(msgspec.Struct, frozen=True):
    """A register that is asked for on its own, not before a moment, and why."""

    why: Text
    until_s: float


class Poll:
    """One poll after another: `begin`, then `next` and `take` in turns until `next` is None.

    `exception`: the latest code with which a device refused in this poll, 0: none. `failures`: what
    else went wrong in it.
    """

    def __init__(self, registers: Sequence[RegisterOptions]) -> None:
        self._registers = tuple(registers)
        self._most_words = MAX_WORDS
        self._aside: dict[int, Aside] = {}  # by the register's place
        self._silent: list[RegisterRequest] = []  # had no answer the last time: asked for last
        self._misses: Counter[RegisterRequest] = Counter()
        self.exception = 0
        self.begin(-math.inf)

    def begin(self, now_s: float) -> None:
        """Begin the next poll."""
        everywhere = range(len(self._registers))
        joint = plan(
            [self._registers[i] for i in everywhere if i not in self._aside], self._most_words
        )
        due = [i for i, aside in self._aside.items() if aside.until_s <= now_s]
        alone = self._one_by_one(due)
        asked = [one for one in (*joint, *alone) if one not in self._silent]
        self._silent = [one for one in self._silent if one in joint or one in alone]
        self._left = deque([*asked, *self._silent])
        self._alone = set(alone)
        self._split: list[RegisterRequest] = []
        self._is_set_aside = False
        self._words: Words = {}
        self._why = {i: aside.why for i, aside in self._aside.items()}
        # Where all is set aside there is nothing new to be known.
        self.exception = 0 if self._left else self.exception
        self.failures: list[Reason] = []

    def next(self) -> RegisterRequest | None:
        """Return what to ask for; None: the poll is over."""
        return self._left[0] if self._left else None

    def take(self, outcome: Outcome, now_s: float) -> None:
        """Take what came of the request that `next` gave."""
        request = self._left.popleft()
        if isinstance(outcome, RtuReply):
            self._forgive(request)
            if outcome.exception:
                self._refuse(request, outcome.exception, now_s)
            else:
                self._keep(request, outcome.words)
        else:
            self._miss(request, outcome, now_s)
        if not self._left:
            self._learn_size()

    def row(self) -> tuple[Row, dict[int, Text]]:
        """Return the values, NaN where there is none, and why, by the register's place."""
        row, why = [], {}
        for i, register in enumerate(self._registers):
            if all(place in self._words for place in places(register)):
                row.append(value(register, self._words))
            else:
                row.append(math.nan)
                why[i] = self._why.get(i, WHY["unanswered"])
        return row, why

    def _keep(self, request: RegisterRequest, words: Iterable[int]) -> None:
        self._words |= {
            (request.function, request.address + i): word
            for i, word in zip(range(request.words), words, strict=False)  # bits fill their byte
        }
        if request in self._alone:
            for i in self._concerned(request):
                self._aside.pop(i, None)

    def _refuse(self, request: RegisterRequest, code: int, now_s: float) -> None:
        concerned = self._concerned(request)
        alone = self._one_by_one(concerned)
        if code in PER_REGISTER and request not in self._alone and alone != [request]:
            self._split.append(request)
            self._alone.update(alone)
            self._left.extendleft(reversed(alone))
            return
        self.exception = code
        why = refusal(code)
        for i in concerned:
            self._why[i] = why
        if code in LASTING:
            self._set_aside(concerned, why, now_s + REFUSED_AGAIN_S)

    def _miss(self, request: RegisterRequest, reason: Reason, now_s: float) -> None:
        """Note that there was no answer; what is left waits for the next poll, so that no row is
        made of values that lie far apart.
        """
        self.failures.append(reason)
        concerned = self._concerned(request)
        for i in concerned:
            self._why[i] = WHY[reason]
        if reason in ("checksum", "length"):
            return
        for other in self._left:
            for i in self._concerned(other):
                self._why.setdefault(i, NOT_ASKED)
        self._left.clear()
        self._forgive(request, is_silent=True)
        if self._words and reason == "unanswered":
            self._misses[request] += 1
            if self._misses[request] >= MOST_MISSES or request in self._alone:
                del self._misses[request]
                # Some devices are silent where they should refuse: it may be one of the block's.
                is_one = self._one_by_one(concerned) == [request]
                again_s = now_s + SILENT_AGAIN_S if is_one else now_s
                self._set_aside(concerned, WHY[reason], again_s)

    def _forgive(self, request: RegisterRequest, *, is_silent: bool = False) -> None:
        """Note whether a request was answered: those that were not are asked last."""
        self._silent = [one for one in self._silent if one != request] + [request] * is_silent
        if not is_silent:
            self._misses.pop(request, None)

    def _set_aside(self, concerned: Iterable[int], why: Text, until_s: float) -> None:
        self._is_set_aside = True
        for i in concerned:
            self._aside[i] = Aside(why, until_s)

    def _learn_size(self) -> None:
        """Ask for less together, where only the size of a block can have been refused."""
        if self._split and not self._is_set_aside and not self.failures and not self.exception:
            smallest = min(request.data_bytes // 2 for request in self._split)
            self._most_words = max(2, smallest // 4 * 2)

    def _concerned(self, request: RegisterRequest) -> list[int]:
        """Return the registers of which a request asks for a part."""
        first = request.address
        asked = {(request.function, first + i) for i in range(request.words)}
        return [i for i, one in enumerate(self._registers) if not asked.isdisjoint(places(one))]

    def _one_by_one(self, concerned: Iterable[int]) -> list[RegisterRequest]:
        requests = (plan([self._registers[i]])[0] for i in concerned)
        return list(dict.fromkeys(requests))
