"""A Modbus TCP server: a gateway with units behind it, on loopback."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support.serial_device import ModbusSlave

HEADER = struct.Struct(">HHHB")


class NoLine:
    """What a slave behind a gateway has in place of a line: the gateway asks it itself."""

    def read(self) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        raise NotImplementedError


class ModbusGateway:
    """Answers for its units; of one that is not there it says nothing.

    `late_s` says how late each answer comes (the request's number, from 0).
    `mute`: it says nothing.
    """

    def __init__(self, units: dict[int, dict[tuple[int, int], int]]) -> None:
        self.units = {number: ModbusSlave(NoLine(), number) for number in units}
        for number, words in units.items():
            self.units[number].words = words
        self.late_s: Callable[[int], float] = lambda _number: 0.0
        self.requests: list[int] = []  # by their unit
        self.mute = False
        self.connections = 0
        self.clients: list[socket.socket] = []
        self.url = ""

    def serve(self, client: socket.socket) -> None:
        """Answer one connection until it ends."""
        self.connections += 1
        self.clients.append(client)
        stream = client.makefile("rb")
        try:
            while len(head := stream.read(HEADER.size)) == HEADER.size:
                number, _, length, unit = HEADER.unpack(head)
                body = stream.read(length - 1)
                late_s = self.late_s(len(self.requests))
                self.requests.append(unit)
                if unit in self.units and not self.mute:
                    pdu = self.units[unit].answer(*struct.unpack(">BHH", body))
                    answer = HEADER.pack(number, 0, len(pdu) + 1, unit) + pdu
                    threading.Timer(late_s, send, (client, answer)).start()
        except OSError:
            return
        finally:
            client.close()


def send(client: socket.socket, data: bytes) -> None:
    """Send, where somebody is still there."""
    with contextlib.suppress(OSError):
        client.sendall(data)


@contextmanager
def modbus_gateway(units: dict[int, dict[tuple[int, int], int]]) -> Iterator[ModbusGateway]:
    """Run a gateway."""
    gateway = ModbusGateway(units)
    with socket.create_server(("127.0.0.1", 0)) as server:
        gateway.url = f"modbus-tcp://127.0.0.1:{server.getsockname()[1]}"

        def accept() -> None:
            while True:
                try:
                    client = server.accept()[0]
                except OSError:
                    return
                threading.Thread(target=gateway.serve, args=(client,), daemon=True).start()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield gateway
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for client in gateway.clients:
                client.close()
