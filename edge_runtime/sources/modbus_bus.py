"""A port with Modbus devices behind it: opened once, its streams ask in turn.

Each stream asks in its own thread. Whoever has the turn alone touches the port; what comes is given
to every device's exchange, so that a late answer reaches the one that it belongs to. The turn goes
to the stream that has used the line the least of late: a device that does not answer costs the
others one timeout now and then, however many of them there are.
"""

from __future__ import annotations

import itertools
import math
import threading
from typing import Any

from edge_runtime.clock import Clock
from edge_runtime.errors import Text
from edge_runtime.framing.causes import MOST_BYTES, Cause, LineErrors
from edge_runtime.framing.exchange import Exchange, Outcome
from edge_runtime.framing.mbap import MbapExchange
from edge_runtime.framing.registers import RegisterRequest
from edge_runtime.options import LineSettings, ModbusOptions, SerialOptions
from edge_runtime.sources.modbus_seat import BusSeat, DeviceExchange, LineUse
from edge_runtime.sources.ports import (
    PORT_ERRORS,
    PortError,
    close_port,
    line_errors,
    lost,
    open_port,
)
from edge_runtime.urls import shown_url

LONGEST_SLICE_S = 0.05  # of one wait, so that whoever reads sees soon what else there is to do
TURN_S = 0.5  # so long a poll of several questions may keep the line
WANTED_FOR_S = 5.0 * LONGEST_SLICE_S  # a stream that asks for the turn asks again sooner
REOPEN_QUESTIONS = 3  # without one byte in return: then whoever joins opens the port anew,
REOPEN_S = 5.0  # but not before it was silent for so long


