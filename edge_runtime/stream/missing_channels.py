"""Which channels of a sensor have no value at present: told in health, and in the log."""

from __future__ import annotations

import logging

import numpy as np

from edge_runtime.errors import EMPTY, Text, row
from edge_runtime.raw import Samples

log = logging.getLogger("edge_runtime.stream")

MOST_TOLD = 16  # channels: health crosses the link
LOG_EVERY_S = 60.0  # at most, for a channel that comes and goes
UNKNOWN = Text("no value")


class MissingChannels:
    """Follows one stream's blocks. `note`: what is to be said behind each reason."""

    def __init__(self, stream: str, note: Text = EMPTY) -> None:
        self._stream = stream
        self._note = note
        self._logged_s: dict[str, float] = {}  # when a channel was last said to be missing
        self._said: set[str] = set()  # of which the log does not know yet that they are back
        self.told: dict[str, Text] = {}

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

    def _tell(self, missing: dict[str, Text], now_s: float) -> None:
        for name in missing.keys() - self.told.keys():
            if now_s - self._logged_s.get(name, -LOG_EVERY_S) >= LOG_EVERY_S:
                self._logged_s[name] = now_s
                self._said.add(name)
                reason = self._with_note(missing[name])
                log.warning("stream %s: channel %s: %s", self._stream, name, reason)
        for name in self._said - missing.keys():
            self._said.discard(name)
            log.info("stream %s: channel %s: has values again", self._stream, name)
        self.told = missing

    def shown(self) -> dict[str, Text]:
        """Return what health says: bounded."""
        return {name: self._with_note(why) for name, why in list(self.told.items())[:MOST_TOLD]}

    def _with_note(self, reason: Text) -> Text:
        return row([reason, self._note]) if self._note else reason
