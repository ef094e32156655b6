"""The serial source as a Modbus RTU master, against a slave on a pty that can misbehave."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import serial
from serial import rfc2217

from edge_runtime.clock import SystemClock
from edge_runtime.errors import SourceError
from edge_runtime.framing import poll
from edge_runtime.options import ModbusOptions, RegisterOptions, SerialOptions
from edge_runtime.raw import Samples
from edge_runtime.sources.serial_port import SerialSource
from support.serial_device import Line, ModbusSlave, SerialDevice, repeating, with_crc
from support.waiting import until

REGISTERS = (
    RegisterOptions(name="voltage", unit="V", scale=0.1, address=0, type="uint16", table="input"),
    RegisterOptions(name="power", unit="W", address=1, type="int32", table="input"),
    RegisterOptions(
        name="frequency", unit="Hz", address=40, type="float32", byte_order="CDAB", max=70.0
    ),
)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[SerialDevice]:
    with SerialDevice(tmp_path) as made:
        yield made


@pytest.fixture
def slave(device: SerialDevice) -> Iterator[ModbusSlave]:
    """Return a meter that shows 230.1 V, -70000 W, 50.25 Hz."""
    made = ModbusSlave(device, number=7)
    high, low = struct.unpack(">HH", struct.pack(">i", -70_000))
    made.words = {(4, 0): 2301, (4, 1): high, (4, 2): low}
    set_frequency(made, 50.25)
    with repeating(made.step):
        yield made


def set_frequency(slave: ModbusSlave, value: float) -> None:
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    slave.words |= {(3, 40): low, (3, 41): high}


def meter(
    device: SerialDevice, *, number: int = 7, stale_after_s: float = 10.0, timeout_s: float = 0.3
) -> SerialSource:
    framing = ModbusOptions(registers=REGISTERS, device=number, every_s=0.02, timeout_s=timeout_s)
    options = SerialOptions(
        url=str(device.path), framing=framing, baud=115_200, stale_after_s=stale_after_s
    )
    return SerialSource(options, SystemClock())


def take(source: SerialSource) -> Samples:
    block = source.read()
    assert isinstance(block, Samples)
    return block


def take_on(source: SerialSource) -> None:
    while True:
        take(source)


def test_registers_are_polled_together_and_scaled(device: SerialDevice, slave: ModbusSlave) -> None:
    source = meter(device)
    source.open()
    first, second = take(source), take(source)
    source.close()
    assert source.channels == ("voltage", "power", "frequency")
    assert source.units == ("V", "W", "Hz")
    for block in (first, second):
        assert block.values.tolist() == [pytest.approx([230.1, -70_000.0, 50.25])]
    assert (first.index, second.index) == (0, 1)
    assert first.stamp.monotonic_s < second.stamp.monotonic_s
    assert slave.requests[:2] == [(3, 40, 2), (4, 0, 3)]
    assert source.tally.bad == {}


def test_an_answer_that_is_spoilt_is_counted_and_the_next_one_taken(
    device: SerialDevice, slave: ModbusSlave
) -> None:
    source = meter(device)
    source.open()
    take(source)
    slave.spoil = True
    asked = len(slave.requests)

    def mend(_number: int) -> None:
        slave.spoil = len(slave.requests) < asked + 3

    with repeating(mend):
        while not take(source).gap:
            pass
    while (block := take(source)).missing:
        pass
    source.close()
    assert block.values.tolist() == [pytest.approx([230.1, -70_000.0, 50.25])]
    assert source.tally.bad["checksum"] >= 1


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "not a number"), (float("inf"), "inf is more than max (70)"),
        (70.5, "70.5 is more than max (70)"),
    ],
)  # fmt: skip
def test_a_value_out_of_its_range_is_missing(
    device: SerialDevice, slave: ModbusSlave, value: float, why: str
) -> None:
    set_frequency(slave, value)
    source = meter(device)
    source.open()
    block = take(source)
    source.close()
    assert block.values[0, :2].tolist() == pytest.approx([230.1, -70_000.0])
    assert block.missing == {"frequency": why}


def test_a_device_that_does_not_answer_is_said(device: SerialDevice, slave: ModbusSlave) -> None:
    source = meter(device, number=8, stale_after_s=1.0, timeout_s=0.1)
    source.open()
    with pytest.raises(SourceError, match=r"for 1 s: not one byte came back to \d requests; check"):
        take(source)
    source.close()
    assert slave.requests == []


def test_a_register_that_is_not_there_costs_its_own_value_alone_and_comes_back(
    device: SerialDevice, slave: ModbusSlave, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll, "REFUSED_AGAIN_S", 0.1)
    low = slave.words.pop((3, 41))
    source = meter(device)
    source.open()
    block = take(source)
    assert block.values[0, :2].tolist() == pytest.approx([230.1, -70_000.0])
    assert block.missing == {"frequency": "refused: exception 2 (illegal data address)"}
    slave.words[3, 41] = low
    while (block := take(source)).missing:
        pass
    source.close()
    assert block.values.tolist() == [pytest.approx([230.1, -70_000.0, 50.25])]
    assert source.tally.bad == {}


def test_a_device_without_any_of_the_registers_is_said(
    device: SerialDevice, slave: ModbusSlave
) -> None:
    slave.words = {}
    source = meter(device, stale_after_s=1.0)
    source.open()
    text = r"nothing valid for 1 s: the device refused: exception 2 .*; check the registers' table"
    with pytest.raises(SourceError, match=text):
        take(source)
    source.close()
    assert source.tally.bad["refused"] >= 1


# Answers that come late: two registers, told apart by nothing but their address

TWO = (
    RegisterOptions(name="voltage", address=0, scale=0.1),
    RegisterOptions(name="current", address=100),
)
TIMEOUT_S = 0.05


def two(url: object, *, stale_after_s: float = 60.0, device: int = 1) -> SerialSource:
    framing = ModbusOptions(registers=TWO, device=device, every_s=0.01, timeout_s=TIMEOUT_S)
    return SerialSource(
        SerialOptions(url=str(url), framing=framing, stale_after_s=stale_after_s), SystemClock()
    )


def rows_until(source: SerialSource, enough: Callable[[int], bool]) -> list[list[float]]:
    """Take rows until there are enough of them that have both values."""
    found: list[list[float]] = []
    while not enough(len([row for row in found if not np.isnan(row).any()])):
        found += take(source).values.tolist()
    return found


def assert_not_exchanged(rows: list[list[float]]) -> None:
    for voltage, current in rows:
        assert np.isnan(voltage) or voltage == pytest.approx(230.1)
        assert np.isnan(current) or current == 5.0


def late_slave(line: Line) -> ModbusSlave:
    made = ModbusSlave(line)
    made.words = {(3, 0): 2301, (3, 100): 5}
    return made


@pytest.mark.parametrize("late", [1.5, 2.9, 3.2, 8.0])
def test_an_answer_that_is_late_now_and_then_goes_to_no_other_register(
    device: SerialDevice, late: float
) -> None:
    slave = late_slave(device)
    slave.late_s = lambda number: late * TIMEOUT_S if number % 7 == 3 else 0.0
    slave.before = with_crc(bytes((9, 3, 2, 0, 77)))  # another device's answer
    source = two(device.path)
    source.open()
    with repeating(slave.step):
        rows = rows_until(source, lambda whole: whole > 10 and source.tally.bad["late"] > 2)
    source.close()
    assert_not_exchanged(rows)
    assert "later than framing.timeout_s (0.05 s); raise it" in source.notice


def test_a_device_that_is_always_late_is_told_how_late(device: SerialDevice) -> None:
    slave = late_slave(device)
    slave.late_s = lambda _number: 2.0 * TIMEOUT_S
    source = two(device.path, stale_after_s=1.0)
    source.open()
    text = r"answers come up to 0\.1\d* s after the question, later than framing\.timeout_s"
    with repeating(slave.step), pytest.raises(SourceError, match=text):
        take(source)
    source.close()


class Gateway:
    """A serial server's connection: what a slave behind it hears, and what it says."""

    def __init__(self, client: socket.socket) -> None:
        client.setblocking(False)
        self._client = client

    def read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return self._client.recv(4096)
        return b""

    def write(self, data: bytes) -> None:
        self._client.sendall(data)


