"""Asks a Modbus RTU device for its registers, over a port that is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minimalmodbus

from edge_runtime.clock import Clock
from edge_runtime.framing.registers import Request, Words, plan, value
from edge_runtime.framing.rows import Reason, Rows, Run, as_array
from edge_runtime.options import Modbus

REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (minimalmodbus.NoResponseError, "unanswered"),
    (minimalmodbus.SlaveReportedException, "refused"),
    (minimalmodbus.InvalidResponseError, "checksum"),
)


class Poller:
    """One row a poll: all registers, or none where any of them could not be had.

    `port_timeout_s` is what the port must be opened with; `said` the device's own words where it
    refused, for a person: an address is likely wrong. `wait_until` sleeps until a monotonic moment.
    """

    def __init__(
        self, options: Modbus, clock: Clock, wait_until: Callable[[Clock, float], None]
    ) -> None:
        self.rows = Rows(options.registers)
        self.port_timeout_s = options.timeout_s
        self.said = ""
        self._options = options
        self._clock = clock
        self._wait_until = wait_until
        self._requests = plan(options.registers)
        self._instrument: minimalmodbus.Instrument | None = None
        self._due_s = 0.0

    def attach(self, port: Any) -> None:
        """Use a port of pyserial's, and ask at once."""
        self._instrument = minimalmodbus.Instrument(port, self._options.device)
        self._due_s = self._clock.monotonic()

    def take(self) -> tuple[list[Run], int]:
        """Ask when it is time. Raises OSError where the port is gone."""
        self._wait_until(self._clock, self._due_s)
        # A device that was slow is asked again at its next turn, not in a burst.
        self._due_s = max(self._due_s, self._clock.monotonic()) + self._options.every_s
        words: Words = {}
        try:
            for request in self._requests:
                words |= self._ask(request)
        except (minimalmodbus.ModbusException, ValueError) as error:
            self._refuse(error)
        else:
            self.rows.add(as_array([[value(r, words) for r in self._options.registers]]))
        return self.rows.take(), 0

    def _ask(self, request: Request) -> Words:
        assert self._instrument is not None
        found = self._instrument.read_registers(
            request.address, request.words, functioncode=request.function
        )
        return {(request.function, request.address + i): word for i, word in enumerate(found)}

    def _refuse(self, error: Exception) -> None:
        found = (reason for kind, reason in REASONS if isinstance(error, kind))
        reason: Reason = next(found, "parse")
        self.said = str(error) if reason == "refused" else ""
        self.rows.lose(reason)
