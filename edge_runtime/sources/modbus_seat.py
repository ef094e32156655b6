"""One stream's place at a Modbus port: what it asks, and how long it has had the line."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Protocol

from edge_runtime.framing.exchange import Outcome
from edge_runtime.framing.registers import RegisterRequest

if TYPE_CHECKING:
    from edge_runtime.sources.modbus_bus import ModbusBus

USED_HALVES_S = 30.0  # what a stream used of the line counts half after so long
MOST_SENT = 8  # requests that are remembered, for the sake of their echoes


class DeviceExchange(Protocol):
    """One device's questions: by RTU, or by TCP."""

    late: int
    lateness_s: float
    late_s: float

    def reopened(self, now_s: float) -> None: ...

    def ready_s(self) -> float: ...

    def ask(self, request: RegisterRequest, now_s: float) -> bytes: ...

    def feed(self, data: bytes, now_s: float) -> None: ...

    def outcome(self, now_s: float) -> Outcome | None: ...


class LineUse:
    """How long a stream had the line, of which the past counts less and less."""

    def __init__(self, used_s: float, now_s: float) -> None:
        self._used_s = used_s
        self._at_s = now_s

    def add(self, used_s: float, now_s: float) -> None:
        """Count that the line was used, until now."""
        self._used_s, self._at_s = self.at(now_s) + used_s, now_s

    def at(self, now_s: float) -> float:
        """Return what was used, as it counts at a moment."""
        return float(self._used_s * 0.5 ** ((now_s - self._at_s) / USED_HALVES_S))


class BusSeat:
    """One stream's place at a bus."""

    def __init__(self, bus: ModbusBus, device: int, exchange: DeviceExchange) -> None:
        self.bus = bus
        self.device = device
        self.exchange = exchange
        self.use = LineUse(0.0, 0.0)
        self.wanted_s = -math.inf  # when it last asked for the turn
        self.turn_s = 0.0  # when it got it
        self.sent: deque[bytes] = deque(maxlen=MOST_SENT)  # since the latest good row
        self.heard = b""
        self.good_s = -math.inf  # when the device last answered
