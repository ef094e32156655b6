"""A TCP proxy between client and broker: counts, keeps, swallows and cuts what passes."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque


class Proxied:
    """One connection through the proxy, with what the client and the broker have sent."""

    def __init__(self, client: socket.socket, broker: socket.socket) -> None:
        self.client = client
        self.broker = broker
        self.from_client = bytearray()
        self.from_broker = bytearray()

    def close(self) -> None:
        for sock in (self.client, self.broker):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Proxy:
    """Listens on a loopback port (0: a free one) and forwards to `target_port`.

    `swallow`: connections stay open and nothing passes any more (a half-open link).
    `cut`: every present connection is closed. `delay_s`: each piece is so long on its way.
    Use as a context manager.
    """

    def __init__(self, target_port: int, port: int = 0) -> None:
        self.target_port = target_port
        self.delay_s = 0.0
        self.connections: list[Proxied] = []
        self._forwards = threading.Event()
        self._forwards.set()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self._spawn(self._accept)

    def swallow(self) -> None:
        """Let bytes of the present connections vanish from now on."""
        self._forwards.clear()

    def forward(self) -> None:
        """Let bytes of new connections pass again; the present ones are cut."""
        self.cut()
        self._forwards.set()

    def cut(self) -> None:
        """Close every present connection."""
        for connection in self.connections:
            connection.close()

    def close(self) -> None:
        """End the proxy and its threads."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self.target_port), timeout=10)
            except OSError:
                client.close()
                continue
            broker.settimeout(None)
            connection = Proxied(client, broker)
            self.connections.append(connection)
            self._spawn(self._pump, client, broker, connection.from_client, connection)
            self._spawn(self._pump, broker, client, connection.from_broker, connection)

    def _pump(
        self, source: socket.socket, sink: socket.socket, seen: bytearray, connection: Proxied
    ) -> None:
        late: deque[tuple[float, bytes]] = deque()
        with source, contextlib.suppress(OSError, ValueError):  # closed by another thread
            while True:
                wait_s = max(0.0, late[0][0] - time.monotonic()) if late else None
                if select.select([source], [], [], wait_s)[0]:
                    data = source.recv(65_536)
                    seen += data
                    if not data:
                        break
                    if self._forwards.is_set():
                        late.append((time.monotonic() + self.delay_s, data))
                while late and late[0][0] <= time.monotonic():
                    sink.sendall(late.popleft()[1])
        connection.close()

    def _spawn(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