class ModbusBus:
    """An open port, its devices' exchanges, and whose turn it is. Any thread may call it."""

    def __init__(self, options: SerialOptions, slice_s: float, clock: Clock) -> None:
        self._slice_s = slice_s
        self.settings = options.line_settings
        self._options = options
        self._clock = clock
        self._turns = threading.Condition()
        self._seats: list[BusSeat] = []
        self._exchanges: dict[int, DeviceExchange] = {}
        self._transactions = itertools.count(1)
        self._holder: BusSeat | None = None
        self._port: Any = None
        self._gone: Cause | None = None
        self._heard_s = -math.inf  # any byte, or the port was opened
        self._asked = 0  # questions since then
        self._errors: LineErrors | None = None

    def join(self, options: SerialOptions, framing: ModbusOptions) -> BusSeat:
        """Take a place for a device's stream; `open` follows.

        Raises PortError where the stream wants other settings than those that joined before.
        """
        if options.line_settings != self.settings:
            raise PortError(shown_url(options.url), other_settings(self.settings))
        with self._turns:
            exchange = self._exchanges.get(framing.device)
            if exchange is None:
                exchange = self._exchanges[framing.device] = self._new_exchange(
                    framing, options.byte_s
                )
            seat = BusSeat(self, framing.device, exchange)
            now_s = self._clock.monotonic()
            least_s = min((one.use.at(now_s) for one in self._seats), default=0.0)
            seat.use = LineUse(least_s, now_s)
            self._seats.append(seat)
        return seat

    def leave(self, seat: BusSeat) -> bool:
        """Give the place up; say whether it was the last one."""
        with self._turns:
            if seat in self._seats:
                self._seats.remove(seat)
            self._free(seat)
            if all(one.device != seat.device for one in self._seats):
                self._exchanges.pop(seat.device, None)
            return not self._seats

    def open(self) -> None:
        """Open the port where it is not open, or anew where all are silent on it for long.

        Raises PortError.
        """
        with self._turns:
            now_s = self._clock.monotonic()
            is_silent = self._asked >= REOPEN_QUESTIONS and now_s - self._heard_s >= REOPEN_S
            if self._port is not None and not (is_silent and self._holder is None):
                return
            self._close()
            self._port = open_port(self._options, self._slice_s)
            try:
                self._port.reset_input_buffer()
            except (*PORT_ERRORS, ValueError) as error:  # RFC 2217: the server does not agree
                raise self._fail(error) from None
            self._heard_s, self._asked = self._clock.monotonic(), 0
            self._errors = line_errors(self._port)
            for exchange in self._exchanges.values():
                exchange.reopened(self._heard_s)

    def close(self) -> None:
        """Close the port."""
        with self._turns:
            self._close()

    def take_turn(self, seat: BusSeat, wait_s: float) -> bool:
        """Wait a little for the turn; say whether it is this stream's. Raises PortError."""
        with self._turns:
            self._checked_port()
            seat.wanted_s = self._clock.monotonic()
            if self._holder is not seat and not self._may_begin(seat):
                self._turns.wait(wait_s)
            if self._holder is not seat:
                if not self._may_begin(seat):
                    return False
                self._holder = seat
                seat.turn_s = self._clock.monotonic()
            self._checked_port()
            return True

    def is_turn_over(self, seat: BusSeat) -> bool:
        """Say whether others should have the line, in the midst of a poll."""
        return self._clock.monotonic() - seat.turn_s >= TURN_S

    def end_turn(self, seat: BusSeat) -> None:
        """Let others have the line."""
        with self._turns:
            self._free(seat)

    def ask(self, seat: BusSeat, request: RegisterRequest) -> None:
        """Send a question. Raises PortError; the turn is the caller's."""
        port = self._checked_port()
        with self._turns:
            data = seat.exchange.ask(request, self._clock.monotonic())
            seat.sent.append(data)
            self._asked += 1
        try:
            port.write(data)
        except PORT_ERRORS as error:
            raise self._fail(error) from None

    def receive(self, *, wait: bool) -> int:
        """Take what has come, or the next byte and all behind it; return how many bytes it was.

        Raises PortError; the turn is the caller's.
        """
        port = self._checked_port()
        try:
            data = bytes(port.read(1)) if wait else b""
            while waiting := port.in_waiting:  # a socket says that bytes wait, not how many
                data += bytes(port.read(waiting))
        except PORT_ERRORS as error:
            raise self._fail(error) from None
        if data:
            with self._turns:
                self._spread(data)
        return len(data)

    def outcome(self, seat: BusSeat) -> Outcome | None:
        """Return what came of a stream's question; None: not known yet."""
        with self._turns:
            now_s = self._clock.monotonic()
            outcome = seat.exchange.outcome(now_s)
            if outcome is not None and not isinstance(outcome, str):
                seat.good_s = now_s
                seat.sent.clear()
                seat.heard = b""
            return outcome

    def ready_s(self, seat: BusSeat) -> float:
        """Return when a stream's next question may go, where nothing more comes until then."""
        with self._turns:
            return seat.exchange.ready_s()

    def answering(self, seat: BusSeat, since_s: float) -> list[int]:
        """Return the other devices that have answered since a moment."""
        with self._turns:
            others = (one for one in self._seats if one.device != seat.device)
            return sorted({one.device for one in others if one.good_s >= since_s})

    def errors(self) -> LineErrors | None:
        """Return what the port has counted since it was opened; None: it does not count."""
        with self._turns:
            if self._port is None or self._errors is None:
                return None
            now = line_errors(self._port)
            return None if now is None else now.since(self._errors)

    def _new_exchange(self, framing: ModbusOptions, byte_s: float) -> DeviceExchange:
        made: DeviceExchange
        if self._options.is_modbus_tcp:
            made = MbapExchange(framing.device, framing.timeout_s, self._transactions)
        else:
            made = Exchange(framing.device, framing.timeout_s, byte_s)
        made.reopened(self._clock.monotonic())
        return made

    def _spread(self, data: bytes) -> None:
        now_s = self._clock.monotonic()
        self._heard_s, self._asked = now_s, 0
        for exchange in self._exchanges.values():
            exchange.feed(data, now_s)
        for seat in self._seats:
            seat.heard = (seat.heard + data)[-MOST_BYTES:]

    def _may_begin(self, seat: BusSeat) -> bool:
        if self._holder is not None:
            return False
        now_s = self._clock.monotonic()
        waiting = [one for one in self._seats if now_s - one.wanted_s <= WANTED_FOR_S]
        return min(waiting, key=lambda one: one.use.at(now_s), default=seat) is seat

    def _free(self, seat: BusSeat) -> None:
        seat.wanted_s = -math.inf
        if self._holder is seat:
            now_s = self._clock.monotonic()
            seat.use.add(now_s - seat.turn_s, now_s)
            self._holder = None
        self._turns.notify_all()

    def _checked_port(self) -> Any:
        port = self._port
        if port is None:
            gone = Cause(Text("the port was closed"), Text("it is opened again by itself"))
            raise PortError(shown_url(self._options.url), self._gone or gone)
        return port

    def _fail(self, error: Exception) -> PortError:
        gone = lost(self._options.url, error)
        with self._turns:
            self._gone = gone
            self._close()
            self._holder = None  # whoever has the turn learns of it, and so do the others
            self._turns.notify_all()
        return PortError(shown_url(self._options.url), gone)

    def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            close_port(port)


def slice_of(framing: ModbusOptions) -> float:
    """Return how long one wait for bytes may be."""
    return min(LONGEST_SLICE_S, framing.timeout_s / 2.0)


def other_settings(settings: LineSettings) -> Cause:
    """Return that a port is open already, and how."""
    return Cause(
        Text(
            "another stream has it open with baud {baud}, parity {parity}",
            baud=settings.baud,
            parity=settings.parity,
        ),
        Text("give the streams on one line the same baud, bytesize, parity and stopbits"),
    )
