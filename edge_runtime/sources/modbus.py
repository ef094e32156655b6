"""Asks a Modbus RTU device for its registers, over a port that is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, Text
from edge_runtime.framing.exchange import REMEMBERED_S, Exchange
from edge_runtime.framing.poll import Poll
from edge_runtime.framing.rows import Reason, RowBuffer, RowRun, as_array
from edge_runtime.framing.rtu import advice, refusal
from edge_runtime.options import ModbusOptions

LONGEST_SLICE_S = 0.05  # of one wait, so that whoever reads sees soon what else there is to do


class Poller:
    """One row a poll, with a hole where a register could not be had.

    `port_timeout_s` is what the port must be opened with; `said` says why the latest poll gave no
    value at all, `notice` what should be changed. `wait_until` sleeps until a monotonic moment.
    """

    def __init__(
        self,
        options: ModbusOptions,
        byte_s: float,
        clock: Clock,
        wait_until: Callable[[Clock, float], None],
    ) -> None:
        self.rows = RowBuffer(options.registers)
        self.port_timeout_s = min(LONGEST_SLICE_S, options.timeout_s / 2.0)
        self.said = self.notice = EMPTY
        self._options = options
        self._clock = clock
        self._wait_until = wait_until
        self._exchange = Exchange(options.device, options.timeout_s, byte_s)
        self._poll = Poll(options.registers)
        self._is_polling = False
        self._late = 0  # answers that are counted
        self._port: Any = None
        self._due_s = 0.0

    def attach(self, port: Any) -> None:
        """Use a port of pyserial's, and ask as soon as its line is silent."""
        port.reset_input_buffer()
        self._port = port
        self._is_polling = False
        self._due_s = self._clock.monotonic()
        self._exchange.reopened(self._due_s)

    def take(self) -> tuple[list[RowRun], int]:
        """Do what comes next: wait a little, ask, or conclude. Raises OSError: the port is gone."""
        if not self._is_polling:
            self._begin()
        if self._exchange.is_waiting:
            self._receive(self._port.read(1))
            outcome = self._exchange.outcome(self._clock.monotonic())
            if outcome is not None:
                self._poll.take(outcome, self._clock.monotonic())
        elif self._is_line_free():
            request = self._poll.next()
            if request is not None:
                self._port.write(self._exchange.ask(request, self._clock.monotonic()))
        if self._exchange.late > self._late:
            self.rows.tally.bad["late"] += self._exchange.late - self._late
            self._late = self._exchange.late
        if self._poll.next() is None:
            self._conclude()
        return self.rows.take(), 0

    def _begin(self) -> None:
        self._wait_until(self._clock, self._due_s)
        now_s = self._clock.monotonic()
        # A device that was slow is asked again at its next turn, not in a burst.
        self._due_s = max(self._due_s, now_s) + self._options.every_s
        self._poll.begin(now_s)
        self._is_polling = True

    def _is_line_free(self) -> bool:
        """Listen for a while to what nobody waits for; say whether the line is free."""
        self._receive(b"")
        left_s = self._exchange.ready_s() - self._clock.monotonic()
        if left_s <= 0.0:
            return True
        self._clock.sleep(min(left_s, self.port_timeout_s))
        self._receive(b"")
        return False

    def _receive(self, data: bytes) -> None:
        """Take what has come so far; a socket says that bytes wait, not how many."""
        while waiting := self._port.in_waiting:
            data += self._port.read(waiting)
        self._exchange.feed(data, self._clock.monotonic())

    def _conclude(self) -> None:
        self._is_polling = False
        row, why = self._poll.row()
        failures = self._poll.failures
        if len(why) < len(row):
            self.rows.tally.bad.update(one for one in failures if one != "late")
            self.rows.add(as_array([row]), why)
            self.said = self.rows.said
        else:
            reason: Reason = failures[-1] if failures else "refused"
            self.rows.lose(None if reason == "late" else reason)
            self.said = self._explain()
        self.notice = self._lateness()

    def _explain(self) -> Text:
        """Return why a poll gave no value; empty where nothing is known but that none came."""
        if code := self._poll.exception:
            return Text(
                "the device {refused}; {advice}", refused=refusal(code), advice=advice(code)
            )
        return self._lateness()

    def _lateness(self) -> Text:
        exchange, timeout_s = self._exchange, self._options.timeout_s
        if self._clock.monotonic() - exchange.late_s > REMEMBERED_S:
            return EMPTY
        if exchange.lateness_s <= timeout_s:
            return Text(
                "answers come later than framing.timeout_s ({timeout:g} s); raise it",
                timeout=timeout_s,
            )
        return Text(
            "answers come up to {late:.2g} s after the question, later than framing.timeout_s "
            "({timeout:g} s); raise it",
            late=exchange.lateness_s,
            timeout=timeout_s,
        )
