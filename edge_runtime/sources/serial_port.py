"""A sensor on a serial port: its bytes become rows, and rows become stamped blocks."""

from __future__ import annotations

import errno
import termios
from collections import deque
from threading import Event
from typing import Any, Protocol, assert_never

import serial

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, SourceError, Text, because, located
from edge_runtime.framing import framing_of
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
from edge_runtime.urls import shown_url, without_urls

# What pyserial lets through when a device goes: SerialException is an OSError, termios' own is not.
PORT_ERRORS = (OSError, termios.error)
PARITIES = {"none": "N", "even": "E", "odd": "O", "mark": "M", "space": "S"}

SAMPLED_NAP_S = 0.05
READING_NAP_S = 0.01
MIN_NAP_S = 0.005
WRITE_TIMEOUT_S = 2.0
SAFE_BYTES = 2048  # half of the kernel's line buffer: what exceeds it while we nap may be lost
MAX_CHUNK_BYTES = 65536


class RowReader(Protocol):
    """How rows are had over an open port: by listening, or by asking."""

    rows: RowBuffer
    port_timeout_s: float

    @property
    def said(self) -> Text:
        """Why the latest row had no value at all; empty where it had one, or none came."""
        ...

    @property
    def notice(self) -> Text:
        """What should be changed, though rows come; empty: nothing."""
        ...

    def attach(self, port: Any) -> None: ...

    def take(self) -> tuple[list[RowRun], int]: ...


class SerialSource(BaseSource[Samples]):
    """Blocks of rows as a sensor sends them; one that sends nothing valid for long is lost.

    `channels` and `units` name the columns; `tally` counts what was taken and refused.
    """

    def __init__(self, options: SerialOptions, clock: Clock) -> None:
        super().__init__()
        self._options = options
        self._clock = clock
        self._name = shown_url(options.url)
        self._link = self._make_link()
        rows = self._link.rows
        self.channels, self.units, self.tally = rows.names, rows.units, rows.tally
        self._timeline = Timeline(rows.names, options.rate_hz, options.byte_s)
        self._quality = Quality(rows.tally, options.rate_hz)
        self._silence = Silence(rows.tally, options.stale_after_s)
        self._blocks: deque[Samples] = deque()
        self._port: Any = None

    def _make_link(self) -> RowReader:
        framing = self._options.framing
        match framing:
            case ModbusOptions():
                from edge_runtime.sources.modbus import Poller

                return Poller(framing, self._options.byte_s, self._clock, self._wait_until)
            case LinesOptions() | BinaryOptions() | SlipOptions() | CobsOptions() | NmeaOptions():
                return SensorListener(self._options, self._closed)
            case _:
                assert_never(framing)

    def _open(self) -> None:
        self._port = open_port(self._options, self._link.port_timeout_s)
        try:
            self._link.attach(self._port)
        except (*PORT_ERRORS, ValueError) as error:  # RFC 2217: the server does not agree
            raise SourceError(lost(self._options.url, error)) from None
        now_s = self._clock.monotonic()
        self._silence.restart(now_s)
        self._quality.restart(now_s)
        self.notice = EMPTY

    def _read(self) -> Samples:
        while not self._blocks:
            self._check_open()
            try:
                runs, size = self._link.take()
            except PORT_ERRORS as error:
                raise SourceError(lost(self._name, error)) from None
            arrived = self._clock.now()
            self._blocks.extend(self._timeline.blocks(runs, size, arrived))
            quality = self._quality.notice(arrived.monotonic_s)
            self.notice = self._link.notice or quality
            if reason := self._silence.reason(size, arrived.monotonic_s, self._link.said):
                raise SourceError(located(self._name, reason))
        return self._blocks.popleft()

    def _release(self) -> None:
        self._timeline.restart(unused=sum(len(block.values) for block in self._blocks))
        self._blocks.clear()
        if self._port is not None:
            port, self._port = self._port, None
            close_port(port)


class SensorListener:
    """Takes what a sensor sends by itself, a chunk at a time."""

    notice: Text = EMPTY

    def __init__(self, options: SerialOptions, closed: Event) -> None:
        self._framing = framing_of(options.framing)
        self.rows = self._framing.rows
        self._closed = closed
        self._nap_s = nap_s(options)
        # A socket says that bytes wait, not how many: there the read itself gathers a block.
        self._is_socket = options.url.startswith("socket://")
        self.port_timeout_s = self._nap_s if self._is_socket else CLOSE_CHECK_S
        self._port: Any = None
        self._is_flowing = False

    @property
    def said(self) -> Text:
        return self.rows.said

    def attach(self, port: Any) -> None:
        """Use a port of pyserial's, and forget what came from another one."""
        self._port = port
        self._framing.reset()

    def take(self) -> tuple[list[RowRun], int]:
        """Return the rows that came, and in how many bytes. Raises OSError: the port is gone."""
        data = self._gather() if self._is_socket else self._drain()
        return self._framing.feed(data), len(data)

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


def open_port(options: SerialOptions, timeout_s: float) -> Any:
    """Open a port of pyserial's, for us alone. Raises SourceError with what to do."""
    try:
        return serial.serial_for_url(
            options.url,
            baudrate=options.baud,
            bytesize=options.bytesize,
            parity=PARITIES[options.parity],
            stopbits=options.stopbits,
            timeout=timeout_s,
            # pyserial's RFC 2217 client refuses one; its writes end with the connection.
            write_timeout=None if options.url.startswith("rfc2217://") else WRITE_TIMEOUT_S,
            exclusive=True,
        )
    except (*PORT_ERRORS, ValueError) as error:
        raise SourceError(cannot_open(shown_url(options.url), error)) from None


def close_port(port: Any) -> None:
    """Close a port; one that is gone already may say so."""
    try:
        port.close()
    except PORT_ERRORS:
        return


def cannot_open(url: str, error: Exception) -> Text:
    """Say why a port did not open, and what to do; `url` as it may be shown."""
    match getattr(error, "errno", None):
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return Text(
                "{url}: no such port; plug the adapter in, or see `ls /dev/serial/by-id`", url=url
            )
        case errno.EACCES | errno.EPERM:
            return Text("{url}: permission denied; add the user to the group dialout", url=url)
        case errno.EAGAIN | errno.EBUSY:
            return Text(
                "{url}: another program holds it (`fuser -v {url}`); stop that program", url=url
            )
    if "Inappropriate ioctl" in str(error):
        return Text("{url}: not a serial port; name one from `ls /dev/serial/by-id`", url=url)
    return Text(
        "{url}: cannot be opened ({reason}); check url, baud and parity",
        url=url,
        reason=why_unopened(error),
    )


def why_unopened(error: Exception) -> Text:
    """Return what the system said. Of pyserial's own texts many repeat what stands in the URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, serial.SerialException):
            return because(cause)
        cause = cause.__context__
    return Text("pyserial does not take it")


def lost(url: str, error: Exception) -> Text:
    """Say that a port went away, and what to do; `url` as it may be shown."""
    return Text(
        "{url}: the port is gone ({reason}); check its plug and cable (a path under "
        "/dev/serial/by-id stays the same when it is plugged in again)",
        url=url,
        reason=without_urls(str(error)),
    )
