"""Serial sensors that are not there: a pty behind a stable path, what sensors send, a Modbus slave.

The pty behaves as a USB adapter does: bytes that nobody takes are lost, `unplug` makes reads fail
and takes the path away, `plug` brings another device under the same path.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from edge_runtime.framing.checks import CHECKS

SYNC = bytes.fromhex("aa55")


class SerialDevice:
    """A pty whose slave side is found at `path`, a link such as udev makes in by-id."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "usb-sensor-if00"
        self._lock = threading.Lock()
        self._master = -1
        self.plug()

    def plug(self) -> None:
        """Bring a new device under the stable path."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)
        with self._lock:
            self._master = master

    def unplug(self) -> None:
        """Take the device away, path and all."""
        with self._lock:
            if self._master >= 0:
                os.close(self._master)
                self._master = -1
                self.path.unlink()

    def write(self, data: bytes) -> None:
        """Send; what finds no room is lost, as on a wire."""
        with self._lock, contextlib.suppress(OSError):
            os.write(self._master, data)

    def read(self) -> bytes:
        """Return what was sent to the device, after a short wait; nothing where nobody has it."""
        with self._lock:
            master = self._master
        try:
            if not select.select([master], [], [], 0.01)[0]:
                return b""
            return os.read(master, 4096)
        except (OSError, ValueError):  # nobody has the port open, or it is unplugged
            threading.Event().wait(0.005)
            return b""

    def __enter__(self) -> SerialDevice:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.unplug()


@contextlib.contextmanager
def repeating(step: Callable[[int], None], every_s: float = 0.002) -> Iterator[None]:
    """Do a numbered step again and again in a thread, as a sensor that cannot be asked to wait."""
    stop = threading.Event()

    def run() -> None:
        number = 0
        while not stop.wait(every_s):
            step(number)
            number += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Line(Protocol):
    """What a slave hears and speaks through: a `SerialDevice`, or a gateway's connection."""

    def read(self) -> bytes: ...

    def write(self, data: bytes) -> None: ...


class ModbusSlave:
    """An RTU slave: `words` at (function, address).

    It misbehaves by `mute` and `spoil`, by `late_s`, which says how late each answer comes (the
    request's number, from 0), and by `before`, bytes that stand before each answer.
    """

    def __init__(self, device: Line, number: int = 1) -> None:
        self.words: dict[tuple[int, int], int] = {}
        self.requests: list[tuple[int, int, int]] = []
        self.mute = False
        self.spoil = False
        self.late_s: Callable[[int], float] = lambda _number: 0.0
        self.before = b""
        self._device = device
        self.number = number
        self._received = b""
        self._due: list[tuple[float, bytes]] = []

    def step(self, _number: int) -> None:
        """Answer what was asked, and what is due."""
        self.hear(self._device.read())
        self.send_due()

    def hear(self, data: bytes) -> None:
        """Take what came over the line."""
        self._received += data
        while len(self._received) >= 8:
            request, self._received = self._received[:8], self._received[8:]
            if request[0] == self.number:
                self._take(request)

    def send_due(self) -> None:
        """Send the answers whose time has come."""
        while self._due and self._due[0][0] <= time.monotonic():
            self._device.write(heapq.heappop(self._due)[1])

    def _take(self, request: bytes) -> None:
        function, address, count = struct.unpack(">BHH", request[1:6])
        late_s = self.late_s(len(self.requests))
        self.requests.append((function, address, count))
        if not self.mute:
            answer = with_crc(bytes((self.number,)) + self.answer(function, address, count))
            answer = self.before + (answer[:-1] + b"\0" if self.spoil else answer)
            heapq.heappush(self._due, (time.monotonic() + late_s, answer))

    def answer(self, function: int, address: int, count: int) -> bytes:
        """Return the PDU that answers a question; of functions 1 and 2 `words` are bits."""
        places = [(function, address + i) for i in range(count)]
        if any(place not in self.words for place in places):
            return bytes((function | 0x80, 2))  # illegal data address
        values = [self.words[place] for place in places]
        if function in (1, 2):
            packed = sum(bit << i for i, bit in enumerate(values))
            data = packed.to_bytes((count + 7) // 8, "little")
        else:
            data = struct.pack(f">{count}H", *values)
        return bytes((function, len(data))) + data


class ModbusLine:
    """Several slaves on one line. `echoes`: the adapter hears what it sends."""

    def __init__(
        self, device: Line, slaves: Sequence[ModbusSlave], *, echoes: bool = False
    ) -> None:
        self._device = device
        self._slaves = slaves
        self._echoes = echoes

    def step(self, _number: int) -> None:
        """Let every slave hear what is asked."""
        data = self._device.read()
        if self._echoes and data:
            self._device.write(data)
        for slave in self._slaves:
            slave.hear(data)
            slave.send_due()


def with_crc(body: bytes, check: str = "crc16-modbus", order: str = "<") -> bytes:
    """Return a body with its check behind it."""
    size, compute = CHECKS[check]
    return body + struct.pack(f"{order}{'H' if size == 2 else 'I'}", compute(body))


def frame(values: Sequence[int], *, check: str = "crc16-ccitt-false", head: bytes = b"") -> bytes:
    """Return sync, `head`, int16 values in little-endian order, check of all after the sync."""
    return SYNC + with_crc(head + struct.pack(f"<{len(values)}h", *values), check)


def slip(body: bytes) -> bytes:
    """Return a SLIP packet by RFC 1055, byte by byte."""
    stuffed = {0xC0: b"\xdb\xdc", 0xDB: b"\xdb\xdd"}
    return b"\xc0" + b"".join(stuffed.get(byte, bytes((byte,))) for byte in body) + b"\xc0"


def cobs(body: bytes) -> bytes:
    """Return a COBS packet by Cheshire and Baker, byte by byte."""
    out, block = bytearray(), bytearray()
    for byte in body:
        if byte:
            block.append(byte)
        if not byte or len(block) == 254:
            out += bytes((len(block) + 1,)) + block
            block.clear()
    return bytes(out + bytes((len(block) + 1,)) + block) + b"\0"


def sentence(body: str) -> bytes:
    """Return an NMEA sentence with its checksum."""
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode()
