"""Messages that are no records: counted and told together, however many there are."""

from __future__ import annotations

FIRST_AFTER_S = 1.0  # what a broker retains comes at once: one line for all of it
LONGEST_S = 600.0
NAMED = 3
SHOWN = 300


class Strays:
    """Counts what could not be read, and says so ever more rarely while it goes on."""

    def __init__(self) -> None:
        self._count = 0
        self._named: dict[str, None] = {}
        self._due_s = 0.0
        self._pause_s = FIRST_AFTER_S

    def add(self, why: str, now_s: float) -> None:
        """Count a message; `why` begins with its topic."""
        if not self._count:
            self._due_s = max(self._due_s, now_s + FIRST_AFTER_S)
        self._count += 1
        if len(self._named) < NAMED:
            self._named[why[:SHOWN]] = None

    def due(self, now_s: float) -> str:
        """Return what is to be told now; empty: nothing."""
        if not self._count or now_s < self._due_s:
            return ""
        self._pause_s = min(2 * self._pause_s, LONGEST_S)
        self._due_s = now_s + self._pause_s
        return self.rest()

    def rest(self) -> str:
        """Return what was not told yet, and count from nothing."""
        if not self._count:
            return ""
        what = (
            "1 message was no record"
            if self._count == 1
            else f"{self._count} messages were no records"
        )
        more = "; …" if self._count > len(self._named) else ""
        text = f"{what}: {'; '.join(self._named)}{more}"
        self._count = 0
        self._named.clear()
        return text
