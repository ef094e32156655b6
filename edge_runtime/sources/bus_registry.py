"""The ports that streams of this process share, each open once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge_runtime.clock import Clock
from edge_runtime.options import ModbusOptions, SerialOptions

if TYPE_CHECKING:
    from edge_runtime.sources.modbus_bus import ModbusBus
    from edge_runtime.sources.modbus_seat import BusSeat


class BusRegistry:
    """The buses of a process, by their port. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buses: dict[str, ModbusBus] = {}

    def join(self, options: SerialOptions, framing: ModbusOptions, clock: Clock) -> BusSeat:
        """Take a place at the port's bus, which is open then. Raises PortError."""
        # pyserial is imported where a stream uses it, and nowhere else.
        from edge_runtime.sources.modbus_bus import ModbusBus, slice_of

        with self._lock:
            bus = self._buses.get(options.port)
            if bus is None:
                bus = self._buses[options.port] = ModbusBus(options, slice_of(framing), clock)
            seat = bus.join(options, framing)
        try:
            bus.open()
        except BaseException:
            self.leave(seat)
            raise
        return seat

    def leave(self, seat: BusSeat) -> None:
        """Give a place up; with the last one the port is closed."""
        with self._lock:
            is_last = seat.bus.leave(seat)
            if is_last:
                self._buses = {
                    name: one for name, one in self._buses.items() if one is not seat.bus
                }
        if is_last:
            seat.bus.close()
