"""What sensors on a serial line send, and the sources that read it: text, samples, registers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from edge_runtime.options import (
    BinaryOptions,
    ColumnOptions,
    FieldOptions,
    LinesOptions,
    ModbusOptions,
    RegisterOptions,
    SerialOptions,
)
from support.serial_device import ModbusSlave, SerialDevice, frame, repeating

LINES = LinesOptions(columns=(ColumnOptions("t", unit="Cel"), ColumnOptions("n")))
FRAMES = BinaryOptions(
    fields=(FieldOptions("x", unit="m/s2"), FieldOptions("n")),
    sync="aa55",
    check="crc16-ccitt-false",
)
RATE_HZ = 10_000.0


def line(number: int) -> bytes:
    """Return a temperature and a number."""
    return f"20.5,{number}\n".encode()


def frames(number: int) -> bytes:
    """Return twenty samples, 7 and a number that rises by one."""
    return b"".join(frame((7, (20 * number + i) % 30_000)) for i in range(20))


def lines_at(url: object, stale_after_s: float = 10.0) -> SerialOptions:
    return SerialOptions(url=str(url), framing=LINES, stale_after_s=stale_after_s)


def samples_at(url: object) -> SerialOptions:
    return SerialOptions(url=str(url), framing=FRAMES, rate_hz=RATE_HZ, baud=921_600)


def register_at(url: object, *, timeout_s: float = 2.0) -> SerialOptions:
    """Return a meter's one register, asked for every 20 ms."""
    framing = ModbusOptions(
        (RegisterOptions("level", address=0),), every_s=0.02, timeout_s=timeout_s
    )
    return SerialOptions(url=str(url), framing=framing, stale_after_s=1000.0)


@contextmanager
def metered(device: SerialDevice) -> Iterator[ModbusSlave]:
    """Run a meter with that register."""
    slave = ModbusSlave(device)
    slave.words = {(3, 0): 42}
    with repeating(slave.step):
        yield slave


@contextmanager
def served(send: bytes) -> Iterator[str]:
    """Serve a sensor's bytes over TCP again and again, as a serial server does."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        clients: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    clients.append(server.accept()[0])
                except OSError:
                    return

        def step(_number: int) -> None:
            for client in list(clients):
                try:
                    client.sendall(send)
                except OSError:
                    clients.remove(client)
                    client.close()

        def hang_up() -> None:
            for client in clients:
                client.close()

        thread = threading.Thread(target=accept)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown, socket.SHUT_RDWR)
        stack.callback(hang_up)
        stack.enter_context(repeating(step))
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
