"""When a fault counts: once it has lasted, until it has been away for a while. By stream time."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from edge_runtime.records import CameraReason

LASTS_S = 40.0  # before it is declared: what passes close by is no fault
AWAY_S = 30.0  # before it is over
NAMED_S = 12.0  # at the end of that time: by then the averaged picture is that of the fault alone
SHARE = 0.85  # of the looks of that time: one that is unlike the others changes nothing
LEAST_LOOKS = 3  # where they come rarely
LONGEST_S = 60.0


class Declaring:
    """One camera's declared fault. `since_s`: when it was first seen, in stream time."""

    def __init__(self, declared: CameraReason = "") -> None:
        self.declared = declared
        self.since_s = 0.0
        self._seen: deque[tuple[float, CameraReason]] = deque()

    def take(self, reason: CameraReason, at_s: float) -> CameraReason:
        """Take in one look's verdict; return what is declared now."""
        if self._seen and at_s < self._seen[-1][0]:  # a clock that jumped back, another source
            self._seen.clear()
        self._seen.append((at_s, reason))
        while len(self._seen) > LEAST_LOOKS and self._seen[0][0] < at_s - LONGEST_S:
            self._seen.popleft()
        if self.declared:
            self._may_end(at_s)
        else:
            self._may_begin(at_s)
        return self.declared

    def forget(self) -> None:
        """Begin anew: what was seen so far counts no longer."""
        self.declared = ""
        self._seen.clear()

    def _may_begin(self, at_s: float) -> None:
        latest = self._latest(at_s, LASTS_S)
        faults = [(since_s, one) for since_s, one in latest if one]
        if latest and len(faults) >= SHARE * len(latest):
            self._declare(commonest(faults, at_s), faults[0][0])

    def _may_end(self, at_s: float) -> None:
        """End what is declared; in its place another may be that was all there was for a while."""
        latest = self._latest(at_s, AWAY_S)
        if latest and sum(not one for _, one in latest) >= SHARE * len(latest):
            self._declare("", at_s)
            return
        latest = self._latest(at_s, LASTS_S)
        others = [(since_s, one) for since_s, one in latest if one and one != self.declared]
        if latest and len(others) >= SHARE * len(latest):
            self._declare(commonest(others, at_s), others[0][0])

    def _declare(self, reason: CameraReason, since_s: float) -> None:
        self.declared, self.since_s = reason, since_s

    def _latest(self, at_s: float, span_s: float) -> list[tuple[float, CameraReason]]:
        """Return the verdicts of the latest time; none where it is not yet full of them."""
        if self._seen[0][0] > at_s - span_s or len(self._seen) < LEAST_LOOKS:
            return []
        seen = list(self._seen)
        within = [one for one in seen if one[0] >= at_s - span_s]
        return max(within, seen[-LEAST_LOOKS:], key=len)


def commonest(faults: Sequence[tuple[float, CameraReason]], at_s: float) -> CameraReason:
    latest = [one for since_s, one in faults if since_s >= at_s - NAMED_S]
    return Counter(latest or [faults[-1][1]]).most_common(1)[0][0]
