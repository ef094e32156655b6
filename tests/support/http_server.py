"""A real HTTP server on loopback that can ignore Range, cut bodies and answer errors."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Publisher:
    """What is served and how badly; `requests` holds each request's Range and bytes served."""

    body: bytes
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)  # one a request: bytes until the line drops
    statuses: list[int] = field(default_factory=list)  # one a request, before anything is served
    range_shift: int = 0  # a part is sent from so many bytes beside the one asked for
    claims_bytes: int | None = None
    states_length: bool = True
    url: str = ""
    requests: list[tuple[str | None, int]] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    hold: threading.Event | None = None  # after a cut's bytes: wait for it instead of dropping


class Handler(BaseHTTPRequestHandler):
    publisher: Publisher

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        publisher = self.publisher
        if publisher.statuses:
            publisher.requests.append((asked, 0))
            self.send_response(publisher.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self._start_of(asked)
        if start is None:
            return
        rest = publisher.body[start:]
        cut = publisher.cuts.pop(0) if publisher.cuts else len(rest)
        publisher.requests.append((asked, min(cut, len(rest))))
        self.wfile.write(rest[:cut])
        self.wfile.flush()
        if cut < len(rest) and publisher.hold is not None:
            publisher.hold.wait()

    def _start_of(self, asked: str | None) -> int | None:
        """Send the head and return where the body begins; None where none follows."""
        publisher = self.publisher
        size = len(publisher.body)
        start = 0
        if asked and publisher.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])  # type: ignore[index]
            if start >= size:
                publisher.requests.append((asked, 0))
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.end_headers()
                return None
            start += publisher.range_shift
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        if publisher.states_length:
            self.send_header("Content-Length", str(publisher.claims_bytes or size - start))
        self.end_headers()
        return start

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving(publisher: Publisher) -> Iterator[Publisher]:
    """Serve until the end of the block; `publisher.url` is the folder's URL."""
    handler = type("Bound", (Handler,), {"publisher": publisher})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    scheme = "http"
    if publisher.tls is not None:
        scheme = "https"
        server.socket = publisher.tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    publisher.url = f"{scheme}://127.0.0.1:{server.server_port}"
    try:
        yield publisher
    finally:
        if publisher.hold is not None:
            publisher.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
