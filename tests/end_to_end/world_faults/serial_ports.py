"""Serial ports that are held, missing, or bring what cannot be read."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.serial_device import (
    ModbusLine,
    ModbusSlave,
    SerialDevice,
    frame,
    repeating,
    sentence,
    with_crc,
)
from support.uart import read_at
from world_faults.fault import Fault, Plant, Planted, Site

LINES = '{ kind = "lines", columns = [{ name = "level", unit = "m" }] }'
NMEA = '{ kind = "nmea" }'
MODBUS = """{ kind = "modbus", device = 1, every_s = 0.1, timeout_s = 0.2,
  registers = [{ name = "v", address = 0 }] }"""
FRAMES = """{ kind = "binary", sync = "aa55", check = "crc16-ccitt-false",
  fields = [{ name = "x" }, { name = "n" }] }"""

HOLDER = """
import fcntl, sys
held = open(sys.argv[1], "rb", 0)
fcntl.flock(held, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


def well(device: object, framing: str = LINES, baud: int = 57_600) -> str:
    """Return a stream of a sensor, which is lost after little more than a second."""
    return f"""
[[streams]]
name = "well"
source = {{ kind = "serial", url = "{device}", baud = {baud}, stale_after_s = 1.2, framing = \
{" ".join(framing.split())} }}
"""


def sending(data: bytes, framing: str = LINES) -> Plant:
    """Return what plants a sensor that sends the same again and again."""

    @contextlib.contextmanager
    def plant(site: Site) -> Iterator[Planted]:
        with (
            SerialDevice(site.folder) as device,
            repeating(lambda _number: device.write(data), every_s=0.02),
        ):
            yield Planted(well(device.path, framing))

    return plant


class RefusingSlave(ModbusSlave):
    """A slave that refuses every question with one code."""

    def __init__(self, device: SerialDevice, code: int) -> None:
        super().__init__(device)
        self._code = code

    def answer(self, function: int, address: int, count: int) -> bytes:
        return bytes((function | 0x80, self._code))


def meter(
    number: int = 1, *, code: int = 0, echoes: bool = False, spoil: bool = False, late_s: float = 0
) -> Plant:
    """Return what plants a Modbus device that has a number; `code`: with which it refuses."""

    @contextlib.contextmanager
    def plant(site: Site) -> Iterator[Planted]:
        with SerialDevice(site.folder) as device:
            slave = RefusingSlave(device, code) if code else ModbusSlave(device, number)
            slave.words, slave.spoil = {(3, 0): 7}, spoil
            slave.late_s = lambda _number: late_s
            with repeating(ModbusLine(device, [slave], echoes=echoes).step):
                yield Planted(well(device.path, MODBUS))

    return plant


@contextlib.contextmanager
def held(site: Site) -> Iterator[Planted]:
    """Plant another program that has the port."""
    with SerialDevice(site.folder) as device, holding(device.path) as other:
        yield Planted(well(device.path), holder=other.pid)


@contextlib.contextmanager
def holding(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have another process hold a port."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        try:
            yield other
        finally:
            other.stdin.close()


@contextlib.contextmanager
def no_such_port(site: Site) -> Iterator[Planted]:
    """Plant a path at which nothing is plugged in."""
    yield Planted(well(site.folder / "usb-sensor-if00"))


@contextlib.contextmanager
def not_permitted(site: Site) -> Iterator[Planted]:
    """Plant a port that is for root alone."""
    with SerialDevice(site.folder) as device:
        device.path.resolve().chmod(0o600)
        yield Planted(well(device.path), is_other_user=True)


@contextlib.contextmanager
def unplugged(site: Site) -> Iterator[Planted]:
    """Plant a probe that works until its plug is pulled."""
    with (
        SerialDevice(site.folder) as device,
        repeating(lambda _number: device.write(b"2.5\r\n"), every_s=0.02),
    ):
        yield Planted(well(device.path), strike=device.unplug)


def wrong_crc(site: Site) -> contextlib.AbstractContextManager[Planted]:
    """Plant a sensor whose frames bear another check than is configured."""
    body = struct.pack("<2h", 7, 8)
    return sending(bytes.fromhex("aa55") + with_crc(body, "crc16-modbus"), FRAMES)(site)


def damaged(site: Site) -> contextlib.AbstractContextManager[Planted]:
    """Plant a line on which a byte of each frame is damaged."""
    whole = bytearray(frame((7, 8)))
    whole[3] ^= 0x10
    return sending(bytes(whole), FRAMES)(site)


EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "the device failed",
    6: "the device is busy",
    11: "gateway: the device does not answer",
}
PORT = ("serial/well", "stream")
GONE = (
    "the port is gone: its adapter was unplugged, or lost its power",
    "no such port",
)
FAULTS = (
    Fault("port: another program has it", held, *PORT, ["another program holds it: {who}"],
          is_quick=True),
    Fault("port: nothing is plugged in", no_such_port, *PORT, ["no such port"]),
    Fault("port: not permitted", not_permitted, *PORT, ["permission denied for the user {user}"],
          doctor=["the user of the service may not open it"]),
    Fault("port: unplugged at work", unplugged, *PORT, GONE, is_quick=True),
    Fault("line: another baud", sending(read_at(b"21.5\n22.5\n" * 4, 9600, 57_600)), *PORT,
          ["the sensor sends more slowly than baud = {baud}"]),
    Fault("line: another protocol, NMEA", sending(sentence("GPGSV,1,1,00")), *PORT,
          ["NMEA sentences come ({names})"]),
    Fault("line: another protocol, Modbus", sending(with_crc(bytes((5, 3, 2, 0, 77)))), *PORT,
          ["Modbus RTU telegrams come (device {device})"]),
    Fault("line: nothing comes", sending(b""), *PORT,
          ["nothing came for {seconds:g} s, not one byte"]),
    Fault("line: sentences of another kind", sending(sentence("GPGSV,1,1,00"), NMEA), *PORT,
          ["sentences come ({names}), but none that gives {values}"]),
    Fault("line: another check", wrong_crc, *PORT,
          ["the frames bear the check {found}, not {wanted}"]),
    Fault("line: damaged frames", damaged, *PORT,
          ["nothing valid for {seconds:g} s ({found})"]),
    Fault("Modbus: an adapter that echoes", meter(9, echoes=True), *PORT,
          ["only our own requests come back (an echo of the adapter), and no answer"]),
    Fault("Modbus: another device number", meter(9), *PORT,
          ["not one byte came back to {count} requests"]),
    Fault("Modbus: late answers", meter(late_s=0.35), *PORT,
          ["later than framing.timeout_s ({timeout:g} s)"]),
    Fault("Modbus: damaged answers", meter(spoil=True), *PORT,
          ["the device answers, but its answers are damaged"]),
    *(
        Fault(f"Modbus: exception {code}", meter(code=code), *PORT, [meaning])
        for code, meaning in EXCEPTIONS.items()
    ),
)  # fmt: skip
