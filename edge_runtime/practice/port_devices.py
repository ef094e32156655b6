"""Devices on serial ports that are not there: each sends over a pty, found at a stable path.

A pty knows no speed of its own, but the kernel keeps the one that the reader sets: where it is not
the device's, what is sent arrives as garbage, as on a wire.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import select
import struct
import termios
import threading
import time
import tty
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge_runtime.framing.checks import CHECKS
from edge_runtime.practice.exercise import (
    GnssReceiver,
    LineSensor,
    MeterRegister,
    ModbusMeter,
    PortDevice,
    Waveform,
)

GARBAGE = random.Random(7)  # noqa: S311 - noise on a line
FIX_EVERY_S = 1.0
WAIT_S = 0.05


class PtyPort:
    """A pty whose reading side is found at `path`; what nobody takes is lost."""

    def __init__(self, path: Path, baud: int) -> None:
        self._path = path
        self._speed = getattr(termios, f"B{baud}")
        self._lock = threading.Lock()
        self._master = -1

    def plug(self) -> None:
        """Bring the device under its path; one that is plugged in stays."""
        with self._lock:
            if self._master >= 0:
                return
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._path.unlink(missing_ok=True)
            self._path.symlink_to(os.ttyname(slave))
            os.close(slave)
            self._master = master

    def unplug(self) -> None:
        """Take the device away, path and all."""
        with self._lock:
            if self._master >= 0:
                os.close(self._master)
                self._master = -1
            self._path.unlink(missing_ok=True)

    @property
    def has_right_speed(self) -> bool:
        """Whether the reader has set the device's speed."""
        try:
            return bool(termios.tcgetattr(self._master)[5] == self._speed)
        except termios.error:
            return False

    def write(self, data: bytes) -> None:
        """Send; at another speed than the reader's it arrives as garbage."""
        with self._lock, contextlib.suppress(OSError, termios.error):
            if self._master >= 0:
                sent = data if self.has_right_speed else GARBAGE.randbytes(len(data))
                os.write(self._master, sent)

    def read(self) -> bytes:
        """Return what was sent to the device, after a short wait."""
        with self._lock:
            master = self._master
            if master >= 0:
                with contextlib.suppress(OSError, ValueError):
                    if select.select([master], [], [], 0.0)[0]:
                        return os.read(master, 4096)
        time.sleep(0.005)
        return b""


class SimulatedDevice:
    """A device at work in a thread of its own, from `start` to `close`."""

    def __init__(self, options: PortDevice, folder: Path) -> None:
        self.port = PtyPort(folder / options.name, options.baud)
        self._options = options
        self._free_sky = isinstance(options, GnssReceiver) and options.has_fix
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin to send; without its cable nobody is there to hear it."""
        if self._options.plugged:
            self.port.plug()
        self._thread.start()

    def close(self) -> None:
        """End, and take the port away."""
        self._closed.set()
        self._thread.join()
        self.port.unplug()

    def free_sky(self) -> None:
        """Let a GNSS receiver see its satellites."""
        self._free_sky = True

    def _work(self) -> None:
        options = self._options
        if isinstance(options, LineSensor):
            self._every(options.every_s, partial(line_of, options))
        elif isinstance(options, GnssReceiver):
            self._every(FIX_EVERY_S, lambda t_s: sentences(options, t_s, self._free_sky))
        else:
            self._answer(options)

    def _every(self, every_s: float, make: Callable[[float], bytes]) -> None:
        start_s = time.monotonic()
        while not self._closed.wait(every_s):
            self.port.write(make(time.monotonic() - start_s))

    def _answer(self, meter: ModbusMeter) -> None:
        start_s, received, heard_s = time.monotonic(), b"", 0.0
        while not self._closed.is_set():
            now_s = time.monotonic()
            if received and now_s - heard_s > WAIT_S:
                received = b""  # a pause ends a frame
            if piece := self.port.read():
                received, heard_s = received + piece, now_s
            if len(received) >= 8:
                if self.port.has_right_speed:
                    self.port.write(answer_of(meter, received[:8], now_s - start_s))
                received = b""


def value_at(wave: Waveform, t_s: float) -> float:
    """Return a value at a moment."""
    mean, swing, period_s = wave
    return mean + swing * math.sin(2.0 * math.pi * t_s / period_s)


def line_of(sensor: LineSensor, t_s: float) -> bytes:
    """Return a sensor's line."""
    values = (f"{value_at(wave, t_s):.{sensor.digits}f}" for wave in sensor.values)
    cells = (value.replace(".", sensor.decimal) for value in values)
    return (sensor.separator.join(cells) + "\r\n").encode()


def sentences(receiver: GnssReceiver, t_s: float, free_sky: bool) -> bytes:
    """Return a second's RMC and GGA; without a fix their places are empty."""
    moment = time.gmtime()
    clock, day = time.strftime("%H%M%S.00", moment), time.strftime("%d%m%y", moment)
    if not free_sky:
        return sentence(f"GNRMC,{clock},V,,,,,,,{day},,,N") + sentence(
            f"GNGGA,{clock},,,,,0,02,99.99,,,,,,"
        )
    drift = math.sin(t_s / 20.0) * 0.0005
    north = degrees_minutes(receiver.latitude + drift, 2, "NS")
    east = degrees_minutes(receiver.longitude + drift, 3, "EW")
    return sentence(f"GNRMC,{clock},A,{north},{east},3.1,87.0,{day},,,A") + sentence(
        f"GNGGA,{clock},{north},{east},1,09,0.9,12.0,M,-28.0,M,,"
    )


def degrees_minutes(value: float, digits: int, letters: str) -> str:
    """Return an angle as NMEA has it: `2054.1234,N`."""
    whole, part = divmod(abs(value), 1.0)
    return f"{int(whole):0{digits}d}{part * 60.0:07.4f},{letters[value < 0]}"


def sentence(body: str) -> bytes:
    """Return an NMEA sentence with its checksum."""
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode()


def answer_of(meter: ModbusMeter, request: bytes, t_s: float) -> bytes:
    """Return a meter's answer to eight bytes; nothing where they are not for it."""
    body, sent_check = request[:6], request[6:]
    number, function, address, count = struct.unpack(">BBHH", body)
    if with_check(body)[6:] != sent_check or number != meter.device:
        return b""
    words = words_of(meter.registers, t_s)
    places = range(address, address + count)
    if function not in (3, 4) or any(place not in words for place in places):
        return with_check(bytes((number, function | 0x80, 2)))  # illegal data address
    data = struct.pack(f">{count}H", *(words[place] for place in places))
    return with_check(bytes((number, function, len(data))) + data)


def words_of(registers: tuple[MeterRegister, ...], t_s: float) -> dict[int, int]:
    """Return the words of a meter's registers by address."""
    words: dict[int, int] = {}
    for register in registers:
        value = value_at(register.value, t_s)
        if register.type == "uint16":
            words[register.address] = round(value) & 0xFFFF
            continue
        pair = struct.unpack(">2H", struct.pack(">f", value))
        first, second = reversed(pair) if register.low_word_first else pair
        words[register.address], words[register.address + 1] = first, second
    return words


def with_check(body: bytes) -> bytes:
    """Return a body with its CRC-16 of Modbus behind it."""
    return body + struct.pack("<H", CHECKS["crc16-modbus"][1](body))
