"""Hostile neighbours on real sockets: servers that are not what they claim to be."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.certificates import Pair


def server_context(identity: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


@dataclass
class Neighbour:
    """What a server saw: how often it was tried, and every byte sent past the handshake."""

    port: int
    came: int = 0
    heard: bytes = b""


@contextlib.contextmanager
def false_broker(identity: Pair | None, host: str = "127.0.0.1") -> Iterator[Neighbour]:
    """Run what takes connections with a certificate; without one it says nothing at all."""
    listener = socket.create_server((host, 0), backlog=256)
    seen = Neighbour(listener.getsockname()[1])
    context = server_context(identity) if identity is not None else None
    over = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = listener.accept()
                seen.came += 1
                threading.Thread(target=attend, args=(plain,), daemon=True).start()

    def attend(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            if context is None:
                over.wait(60)
                return
            with context.wrap_socket(plain, server_side=True) as sock:
                while piece := sock.recv(65_536):
                    seen.heard += piece

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield seen
    finally:
        over.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@dataclass
class FalseOffice:
    """An HTTPS server that answers by path, with whatever bytes it is told to send, in pieces."""

    port: int
    answers: dict[str, Callable[[bytes], bytes | Iterable[bytes]]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)  # path, Authorization


def http(body: bytes, *, status: str = "200 OK", length: int | None = None) -> bytes:
    """Return a whole answer, or one that claims another length than it has."""
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + body


@contextlib.contextmanager
def false_office(identity: Pair) -> Iterator[FalseOffice]:
    """Run an HTTPS server; a path without an answer is left hanging."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                super().handle()

        def do_GET(self) -> None:
            self.reply()

        def do_POST(self) -> None:
            self.reply()

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            office.requests.append((self.path, self.headers.get("Authorization", "")))
            answer = office.answers.get(self.path)
            if answer is None:
                over.wait(60)
            else:
                made = answer(body)
                for piece in (made,) if isinstance(made, bytes) else made:
                    self.wfile.write(piece)

        def log_message(self, *_arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_arguments: object) -> None:
            pass  # clients that go away are what is tested

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = server_context(identity).wrap_socket(server.socket, server_side=True)
    office = FalseOffice(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield office
    finally:
        over.set()
        server.shutdown()
        server.server_close()
