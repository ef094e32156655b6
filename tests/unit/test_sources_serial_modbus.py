"""The serial source as a Modbus RTU master, against a slave on a pty that can misbehave."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.errors import SourceError
from edge_runtime.options import Modbus, Register, Serial
from edge_runtime.raw import Samples
from edge_runtime.sources.serial_port import SerialSource
from support.serial_device import ModbusSlave, SerialDevice, repeating

REGISTERS = (
    Register(name="voltage", unit="V", scale=0.1, address=0, type="uint16", table="input"),
    Register(name="power", unit="W", address=1, type="int32", table="input"),
    Register(name="frequency", unit="Hz", address=40, type="float32", words="low-first", max=70.0),
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
    device: SerialDevice, *, number: int = 7, silent_s: float = 10.0, timeout_s: float = 2.0
) -> SerialSource:
    framing = Modbus(registers=REGISTERS, device=number, every_s=0.02, timeout_s=timeout_s)
    options = Serial(url=str(device.path), framing=framing, baud=115_200, silent_s=silent_s)
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
        while not (block := take(source)).gap:
            pass
    source.close()
    assert block.values.tolist() == [pytest.approx([230.1, -70_000.0, 50.25])]
    assert source.tally.bad["checksum"] >= 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 70.5])
def test_a_value_out_of_its_range_is_refused(
    device: SerialDevice, slave: ModbusSlave, value: float
) -> None:
    set_frequency(slave, value)
    source = meter(device, silent_s=0.3)
    source.open()
    with pytest.raises(SourceError, match=r"nothing valid for 0\.3 s \(range \d+\)"):
        take(source)
    source.close()


def test_a_device_that_does_not_answer_is_said(device: SerialDevice, slave: ModbusSlave) -> None:
    source = meter(device, number=8, silent_s=0.3, timeout_s=0.1)
    source.open()
    with pytest.raises(SourceError, match=r"gave no answer for 0\.3 s; check device, baud, power"):
        take(source)
    source.close()
    assert len(slave.requests) >= 1


def test_a_register_that_is_not_there_is_said(device: SerialDevice, slave: ModbusSlave) -> None:
    del slave.words[3, 41]
    source = meter(device, silent_s=0.3, timeout_s=1.0)
    source.open()
    with pytest.raises(SourceError, match=r"refuses for 0\.3 s \(.*illegal data address"):
        take(source)
    source.close()
    assert source.tally.bad["refused"] >= 1


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
