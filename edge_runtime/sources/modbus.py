"""Asks a Modbus device for its registers, over a port that others may share."""

from __future__ import annotations

from collections.abc import Callable

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, Text, row
from edge_runtime.framing.causes import Cause, counted
from edge_runtime.framing.exchange import REMEMBERED_S
from edge_runtime.framing.modbus_causes import no_answer, no_answer_by_tcp
from edge_runtime.framing.poll import Poll
from edge_runtime.framing.rows import Reason, RowBuffer, RowRun, as_array
from edge_runtime.framing.rtu import advice, refusal
from edge_runtime.options import ModbusOptions, SerialOptions
from edge_runtime.sources.bus_registry import BusRegistry
from edge_runtime.sources.modbus_bus import slice_of
from edge_runtime.sources.modbus_seat import BusSeat


class Poller:
    """One row a poll, with a hole where a register could not be had.

    `cause` says why no poll gave a value, `notice` what should be changed. `wait_until` sleeps
    until a monotonic moment.
    """

    def __init__(
        self,
        options: SerialOptions,
        framing: ModbusOptions,
        buses: BusRegistry,
        clock: Clock,
        wait_until: Callable[[Clock, float], None],
    ) -> None:
        self.rows = RowBuffer(framing.registers)
        self.notice = EMPTY
        self._options = options
        self._framing = framing
        self._buses = buses
        self._clock = clock
        self._wait_until = wait_until
        self._slice_s = slice_of(framing)
        self._poll = Poll(framing.registers)
        self._is_polling = self._is_asking = False
        self._late = 0  # answers that are counted
        self._seat: BusSeat | None = None
        self._due_s = 0.0
        self._failed_s: float | None = None  # since when no poll has given a value
        self._refused = 0  # the exception that the latest poll ended with

    def open(self) -> None:
        """Open the port, or join those who have it open, and ask as soon as its line is silent."""
        self._seat = seat = self._buses.join(self._options, self._framing, self._clock)
        self._is_polling = self._is_asking = False
        self._due_s = self._clock.monotonic()
        self._late = seat.exchange.late
        self._failed_s = self._due_s
        self._refused = 0

    def close(self) -> None:
        """Leave the port to the others, and close it where there are none."""
        seat, self._seat = self._seat, None
        if seat is not None:
            self._buses.leave(seat)

    def take(self) -> tuple[list[RowRun], int]:
        """Do what comes next: wait a little, ask, or conclude. Raises PortError: it is gone."""
        seat = self._seat
        assert seat is not None
        if not self._is_polling:
            self._begin()
        if self._is_asking:
            self._listen(seat)
        elif seat.bus.take_turn(seat, self._slice_s):
            self._ask(seat)
        if seat.exchange.late > self._late:
            self.rows.tally.bad["late"] += seat.exchange.late - self._late
            self._late = seat.exchange.late
        if self._poll.next() is None:
            self._conclude(seat)
        return self.rows.take(), 0

    def cause(self) -> Cause | None:
        """Return why the device gave no value since the latest one."""
        seat = self._seat
        if seat is None:
            return None
        if self.rows.reason:
            return Cause(self.rows.reason, Text("check the registers' scale, min and max"))
        if code := self._poll.exception or self._refused:  # a poll that has begun knows of none
            return Cause(Text("the device {refused}", refused=refusal(code)), advice(code))
        return self._lateness(seat) or self._why_unanswered(seat)

    def _why_unanswered(self, seat: BusSeat) -> Cause:
        """Return why no answer came, by what came in its place."""
        if self._options.is_modbus_tcp:
            return no_answer_by_tcp(seat.heard, tuple(seat.sent))
        answering = seat.bus.answering(seat, self._failed_s or 0.0)
        errors = seat.bus.errors()
        if errors is not None and not answering and (found := counted(errors)) is not None:
            return found
        return no_answer(
            seat.heard,
            tuple(seat.sent),
            self._framing.device,
            baud=self._options.baud,
            answering=answering,
        )

    def _begin(self) -> None:
        self._wait_until(self._clock, self._due_s)
        now_s = self._clock.monotonic()
        # A device that was slow is asked again at its next turn, not in a burst.
        self._due_s = max(self._due_s, now_s) + self._framing.every_s
        self._poll.begin(now_s)
        self._is_polling = True

    def _ask(self, seat: BusSeat) -> None:
        """Ask the next question once the line is free for it; until then others have the line."""
        seat.bus.receive(wait=False)
        request = self._poll.next()
        if request is None:
            return
        left_s = seat.bus.ready_s(seat) - self._clock.monotonic()
        if left_s <= 0.0:
            seat.bus.ask(seat, request)
            self._is_asking = True
            return
        seat.bus.end_turn(seat)
        self._clock.sleep(min(left_s, self._slice_s))

    def _listen(self, seat: BusSeat) -> None:
        seat.bus.receive(wait=True)
        outcome = seat.bus.outcome(seat)
        if outcome is None:
            return
        self._is_asking = False
        self._poll.take(outcome, self._clock.monotonic())
        if self._poll.next() is None or seat.bus.is_turn_over(seat):
            seat.bus.end_turn(seat)

    def _conclude(self, seat: BusSeat) -> None:
        seat.bus.end_turn(seat)
        self._is_polling = False
        self._refused = self._poll.exception
        values, why = self._poll.row()
        failures = self._poll.failures
        if len(why) < len(values):
            self.rows.tally.bad.update(one for one in failures if one != "late")
            self.rows.add(as_array([values]), why)
            self._failed_s = None
        else:
            reason: Reason = failures[-1] if failures else "refused"
            self.rows.lose(None if reason == "late" else reason)
            self._failed_s = self._failed_s or self._clock.monotonic()
        lateness = self._lateness(seat)
        self.notice = row(lateness) if lateness else EMPTY

    def _lateness(self, seat: BusSeat) -> Cause | None:
        exchange, timeout_s = seat.exchange, self._framing.timeout_s
        if self._clock.monotonic() - exchange.late_s > REMEMBERED_S:
            return None
        advice = Text("raise it")
        if exchange.lateness_s <= timeout_s:
            what = Text(
                "answers come later than framing.timeout_s ({timeout:g} s)", timeout=timeout_s
            )
        else:
            what = Text(
                "answers come up to {late:.2g} s after the question, later than "
                "framing.timeout_s ({timeout:g} s)",
                late=exchange.lateness_s,
                timeout=timeout_s,
            )
        return Cause(what, advice)
