"""How many retained messages each device has left with the broker, and which are too many.

A device has two (`status`, `health`); Mosquitto 2.0 has no limit, keeps them in memory, and saves
them all. What was there before the broker started is not known.
"""

from __future__ import annotations

from edge_runtime.topics import ROOT

MOST_RETAINED = 32


class Retained:
    """Counts by device. One thread."""

    def __init__(self) -> None:
        self._topics: dict[str, set[str]] = {}
        self._excess: list[str] = []

    def leaves(self, name: str, topic: str, *, is_empty: bool) -> bool:
        """Note a retained message of a device; return whether that is too many."""
        topics = self._topics.setdefault(name, set())
        if is_empty:
            topics.discard(topic)
        elif topic in topics or len(topics) < MOST_RETAINED or topic in own(name):
            topics.add(topic)
        else:
            self._excess.append(topic)
            return True
        return False

    def excess(self) -> list[str]:
        """Return the topics that are to be cleared, once."""
        found, self._excess = self._excess, []
        return found


def own(name: str) -> tuple[str, str]:
    """Return the topics at which a device always may leave something."""
    return f"{ROOT}/{name}/status", f"{ROOT}/{name}/health"
