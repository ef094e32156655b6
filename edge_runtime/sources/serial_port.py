"""A sensor on a serial port: its bytes become rows, and rows become stamped blocks."""

from __future__ import annotations

from collections import deque
from threading import Event
from typing import Any, Protocol, assert_never

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, Text
from edge_runtime.framing import framing_of
from edge_runtime.framing.causes import (
    MOST_BYTES,
    Cause,
    LineErrors,
    another_protocol,
    another_setting,
    counted,
)
from edge_runtime.framing.quality import Quality
from edge_runtime.framing.rows import RowBuffer, RowRun
from edge_runtime.framing.silence import Silence
from edge_runtime.framing.timeline import Timeline
from edge_runtime.options import (
    BinaryOptions,
    CobsOptions,
    LinesOptions,
    ModbusOptions,
    NmeaOptions,
    SerialOptions,
    SlipOptions,
)
from edge_runtime.raw import Samples
from edge_runtime.sources.base import CLOSE_CHECK_S, BaseSource
from edge_runtime.sources.bus_registry import BusRegistry
from edge_runtime.sources.ports import (
    PORT_ERRORS,
    PortError,
    close_port,
    line_errors,
    lost,
    open_port,
)
from edge_runtime.urls import shown_url

SAMPLED_NAP_S = 0.05
READING_NAP_S = 0.01
MIN_NAP_S = 0.005
SAFE_BYTES = 2048  # half of the kernel's line buffer: what exceeds it while we nap may be lost
MAX_CHUNK_BYTES = 65536


class RowReader(Protocol):
    """How rows are had over a port: by listening, or by asking."""

    rows: RowBuffer

    @property
    def notice(self) -> Text:
        """What should be changed, though rows come; empty: nothing."""
        ...

    def cause(self) -> Cause | None:
        """Return why no row came since the latest one; None: that cannot be told."""
        ...

    def open(self) -> None:
        """Open the port. Raises PortError."""
        ...

    def close(self) -> None: ...

    def take(self) -> tuple[list[RowRun], int]:
        """Return the rows that came, and in how many bytes. Raises PortError: the port is gone."""
        ...


class SerialSource(BaseSource[Samples]):
    """Blocks of rows as a sensor sends them; one that sends nothing valid for long is lost.

    `channels` and `units` name the columns; `tally` counts what was taken and refused. `buses`: the
    ports that this process shares between streams; None: this one has its port alone.
    """

    def __init__(
        self, options: SerialOptions, clock: Clock, buses: BusRegistry | None = None
    ) -> None:
        super().__init__()
        self._options = options
        self._clock = clock
        self._name = shown_url(options.url)
        self._link = self._make_link(buses)
        rows = self._link.rows
        self.channels, self.units, self.tally = rows.names, rows.units, rows.tally
        self._timeline = Timeline(rows.names, options.rate_hz, options.byte_s)
        self._quality = Quality(rows.tally, options.rate_hz)
        self._silence = Silence(rows.tally, options.stale_after_s)
        self._blocks: deque[Samples] = deque()

    def _make_link(self, buses: BusRegistry | None) -> RowReader:
        framing = self._options.framing
        match framing:
            case ModbusOptions():
                from edge_runtime.sources.modbus import Poller

                buses = buses or BusRegistry()
                return Poller(self._options, framing, buses, self._clock, self._wait_until)
            case LinesOptions() | BinaryOptions() | SlipOptions() | CobsOptions() | NmeaOptions():
                return SensorListener(self._options, self._closed)
            case _:
                assert_never(framing)

    def _open(self) -> None:
        self._link.open()
        now_s = self._clock.monotonic()
        self._silence.restart(now_s)
        self._quality.restart(now_s)
        self.notice = EMPTY

    def _read(self) -> Samples:
        while not self._blocks:
            self._check_open()
            runs, size = self._link.take()
            arrived = self._clock.now()
            self._blocks.extend(self._timeline.blocks(runs, size, arrived))
            quality = self._quality.notice(arrived.monotonic_s)
            self.notice = self._link.notice or quality
            if self._silence.is_broken(size, arrived.monotonic_s):
                raise PortError(self._name, self._silence.explain(self._link.cause()))
        return self._blocks.popleft()

    def _release(self) -> None:
        self._timeline.restart(unused=sum(len(block.values) for block in self._blocks))
        self._blocks.clear()
        self._link.close()


class SensorListener:
    """Takes what a sensor sends by itself, a chunk at a time."""

    def __init__(self, options: SerialOptions, closed: Event) -> None:
        self._options = options
        self._framing = framing_of(options.framing)
        self.rows = self._framing.rows
        self._closed = closed
        self._nap_s = nap_s(options)
        # A socket says that bytes wait, not how many: there the read itself gathers a block.
        self._is_socket = options.url.startswith("socket://")
        self._port: Any = None
        self._errors: LineErrors | None = None  # when the latest row came
        self._unread = b""  # the latest bytes since then
        self._is_flowing = False

    @property
    def notice(self) -> Text:
        return self._framing.notice

    def cause(self) -> Cause | None:
        kind, baud = self._options.framing.kind, self._options.baud
        return (
            another_protocol(self._unread, kind)
            or self._framing.cause()
            or self._counted()
            or another_setting(self._unread, kind, baud)
        )

    def _counted(self) -> Cause | None:
        now = line_errors(self._port)
        if now is None or self._errors is None or not self._unread:
            return None
        return counted(now.since(self._errors))

    def open(self) -> None:
        """Open the port, and forget what came from another one."""
        self._port = open_port(self._options, self._nap_s if self._is_socket else CLOSE_CHECK_S)
        self._framing.reset()
        self._restart_evidence()

    def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            close_port(port)

    def take(self) -> tuple[list[RowRun], int]:
        """Return the rows that came, and in how many bytes. Raises PortError: the port is gone."""
        try:
            data = self._gather() if self._is_socket else self._drain()
        except PORT_ERRORS as error:
            raise PortError(shown_url(self._options.url), lost(self._options.url, error)) from None
        runs = self._framing.feed(data)
        if runs:
            self._restart_evidence()
        else:
            self._unread = (self._unread + data)[-MOST_BYTES:]
        return runs, len(data)

    def _restart_evidence(self) -> None:
        self._unread = b""
        self._errors = line_errors(self._port)

    def _gather(self) -> bytes:
        return bytes(self._port.read(MAX_CHUNK_BYTES))

    def _drain(self) -> bytes:
        """Wait for the first byte, then let a block gather between reads."""
        if self._is_flowing:
            self._closed.wait(self._nap_s)
        data = bytes(self._port.read(self._port.in_waiting or 1))
        self._is_flowing = bool(data)
        while len(data) < MAX_CHUNK_BYTES and (waiting := self._port.in_waiting):
            data += self._port.read(waiting)
        return data


def nap_s(options: SerialOptions) -> float:
    """Return how long a block may gather before the kernel's buffer is half full."""
    wanted_s = SAMPLED_NAP_S if options.rate_hz else READING_NAP_S
    return max(MIN_NAP_S, min(wanted_s, SAFE_BYTES * options.byte_s))
