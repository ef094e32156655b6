"""Brings a stream's samples back into the order in which they were captured."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Literal

from edge_runtime.boxes import FULL_FRAME, Box
from edge_runtime.clock import Stamp
from edge_runtime.model.runner import NO_COSTS
from edge_runtime.raw import Frame
from edge_runtime.records import Decoded
from edge_runtime.stream.camera_watch import WELL, CameraState

LONGEST = 1024  # slots: bounds the memory where one worker hangs and the others go on


class Slot:
    """One captured sample on its way: waiting for a worker, inferred, skipped or dropped."""

    __slots__ = (
        "camera", "costs", "decoded", "dropped", "ends", "frame", "gated_s", "offered_s", "region",
        "results", "settled", "stamp", "still", "taken_s",
    )  # fmt: skip

    def __init__(
        self,
        stamp: Stamp,
        frame: Frame | None,
        *,
        region: Box = FULL_FRAME,
        still: bool = True,
        offered_s: float = 0.0,
        gated_s: float = 0.0,
        ends: bool = False,
        camera: CameraState = WELL,
    ) -> None:
        self.stamp = stamp
        self.frame = frame
        self.region = region
        self.still = still  # where it is not inferred: nothing moved in it
        self.ends = ends  # no sample: here the stream's hours end
        self.offered_s = offered_s
        self.gated_s = gated_s
        self.camera = camera  # what is declared of it at this frame
        self.taken_s = 0.0  # by a worker; 0: not inferred
        self.costs = NO_COSTS
        self.results = 0  # how many records it led to
        self.decoded: Decoded | None = None
        self.settled = frame is None
        self.dropped = False

    @property
    def outcome(self) -> Literal["inferred", "still", "coasted"]:
        """What came of a sample that is concluded."""
        if self.decoded is not None:
            return "inferred"
        return "still" if self.still else "coasted"

    def settle(self, decoded: Decoded | None) -> None:
        """Keep the outcome and let go of the pixels."""
        self.decoded = decoded
        self.dropped = decoded is None
        self.frame = None
        self.settled = True


class ReorderBuffer:
    """Gives settled slots to `conclude`, in order, from one thread at a time.

    The thread that settles the first slot works off all that are ready; another that comes
    meanwhile goes back to its work at once.
    """

    def __init__(self, conclude: Callable[[Slot], None]) -> None:
        self._conclude = conclude
        self._slots: deque[Slot] = deque()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._draining = False

    def add(self, slot: Slot, *, wait: bool) -> None:
        """Give a slot its place. Where the line is full, wait, or forget the oldest settled."""
        with self._changed:
            while wait and len(self._slots) >= LONGEST:
                self._changed.wait()
            if len(self._slots) >= LONGEST and self._slots[-1].settled:
                self._slots.pop()  # a newer skip says the same: nothing moved until now
            self._slots.append(slot)

    def drain(self) -> None:
        """Conclude what is ready; raises what `conclude` raises."""
        while True:
            with self._changed:
                if self._draining or not self._slots or not self._slots[0].settled:
                    return
                self._draining = True
                slot = self._slots.popleft()
            try:
                if not slot.dropped:
                    self._conclude(slot)
            finally:
                with self._changed:
                    self._draining = False
                    self._changed.notify_all()

    def between(self, action: Callable[[], None], timeout_s: float) -> bool:
        """Run an action between two conclusions; raises what it raises. Drain after it.

        False: what is being concluded takes longer than that, and nothing was run.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._draining, timeout=timeout_s):
                return False
            self._draining = True
        try:
            action()
        finally:
            with self._changed:
                self._draining = False
                self._changed.notify_all()
        return True

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until everything was concluded."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._slots and not self._draining, timeout=timeout_s
            )