class Rfc2217Gateway(Gateway):
    """The same by RFC 2217, which negotiates the port's settings in the same stream."""

    def __init__(self, client: socket.socket) -> None:
        super().__init__(client)
        port = serial.serial_for_url("loop://", timeout=0.1)
        self._negotiation = rfc2217.PortManager(port, self)

    def read(self) -> bytes:
        return b"".join(self._negotiation.filter(super().read()))


# pyserial 3.5 starts its RFC 2217 reader with `Thread.setDaemon` and `setName`.
@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
def test_a_gateway_by_rfc_2217_is_asked_as_any_other() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = two(f"rfc2217://127.0.0.1:{server.getsockname()[1]}")
        stop = threading.Event()

        def serve() -> None:
            client = server.accept()[0]
            slave = late_slave(Rfc2217Gateway(client))
            slave.late_s = lambda number: 1.7 * TIMEOUT_S if number % 5 == 2 else 0.0
            with client, contextlib.suppress(ConnectionError):
                while not stop.wait(0.002):
                    slave.step(0)

        thread = threading.Thread(target=serve)
        thread.start()
        source.open()
        assert_not_exchanged(rows_until(source, lambda whole: whole > 4))
        source.close()
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def test_what_a_gateway_still_holds_of_another_connection_is_nobodys_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = two(f"socket://127.0.0.1:{server.getsockname()[1]}")
        for _ in range(3):
            source.open()
            client = server.accept()[0]
            slave = late_slave(Gateway(client))
            slave.late_s = lambda number: 1.7 * TIMEOUT_S if number % 5 == 2 else 0.0
            with client, repeating(slave.step):
                client.sendall(with_crc(bytes((1, 3, 2, 0, 5))) * 3)  # it was asked by another
                assert_not_exchanged(rows_until(source, lambda whole: whole > 4))
                source.close()


def test_the_answer_to_a_daemon_that_was_killed_is_not_its_successors(
    device: SerialDevice,
) -> None:
    slave = late_slave(device)
    slave.late_s = lambda number: 1.5 * TIMEOUT_S if number == 0 else 0.0
    killed = os.open(device.path, os.O_RDWR | os.O_NOCTTY)
    with repeating(slave.step):
        os.write(killed, with_crc(bytes((1, 3, 0, 100, 0, 1))))
        until(lambda: slave.requests, "asked")
        source = two(device.path)
        source.open()
        os.close(killed)
        assert_not_exchanged(rows_until(source, lambda whole: whole > 2))
        source.close()


def test_a_meter_may_be_unplugged_and_plugged_in_again(
    device: SerialDevice, slave: ModbusSlave
) -> None:
    source = meter(device)
    for turn in range(5):
        source.open()
        assert take(source).gap == (turn > 0)
        device.unplug()
        with pytest.raises(SourceError, match="the port is gone"):
            take_on(source)
        source.close()
        device.plug()
