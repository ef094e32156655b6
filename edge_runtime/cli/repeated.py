"""Notices of one kind that come in any number: told together, and ever more rarely."""

from __future__ import annotations

from edge_runtime.errors import EMPTY, RawText, Text, located, row

FIRST_AFTER_S = 1.0  # what a broker retains comes at once: one line for all of it
LONGEST_S = 600.0
EXAMPLES = 3


class RateLimitedNotice:
    """Counts what has happened, and says so with a few examples while it goes on."""

    def __init__(self, one: str, many: str) -> None:
        """`one` says what happened once; `many` has a {count}."""
        self._one = one
        self._many = many
        self._count = 0
        self._examples: dict[Text, None] = {}
        self._due_s = 0.0
        self._pause_s = FIRST_AFTER_S

    def add(self, example: Text, now_s: float) -> None:
        """Count one."""
        if not self._count:
            self._due_s = max(self._due_s, now_s + FIRST_AFTER_S)
        self._count += 1
        if len(self._examples) < EXAMPLES:
            self._examples[example] = None

    def due(self, now_s: float) -> Text:
        """Return what is to be said now; empty: nothing."""
        if not self._count or now_s < self._due_s:
            return EMPTY
        self._pause_s = min(2 * self._pause_s, LONGEST_S)
        self._due_s = now_s + self._pause_s
        return self.rest()

    def rest(self) -> Text:
        """Return what was not said yet, and count from nothing."""
        if not self._count:
            return EMPTY
        what = Text(self._one) if self._count == 1 else Text(self._many, count=self._count)
        more = [RawText("…")] if self._count > len(self._examples) else []
        text = located(what, row([*self._examples, *more]))
        self._count = 0
        self._examples.clear()
        return text
