"""Faults that are planted on a serial line: doctor and health name them, in the same words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from edge_runtime.board.open_files import others_with
from edge_runtime.clock import SystemClock
from edge_runtime.doctor.serial_port import look_at
from edge_runtime.options import (
    BinaryOptions,
    ColumnOptions,
    FieldOptions,
    FramingOptions,
    LinesOptions,
    ModbusOptions,
    NmeaOptions,
    RegisterOptions,
    SerialOptions,
)
from edge_runtime.sources.ports import PortError
from edge_runtime.sources.serial_port import SerialSource
from support.owners import as_root
from support.serial_device import (
    ModbusLine,
    ModbusSlave,
    SerialDevice,
    repeating,
    sentence,
    with_crc,
)
from support.surroundings import surroundings
from support.uart import read_at

LINES = LinesOptions((ColumnOptions("level", "m"),))
NMEA = NmeaOptions()
FRAMES = BinaryOptions((FieldOptions("x"),), sync="aa55", check="crc16-xmodem")
MODBUS = ModbusOptions((RegisterOptions("v", address=0),), every_s=0.05, timeout_s=0.1)

Plant = Callable[[SerialDevice], AbstractContextManager[None]]


def sending(data: bytes) -> Plant:
    return lambda device: repeating(lambda _number: device.write(data), every_s=0.02)


def line_of(number: int, *, echoes: bool = False, spoil: bool = False) -> Plant:
    def plant(device: SerialDevice) -> AbstractContextManager[None]:
        slave = ModbusSlave(device, number)
        slave.words, slave.spoil = {(3, 0): 1}, spoil
        return repeating(ModbusLine(device, [slave], echoes=echoes).step)

    return plant


def refusing(device: SerialDevice) -> AbstractContextManager[None]:
    return repeating(ModbusLine(device, [ModbusSlave(device)]).step)


def busy(device: SerialDevice) -> AbstractContextManager[None]:
    slave = ModbusSlave(device)
    slave.answer = lambda function, _address, _count: bytes((function | 0x80, 6))  # type: ignore[method-assign]
    return repeating(ModbusLine(device, [slave]).step)


def talkative(device: SerialDevice) -> AbstractContextManager[None]:
    return repeating(lambda _number: device.write(sentence("GPGSV,1,1,00")) or device.read())


FAULTS: dict[str, tuple[FramingOptions, Plant, str]] = {
    "silence": (LINES, sending(b""), "nothing came for 0.6 s, not one byte"),
    "NMEA on a port of lines": (
        LINES, sending(sentence("GPGSV,1,1,00")), "NMEA sentences come (GPGSV)",
    ),
    "Modbus on a port of lines": (
        LINES, sending(with_crc(bytes((5, 3, 2, 0, 77)))), "Modbus RTU telegrams come (device 5)",
    ),
    "another baud": (
        LINES, sending(read_at(b"21.5\n22.5\n" * 4, 9600, 57_600)),
        "more slowly than baud = 115200",
    ),
    "JSON": (LINES, sending(b'{"level": 3}\n'), "lines of JSON come"),
    "a receiver without position": (
        NMEA, sending(sentence("GPRMC,,V,,,,,,,,,")), "but has no position",
    ),
    "a receiver of satellites alone": (
        NMEA, sending(sentence("GPGSV,1,1,00")), "sentences come (GPGSV), but none that gives",
    ),
    "no Modbus device": (MODBUS, line_of(9), "not one byte came back to"),
    "an echo": (MODBUS, line_of(9, echoes=True), "only our own requests come back (an echo"),
    "damaged answers": (MODBUS, line_of(1, spoil=True), "its answers are damaged"),
    "a register that is not there": (MODBUS, refusing, "exception 2 (illegal data address)"),
    "a busy device": (MODBUS, busy, "exception 6 (the device is busy)"),
    "another check": (
        FRAMES, sending(bytes.fromhex("aa55") + with_crc(bytes((7, 0)), "crc16-modbus")),
        "the frames bear the check crc16-modbus, not crc16-xmodem",
    ),
    "NMEA on a port of Modbus": (MODBUS, talkative, "NMEA sentences come (GPGSV)"),
}  # fmt: skip
QUICK = ("another baud", "an echo", "a busy device", "another check")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[SerialDevice]:
    with SerialDevice(tmp_path) as made:
        yield made


def read_on(source: SerialSource) -> None:
    while True:
        source.read()


@pytest.mark.parametrize(
    "fault",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in FAULTS],
)
def test_the_planted_fault_is_named(fault: str, tmp_path: Path, device: SerialDevice) -> None:
    framing, plant, what = FAULTS[fault]
    options = SerialOptions(url=str(device.path), framing=framing, stale_after_s=0.6)
    with plant(device):
        finding = look_at(surroundings(tmp_path, clock=SystemClock()), "serial/x", options)
        source = SerialSource(options, SystemClock())
        source.open()
        with pytest.raises(PortError) as told:
            read_on(source)
        source.close()
    cause = told.value.cause
    assert what in cause.what
    assert what in finding.text, finding.text
    assert (finding.state, finding.advice.lower()) == ("failed", f"{cause.advice}.".lower())
    assert str(told.value) == f"{device.path}: {cause.what}; {cause.advice}"


HOLDER = """
import fcntl, sys
held = open(sys.argv[1], "rb", 0)
fcntl.flock(held, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


CONTAINER = """
mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
exec python3 -c 'import os, sys; kept = [os.openpty() for _ in range(int(sys.argv[1]) + 1)]
print(flush=True); sys.stdin.read()' "$1"
"""


@as_root
def test_a_port_of_the_same_name_in_a_container_is_another_one(device: SerialDevice) -> None:
    number = device.path.resolve().name
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", CONTAINER, "sh", number],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as container:  # fmt: skip
        assert container.stdin is not None
        assert container.stdout is not None
        if container.stdout.readline() != b"\n":
            pytest.skip("no container with terminals of its own can be made here")
        assert others_with(device.path) == []
        container.stdin.close()


def test_who_holds_a_port_is_named_in_health_as_well(device: SerialDevice) -> None:
    source = SerialSource(SerialOptions(url=str(device.path), framing=LINES), SystemClock())
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, device.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(PortError, match=rf"another program holds it: .* \(pid {other.pid}\)"):
            source.open()
        assert other.stdin is not None
        other.stdin.close()
    source.open()
    source.close()
