"""Modbus devices that share a port: on a pty as on an RS-485 pair, and behind a gateway by TCP."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.clock import ManualClock, SystemClock
from edge_runtime.errors import SourceError
from edge_runtime.options import ModbusOptions, RegisterOptions, SerialOptions
from edge_runtime.raw import Samples
from edge_runtime.sources.bus_registry import BusRegistry
from edge_runtime.sources.modbus_bus import ModbusBus, slice_of
from edge_runtime.sources.serial_port import SerialSource
from support.modbus_tcp import modbus_gateway
from support.serial_device import ModbusLine, ModbusSlave, SerialDevice, repeating
from support.waiting import until

TIMEOUT_S = 0.1


@pytest.fixture
def device(tmp_path: Path) -> Iterator[SerialDevice]:
    with SerialDevice(tmp_path) as made:
        yield made


def asking(
    url: object,
    number: int,
    buses: BusRegistry,
    *,
    registers: int = 1,
    stale_after_s: float = 30.0,
    baud: int = 9600,
) -> SerialSource:
    """Return a source with so many registers, none of them neighbours."""
    return SerialSource(
        SerialOptions(
            url=str(url),
            framing=ModbusOptions(
                tuple(RegisterOptions(f"r{i}", address=10 * i) for i in range(registers)),
                device=number,
                every_s=0.02,
                timeout_s=TIMEOUT_S,
            ),
            baud=baud,
            stale_after_s=stale_after_s,
        ),
        SystemClock(),
        buses,
    )


def slaves(device: SerialDevice, *numbers: int) -> list[ModbusSlave]:
    """Return slaves whose register says their number."""
    made = [ModbusSlave(device, number) for number in numbers]
    for slave in made:
        slave.words = {(3, 10 * i): 100 * slave.number + i for i in range(3)}
    return made


def take(source: SerialSource) -> Samples:
    block = source.read()
    assert isinstance(block, Samples)
    return block


class Reading:
    """Reads a source in a thread of its own, as a stream does, until it is closed."""

    def __init__(self, source: SerialSource) -> None:
        self.source = source
        self.rows: list[list[float]] = []
        self.wrong = ""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.source.open()
            while True:
                self.rows += take(self.source).values.tolist()
        except SourceError as error:
            self.wrong = str(error)

    def stop(self) -> None:
        self.source.close()
        self._thread.join(30.0)
        assert not self._thread.is_alive()
        self.source.close()


@contextlib.contextmanager
def reading(*sources: SerialSource) -> Iterator[list[Reading]]:
    made = [Reading(source) for source in sources]
    try:
        yield made
    finally:
        for one in made:
            one.stop()


def test_devices_on_one_line_are_asked_in_turn_over_one_open_port(device: SerialDevice) -> None:
    buses = BusRegistry()
    line = ModbusLine(device, slaves(device, 1, 2, 3))
    sources = [asking(device.path, number, buses) for number in (1, 2, 3)]
    with repeating(line.step), reading(*sources) as found:
        until(lambda: all(len(one.rows) > 10 for one in found), "rows of all")
    for number, one in zip((1, 2, 3), found, strict=True):
        assert {row[0] for row in one.rows} == {100.0 * number}
        assert one.source.tally.bad == {}
    again = asking(device.path, 1, BusRegistry())
    again.open()  # the port was let go with the last of them
    again.close()


def test_devices_that_are_dead_leave_the_line_to_the_others(device: SerialDevice) -> None:
    buses = BusRegistry()
    line = ModbusLine(device, slaves(device, 1))
    dead = [asking(device.path, number, buses) for number in range(20, 24)]
    alive = asking(device.path, 1, buses, registers=3)
    with repeating(line.step), reading(alive, *dead) as (living, *others):
        until(lambda: len(living.rows) >= 30, "rows")
        until(lambda: all(one.source.tally.bad["unanswered"] > 1 for one in others), "all asked")
    assert {tuple(row) for row in living.rows} == {(100.0, 101.0, 102.0)}
    assert len(living.rows) >= sum(one.source.tally.bad["unanswered"] for one in others)


def test_a_late_answer_reaches_its_own_device_while_another_is_asked(device: SerialDevice) -> None:
    buses = BusRegistry()
    slow, quick = slaves(device, 1, 2)
    slow.late_s = lambda number: 1.6 * TIMEOUT_S if number % 3 == 1 else 0.0
    line = ModbusLine(device, [slow, quick])
    sources = [asking(device.path, number, buses, registers=2) for number in (1, 2)]
    with repeating(line.step), reading(*sources) as (late, other):
        until(lambda: late.source.tally.bad["late"] > 2 and len(other.rows) > 10, "late ones")
    for number, one in ((1, late), (2, other)):
        for row in one.rows:
            assert all(v != v or v == 100 * number + i for i, v in enumerate(row))
    assert "later than framing.timeout_s (0.1 s); raise it" in late.source.notice
    assert other.source.notice == ""


def test_a_line_that_is_unplugged_comes_back_for_all(device: SerialDevice) -> None:
    buses = BusRegistry()
    line = ModbusLine(device, slaves(device, 1, 2))
    sources = [asking(device.path, number, buses) for number in (1, 2)]
    with repeating(line.step):
        for _ in range(3):
            with reading(*sources) as found:
                until(lambda found=found: all(one.rows for one in found), "rows of both")
                device.unplug()
                until(lambda found=found: all(one.wrong for one in found), "both know")
            assert {"the port is gone" in one.wrong for one in found} == {True}
            device.plug()


def test_streams_that_want_the_port_otherwise_are_told(device: SerialDevice) -> None:
    buses = BusRegistry()
    first = asking(device.path, 1, buses)
    first.open()
    second = asking(device.path, 2, buses, baud=19_200)
    with pytest.raises(SourceError, match="another stream has it open with baud 9600, parity none"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_who_has_used_the_line_least_is_next() -> None:
    clock = ManualClock()
    options = asking("/dev/nothing", 1, BusRegistry())._options
    framing = options.framing
    assert isinstance(framing, ModbusOptions)
    bus = ModbusBus(options, slice_of(framing), clock)
    bus._port = object()
    greedy, modest = bus.join(options, framing), bus.join(options, framing)
    assert bus.take_turn(greedy, 0.0)
    clock.sleep(2.0)
    assert not bus.take_turn(modest, 0.0), "it is taken"
    assert bus.is_turn_over(greedy)
    bus.end_turn(greedy)
    assert not bus.take_turn(greedy, 0.0), "the other waits, and has used less"
    assert bus.take_turn(modest, 0.0)
    clock.sleep(1.0)
    bus.end_turn(modest)
    assert bus.take_turn(greedy, 0.0), "nobody else waits"


@pytest.mark.parametrize(
    ("echoes", "text"),
    [
        (True, "only our own requests come back (an echo of the adapter), and no answer"),
        (False, "not one byte came back to "),
    ],
)
def test_an_echo_is_told_from_silence(device: SerialDevice, echoes: bool, text: str) -> None:
    source = asking(device.path, 9, BusRegistry(), stale_after_s=0.5)
    line = ModbusLine(device, slaves(device, 1), echoes=echoes)
    with repeating(line.step):
        source.open()
        with pytest.raises(SourceError) as told:
            take(source)
        source.close()
    assert text in str(told.value)


def test_an_echo_before_each_answer_changes_nothing(device: SerialDevice) -> None:
    (slave,) = slaves(device, 1)
    # The telegram for 20 coils from address 0x0300 on is as long as its answer, and looks like it.
    slave.words |= {(1, 0x0300 + i): i % 2 for i in range(20)}
    coils = tuple(RegisterOptions(f"c{i}", address=0x0300 + i, table="coil") for i in range(20))
    options = SerialOptions(
        url=str(device.path), framing=ModbusOptions(coils, every_s=0.02, timeout_s=TIMEOUT_S)
    )
    source = SerialSource(options, SystemClock())
    with repeating(ModbusLine(device, [slave], echoes=True).step):
        source.open()
        assert take(source).values.tolist() == [[0.0, 1.0] * 10]
        source.close()
    assert slave.requests[0] == (1, 0x0300, 20)


def test_a_device_that_is_dead_beside_others_is_told_so(device: SerialDevice) -> None:
    buses = BusRegistry()
    line = ModbusLine(device, slaves(device, 1))
    sources = [asking(device.path, number, buses, stale_after_s=1.0) for number in (1, 7)]
    with repeating(line.step), reading(*sources) as (_, dead):
        until(lambda: dead.wrong, "given up")
    assert "no answer, while others on this line answer (device 1); check framing" in dead.wrong


def test_units_behind_a_gateway_share_one_connection() -> None:
    with modbus_gateway({1: {(3, 0): 11}, 255: {(3, 0): 12}}) as gateway:
        buses = BusRegistry()
        sources = [asking(gateway.url, number, buses) for number in (1, 255, 9)]
        with reading(*sources) as (one, other, dead):
            until(lambda: len(one.rows) > 10 and len(other.rows) > 10, "rows of both")
            until(lambda: dead.source.tally.bad["unanswered"] > 1, "the third was asked")
        assert gateway.connections == 1
    assert {row[0] for row in one.rows} == {11.0}
    assert {row[0] for row in other.rows} == {12.0}


def test_a_late_answer_by_tcp_is_nobodys() -> None:
    with modbus_gateway({1: {(3, 0): 11, (3, 10): 12}}) as gateway:
        gateway.late_s = lambda number: 1.3 * TIMEOUT_S if number % 4 == 1 else 0.0
        source = asking(gateway.url, 1, BusRegistry(), registers=2)
        with reading(source) as (found,):
            until(lambda: source.tally.bad["late"] > 2 and len(found.rows) > 5, "late ones")
    assert all(v != v or v == 11 + i for row in found.rows for i, v in enumerate(row))


def test_what_is_wrong_by_tcp_is_told() -> None:
    with modbus_gateway({1: {(3, 0): 11}}) as gateway:
        wrong_unit = asking(gateway.url, 9, BusRegistry(), stale_after_s=0.4)
        wrong_unit.open()
        with pytest.raises(SourceError, match=r"connected, but not one byte came back .*unit id"):
            take(wrong_unit)
        wrong_unit.close()
        refused = asking(gateway.url, 1, BusRegistry(), registers=2)
        refused.open()
        block = take(refused)
        assert block.missing == {"r1": "refused: exception 2 (illegal data address)"}
        gateway.clients[-1].close()
        refused.close()
    gone = asking(gateway.url, 1, BusRegistry())
    with pytest.raises(SourceError, match=r"cannot be opened \(Connection refused\)"):
        gone.open()
