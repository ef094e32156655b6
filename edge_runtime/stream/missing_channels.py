"""Which channels of a sensor have no value at present: told in health, and in the log."""

from __future__ import annotations

import logging

import numpy as np

from edge_runtime.language import mark
from edge_runtime.raw import Samples

log = logging.getLogger("edge_runtime.stream")

MOST_TOLD = 16  # channels: health crosses the link
LOG_EVERY_S = 60.0  # at most, for a channel that comes and goes
UNKNOWN = mark("no value")


class MissingChannels:
    """Follows one stream's blocks. `note`: what is to be said behind each reason."""

    def __init__(self, stream: str, note: str = "") -> None:
        self._stream = stream
        self._note = f"; {note}" if note else ""
        self._logged_s: dict[str, float] = {}  # when a channel was last said to be missing
        self._said: set[str] = set()  # of which the log does not know yet that they are back
        self.told: dict[str, str] = {}

    def look(self, block: Samples) -> bool:
        """Take the next block; say whether a value is missing in it. `told` is why, by channel."""
        is_missing = np.isnan(block.values).any(axis=0)
        if not is_missing.any():
            if self.told:
                self._tell({}, block.stamp.monotonic_s)
            return False
        names = [block.channels[i] for i in np.flatnonzero(is_missing).tolist()]
        self._tell(
            {name: block.missing.get(name, UNKNOWN) for name in names}, block.stamp.monotonic_s
        )
        return True

    def _tell(self, missing: dict[str, str], now_s: float) -> None:
        for name in missing.keys() - self.told.keys():
            if now_s - self._logged_s.get(name, -LOG_EVERY_S) >= LOG_EVERY_S:
                self._logged_s[name] = now_s
                self._said.add(name)
                reason = missing[name]
                log.warning("stream %s: channel %s: %s%s", self._stream, name, reason, self._note)
        for name in self._said - missing.keys():
            self._said.discard(name)
            log.info("stream %s: channel %s: has values again", self._stream, name)
        self.told = missing

    def shown(self) -> dict[str, str]:
        """Return what health says: bounded."""
        return {name: f"{why}{self._note}" for name, why in list(self.told.items())[:MOST_TOLD]}
