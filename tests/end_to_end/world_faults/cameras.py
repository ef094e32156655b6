"""Cameras that refuse, are silent, or are none."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator

from support.broker import free_port
from support.http_camera import HttpCamera
from support.road import stream
from support.rtsp_camera import RtspCamera
from world_faults.fault import Fault, Plant, Planted, Site

ENCODED = "v=0\r\ns=y\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 {}/90000\r\na=control:t\r\n"
AUDIO = "v=0\r\ns=yard\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\na=control:track\r\n"
TIMEOUTS = "open_timeout_s = 2.0, read_timeout_s = 2.0"
DRIP_S = 0.5
VIDEO_MAJOR = 81


def camera(device: object) -> str:
    """Return a stream of a camera."""
    return stream("gate", f'{{ kind = "camera", device = "{device}", {TIMEOUTS} }}')


def rtsp(url: Callable[[RtspCamera], str] = lambda made: made.url, **traits: object) -> Plant:
    """Return what plants an RTSP camera with such traits."""

    @contextlib.contextmanager
    def plant(_site: Site) -> Iterator[Planted]:
        with RtspCamera() as made:
            for name, value in traits.items():
                setattr(made, name, value)
            yield Planted(camera(url(made)))

    return plant


@contextlib.contextmanager
def freezing(_site: Site) -> Iterator[Planted]:
    """Plant a camera that stops to send while its connection stands."""
    with RtspCamera() as made:
        yield Planted(camera(made.url), strike=made.stalled.set)


def http(path: str, login: str = "", *, asks: bool = False) -> Plant:
    """Return what plants a camera of HTTP that is asked for a path."""

    @contextlib.contextmanager
    def plant(_site: Site) -> Iterator[Planted]:
        with HttpCamera(login=asks) as made:
            yield Planted(camera(made.url(path, login)))

    return plant


def at(device: object, *, is_other_user: bool = False) -> Plant:
    """Return what plants nothing but the address of a camera."""

    @contextlib.contextmanager
    def plant(_site: Site) -> Iterator[Planted]:
        yield Planted(camera(device), is_other_user=is_other_user)

    return plant


@contextlib.contextmanager
def port_closed(_site: Site) -> Iterator[Planted]:
    """Plant a machine on which nothing listens."""
    yield Planted(camera(f"rtsp://127.0.0.1:{free_port()}/live"))


@contextlib.contextmanager
def host_silent(_site: Site) -> Iterator[Planted]:
    """Plant a host that answers no connection: its queue is full, and the kernel drops the rest."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield Planted(camera(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/live"))


@contextlib.contextmanager
def dripping(_site: Site) -> Iterator[Planted]:
    """Plant a camera whose answers come a byte at a time, too slowly for anybody."""
    ended = threading.Event()

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            for byte in b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n" * 100:
                client.sendall(bytes((byte,)))
                if ended.wait(DRIP_S):
                    return

    with served(serve) as port:
        try:
            yield Planted(camera(f"rtsp://127.0.0.1:{port}/live"))
        finally:
            ended.set()


@contextlib.contextmanager
def served(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve each connection in a thread of its own; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client = listener.accept()[0]
                    threading.Thread(target=serve, args=(client,), daemon=True).start()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def not_permitted(site: Site) -> Iterator[Planted]:
    """Plant a camera's node that is for root alone."""
    node = site.folder / "video9"
    os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(VIDEO_MAJOR, 9))
    yield Planted(camera(node), is_other_user=True)


LOGIN_REFUSED = "refuses the user name or the password (401)"
LOGIN_MISSING = "asks for user name and password (401), and the URL has none"
NO_PATH = "has no such path (404; asked for {path})"
NO_NAME = (
    "the host name cannot be looked up: no name server answers",
    "the host name is not known",
)
STARTS_AND_IS_SILENT = "lets itself be started, but sends nothing (0 packets in {seconds:.1f} s)"

CAMERA = ("camera/gate", "stream")
FAULTS = (
    Fault("RTSP: a wrong password", rtsp(login="digest", password="other"), *CAMERA,
          [LOGIN_REFUSED], is_quick=True),
    Fault("RTSP: no login where one is wanted", rtsp(
        lambda made: f"rtsp://127.0.0.1:{made.port}/live", login="basic"), *CAMERA,
        [LOGIN_MISSING]),
    Fault("RTSP: a wrong path", rtsp(statuses={"DESCRIBE": 404}), *CAMERA, [NO_PATH]),
    Fault("RTSP: UDP alone", rtsp(udp_only=True), *CAMERA,
          ['sends over UDP alone (461); write transport = "udp"']),
    Fault("RTSP: sound alone", rtsp(description=AUDIO), *CAMERA,
          ["has no video on this path (asked for {path}), only {media}"]),
    Fault("RTSP: a codec that nobody here decodes", rtsp(description=ENCODED.format("H266")),
          *CAMERA, ["sends {codec}, which cannot be decoded here"]),
    Fault("camera: a name that is nobody's", at("rtsp://no-such-camera.invalid/live"), *CAMERA,
          NO_NAME),
    Fault("camera: nothing listens on the port", port_closed, *CAMERA,
          ["refuses the connection: a machine is there, but nothing listens on that port"]),
    Fault("camera: the host is silent", host_silent, *CAMERA,
          ["no answer within {seconds:g} s; check the camera's power and network cable"]),
    Fault("RTSP: takes the connection and is silent", rtsp(silent=True), *CAMERA,
          ["takes the connection, but does not answer {method} within {seconds:g} s"]),
    Fault("RTSP: a web server", rtsp(page=True), *CAMERA,
          ["a web page answers there (HTTP), not RTSP"]),
    Fault("RTSP: answers drip", dripping, *CAMERA,
          ["takes the connection, but does not answer {method} within {seconds:g} s"]),
    Fault("RTSP: freezes", freezing, *CAMERA,
          ["it sent no picture for {seconds:g} s", STARTS_AND_IS_SILENT]),
    Fault("MJPEG: a page in place of pictures", http("/"), *CAMERA,
          ["a page answers there ({type}), no video"]),
    Fault("MJPEG: a wrong password", http("/stream", "guard:other@", asks=True), *CAMERA,
          [LOGIN_REFUSED]),
    Fault("MJPEG: a wrong path", http("/nothing"), *CAMERA, [NO_PATH]),
    Fault("MJPEG: single pictures", http("/snap.jpg"), *CAMERA,
          ["gives single pictures there ({type}), no stream"]),
    Fault("V4L2: no such camera", at("/dev/video63"), *CAMERA,
          ["no such camera; check its cable and power"]),
    Fault("V4L2: no camera", at("/dev/null"), *CAMERA, ["{path} is not a camera; {advice}"]),
    Fault("V4L2: not permitted", not_permitted, *CAMERA,
          ["permission denied; add the user to the group video and log in again"],
          doctor=["the user of the service may not open it"]),
)  # fmt: skip
