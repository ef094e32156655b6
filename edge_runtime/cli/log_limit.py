"""How often the log says the same: the first lines as they come, then now and then, with a count.

Whatever happens once a record, a packet, a frame or a connection may happen without end: a broker
that refuses, a link that breaks, a port scan, a channel without value. So each line has a budget,
by its text and by the place in the code that writes it, and no place has to count for itself.

| of | at once | then |
|---|---|---|
| one text | 10 lines | 6 an hour |
| one place in the code, whatever its texts | 60 lines | 60 an hour |
| what was held back | | how many and the last of them: after a minute, 2, 4 … 60 minutes |
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TextIO, TypeAlias

Place: TypeAlias = tuple[str, int]

TEXT_AT_ONCE, TEXT_PER_S = 10, 6 / 3600
PLACE_AT_ONCE, PLACE_PER_S = 60, 60 / 3600
TELL_AFTER_S, LONGEST_S = 60.0, 3600.0
MAX_TEXTS = 1000


class LineBudget:
    """So many lines at once, then so many a second: a bucket that fills again."""

    def __init__(self, at_once: int, per_s: float, now_s: float) -> None:
        self._at_once = at_once
        self._per_s = per_s
        self._left = float(at_once)
        self._seen_s = now_s

    def has_one(self, now_s: float) -> bool:
        """Say whether there is a line to spend."""
        self._left = min(self._at_once, self._left + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        return self._left >= 1.0

    def spend(self) -> None:
        """Take one."""
        self._left -= 1.0


class PlaceLines:
    """The lines of one place in the code: its budget, and what was held back since it was told."""

    def __init__(self, now_s: float) -> None:
        self.budget = LineBudget(PLACE_AT_ONCE, PLACE_PER_S, now_s)
        self.held = 0
        self._last: logging.LogRecord | None = None
        self._due_s = 0.0
        self._pause_s = TELL_AFTER_S

    def hold(self, record: logging.LogRecord, now_s: float) -> None:
        """Count a line that is not written."""
        if not self.held:
            if now_s - self._due_s >= LONGEST_S:  # quiet for long: it begins anew
                self._pause_s = TELL_AFTER_S
            self._due_s = now_s + self._pause_s
        self.held += 1
        self._last = record

    def is_due(self, now_s: float) -> bool:
        """Say whether it is time to tell what was held back."""
        return self.held > 0 and now_s >= self._due_s

    def told(self) -> logging.LogRecord:
        """Return the line that tells of those that were held back, and count from nothing."""
        last, count = self._last, self.held
        assert last is not None
        self.held, self._pause_s = 0, min(2 * self._pause_s, LONGEST_S)
        text = "%d more such lines were not written; the last: %s"
        return logging.LogRecord(
            last.name, last.levelno, last.pathname, last.lineno, text, (count, last.getMessage()),
            None,
        )  # fmt: skip


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes the log within its budgets. Any thread; logging holds its lock around `emit`."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._texts: OrderedDict[str, LineBudget] = OrderedDict()
        self._places: dict[Place, PlaceLines] = {}  # as many as the code has

    def emit(self, record: logging.LogRecord) -> None:
        now_s = self._clock()
        place = self._places.setdefault((record.pathname, record.lineno), PlaceLines(now_s))
        text = self._budget_of(record, now_s)
        if place.budget.has_one(now_s) and text.has_one(now_s):
            place.budget.spend()
            text.spend()
            super().emit(record)
        else:
            place.hold(record, now_s)
        for one in self._places.values():
            if one.is_due(now_s):
                super().emit(one.told())

    def close(self) -> None:
        """Tell what was held back and not told yet."""
        self.acquire()
        try:
            for one in self._places.values():
                if one.held:
                    super().emit(one.told())
        finally:
            self.release()
        super().close()

    def _budget_of(self, record: logging.LogRecord, now_s: float) -> LineBudget:
        key = f"{record.levelno} {record.getMessage()}"
        budget = self._texts.get(key)
        if budget is None:
            if len(self._texts) >= MAX_TEXTS:
                self._texts.popitem(last=False)
            budget = self._texts[key] = LineBudget(TEXT_AT_ONCE, TEXT_PER_S, now_s)
        self._texts.move_to_end(key)
        return budget
