"""A WebSocket's client side, byte by byte: what servers may send, what none may, and bounds."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edge_runtime.broker.endpoint import Endpoint, endpoint_of
from edge_runtime.broker.websocket import (
    MAX_UNSENT_BYTES,
    UpgradeError,
    WebSocketStream,
    request,
    upgrade,
)
from support.websocket_server import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    answer_to,
    frame,
    read_frame,
    read_request,
    serving,
)

LARGE = 70_000


def dialled(port: int, timeout_s: float = 5.0) -> WebSocketStream:
    sock = socket.create_connection(("127.0.0.1", port), timeout_s)
    try:
        upgrade(sock, Endpoint("127.0.0.1", port, False, "b", "/mqtt"), timeout_s)
    except BaseException:
        sock.close()
        raise
    stream = WebSocketStream(sock)
    stream.setblocking(False)
    return stream


@contextmanager
def upgraded(*sent: bytes, then: Callable[[socket.socket], None] = lambda _: None) -> Iterator[
    WebSocketStream
]:  # fmt: skip
    """Yield a stream whose server sends bytes, goes on with `then`, and closes."""

    def talk(sock: socket.socket) -> None:
        sock.sendall(answer_to(read_request(sock)))
        for one in sent:
            sock.sendall(one)
        then(sock)

    with serving(talk) as port:
        stream = dialled(port)
        try:
            yield stream
        finally:
            stream.close()


def received(stream: WebSocketStream, limit: int = 65_536) -> bytes:
    """Return all that comes until the end of the connection."""
    data = b""
    while True:
        select.select([stream], [], [], 10)
        try:
            more = stream.recv(limit)
        except BlockingIOError:
            continue
        if not more:
            return data
        data += more


@pytest.mark.parametrize("limit", [1, 3, 65_536])
def test_mqtt_comes_whole_however_it_is_framed(limit: int) -> None:
    frames = (
        frame(BINARY, b"ab"),
        frame(BINARY, b"c", last=False) + frame(PING, b"hey") + frame(CONTINUATION, b"d"),
        frame(BINARY, b"") + frame(PONG, b"unasked") + frame(BINARY, b"e" * 200),
        frame(BINARY, b"f" * LARGE),
    )
    with upgraded(*frames) as stream:
        assert received(stream, limit) == b"abcd" + b"e" * 200 + b"f" * LARGE


def test_frames_that_come_byte_by_byte() -> None:
    data = frame(BINARY, b"a" * 130) + frame(PING) + frame(BINARY, b"b")
    with upgraded(*(data[at : at + 1] for at in range(len(data)))) as stream:
        assert received(stream) == b"a" * 130 + b"b"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, LARGE])
def test_what_is_sent_is_one_masked_frame(size: int) -> None:
    got: list[tuple[int, bytes]] = []
    payload = bytes(at % 251 for at in range(size))
    with upgraded(then=lambda sock: got.append(read_frame(sock))) as stream:
        assert stream.send(payload) == size
        while stream.unsent:
            select.select([], [stream], [], 10)
            stream.flush()
        assert received(stream) == b""
    assert got == [(BINARY, payload)]


def test_a_ping_is_answered_and_leave_is_taken() -> None:
    got: list[tuple[int, bytes]] = []

    def then(sock: socket.socket) -> None:
        got.append(read_frame(sock))
        sock.sendall(frame(BINARY, b"x"))
        got.append(read_frame(sock))

    with upgraded(frame(PING, b"there?"), then=then) as stream:
        while True:
            select.select([stream], [], [], 10)
            try:
                assert stream.recv(10) == b"x"
                break
            except BlockingIOError:
                continue
        stream.close()
    assert got == [(PONG, b"there?"), (CLOSE, (1000).to_bytes(2, "big"))]


def test_a_server_that_takes_leave_ends_the_stream() -> None:
    with upgraded(frame(CLOSE, b"\x03\xe8"), frame(BINARY, b"never read")) as stream:
        assert received(stream) == b""


@pytest.mark.parametrize(
    "bad",
    [
        frame(TEXT, b"hello"),
        frame(11, b"x"),
        frame(PING, b"x" * 126),
        frame(PING, b"x", last=False),
        b"\xc2\x01x",  # an extension
        b"\x82\x81\0\0\0\0x",  # masked
    ],
)
def test_what_no_server_may_send_ends_the_stream(bad: bytes) -> None:
    with upgraded(bad) as stream, pytest.raises(ConnectionAbortedError):
        received(stream)


def test_a_frame_without_end_is_read_as_it_is_asked_for() -> None:
    with upgraded(frame(BINARY, b"z" * LARGE, length=1 << 62)) as stream:
        assert received(stream, 10) == b"z" * LARGE
        assert not stream._head
        assert not stream._control


def test_a_packet_waits_until_the_one_before_it_is_gone() -> None:
    got: list[int] = []

    def then(sock: socket.socket) -> None:
        for _ in range(2):
            got.append(len(read_frame(sock)[1]))

    size = 16 << 20  # more than any socket's buffer
    with upgraded(then=then) as stream:
        assert stream.send(bytes(size)) == size
        if stream.unsent:
            with pytest.raises(BlockingIOError):
                stream.send(b"x")
        while stream.unsent:
            select.select([], [stream], [], 10)
            stream.flush()
        assert stream.send(b"xy") == 2
        assert received(stream) == b""
    assert got == [size, 2]


def test_pongs_that_nobody_reads_are_bounded() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        stream = WebSocketStream(ours)
        pings = frame(PING, b"p" * 125) * 64

        def flood() -> None:
            while True:
                theirs.sendall(pings)
                with contextlib.suppress(BlockingIOError):
                    stream.recv(10)

        with pytest.raises(ConnectionAbortedError, match="reads nothing"):
            flood()
        assert stream.unsent < MAX_UNSENT_BYTES + 1000


# The upgrade


def refused(answer: Callable[[dict[str, str]], bytes], timeout_s: float = 5.0) -> str:
    def talk(sock: socket.socket) -> None:
        sock.sendall(answer(read_request(sock)))

    with serving(talk) as port, pytest.raises(UpgradeError) as raised:
        dialled(port, timeout_s)
    return str(raised.value)


def test_a_server_that_does_not_go_over_is_told_apart() -> None:
    not_found = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    assert "HTTP status 404" in refused(lambda _: not_found)
    assert "no WebSocket answer" in refused(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    assert "no WebSocket answer" in refused(lambda _: b"")
    assert "no WebSocket answer" in refused(lambda _: b"HTTP/1.1 101 \r\nx: " + b"y" * 10_000)
    assert "a false answer" in refused(lambda asked: answer_to(asked, key="another"))
    assert "does not carry MQTT" in refused(lambda asked: answer_to(asked, protocol="chat"))


def test_a_server_that_trickles_costs_a_bounded_time() -> None:
    def talk(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"H")

    with serving(talk) as port, pytest.raises((UpgradeError, TimeoutError)):
        dialled(port, 0.5)
    silent = serving(lambda sock: sock.recv(1 << 20) and sock.recv(1))
    with silent as port, pytest.raises(TimeoutError):
        dialled(port, 0.2)


@pytest.mark.parametrize(
    ("url", "path", "host"),
    [
        ("ws://b.example", "/mqtt", "b.example"),
        ("wss://b.example:443/", "/", "b.example"),
        ("wss://b.example:8084/a/b", "/a/b", "b.example:8084"),
        ("ws://[::1]:9001/mqtt", "/mqtt", "[::1]:9001"),
    ],
)
def test_a_request_names_the_place(url: str, path: str, host: str) -> None:
    lines = request(endpoint_of(url), b"key").decode().split("\r\n")
    assert lines[:2] == [f"GET {path} HTTP/1.1", f"Host: {host}"]
