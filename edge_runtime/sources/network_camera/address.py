"""Where a network camera is, taken from its URL, and why nothing answers there."""

from __future__ import annotations

import errno
import socket
from urllib.parse import unquote, urlsplit

import msgspec

from edge_runtime.errors import SourceError, Text, because, row
from edge_runtime.urls import login_doubt, shown_url

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


class CameraAddress(msgspec.Struct, frozen=True):
    """A camera's URL in its parts, as FFmpeg reads it; `target` is path and query.

    `login` is `user:password`, decoded; empty: none. `authority` is host and port as written.
    """

    scheme: str
    host: str
    port: int
    authority: str
    target: str
    login: str = ""

    def __repr__(self) -> str:
        return f"CameraAddress({self.scheme}://{self.authority})"  # no login in a traceback

    @classmethod
    def of(cls, url: str) -> CameraAddress:
        """Take a URL apart that the configuration let through."""
        parts = urlsplit(url)
        login, _, authority = parts.netloc.rpartition("@")
        return cls(
            parts.scheme,
            parts.hostname or "",
            parts.port or PORTS[parts.scheme],
            authority,
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            unquote(login),
        )

    @property
    def is_encrypted(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.scheme in ("rtsps", "https")

    @property
    def is_rtsp(self) -> bool:
        """Whether it is spoken to in RTSP, and not in HTTP."""
        return self.scheme.startswith("rtsp")


def connect(address: CameraAddress, timeout_s: float) -> socket.socket:
    """Connect to a camera. Raises OSError."""
    try:
        return socket.create_connection((address.host, address.port), timeout=timeout_s)
    except UnicodeError:  # a name that DNS cannot hold
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None


def check_reachable(url: str, timeout_s: float) -> None:
    """Raise SourceError with the cause where nothing answers: FFmpeg would only say "no"."""
    try:
        connect(CameraAddress.of(url), timeout_s).close()
    except OSError as error:
        why = why_unreached(url, error, timeout_s)
        doubt = login_doubt(url)
        raise SourceError(why if doubt is None else row([why, doubt])) from None


def why_unreached(url: str, error: OSError, timeout_s: float) -> Text:
    """Say why nothing answers at a camera's address, and what to do."""
    camera = shown_url(url)
    if isinstance(error, socket.gaierror):
        return unknown_name(camera, error)
    if isinstance(error, TimeoutError):
        return Text(
            "{camera}: no answer within {seconds:g} s; check the camera's power and network cable, "
            "and that the address is its own",
            camera=camera,
            seconds=timeout_s,
        )
    match error.errno:
        case errno.ECONNREFUSED:
            return Text(
                "{camera}: refuses the connection: a machine is there, but nothing listens on that "
                "port; correct the port, or turn the camera's RTSP (HTTP) service on",
                camera=camera,
            )
        case errno.EHOSTUNREACH | errno.EHOSTDOWN:
            return Text(
                "{camera}: no route to it ({reason}): nobody answers for that address; check the "
                "camera's power and network cable, and its address",
                camera=camera,
                reason=because(error),
            )
        case errno.ENETUNREACH | errno.ENETDOWN | errno.EADDRNOTAVAIL:
            return Text(
                "{camera}: this board has no way into that network ({reason}); check the board's "
                "own network cable, Wi-Fi and address (`ip address`)",
                camera=camera,
                reason=because(error),
            )
    return Text(
        "{camera}: cannot be reached ({reason}); check host and port",
        camera=camera,
        reason=because(error),
    )


def unknown_name(camera: str, error: socket.gaierror) -> Text:
    """Say whether a name is not known, or nobody was there to be asked."""
    if error.errno == socket.EAI_AGAIN:
        return Text(
            "{camera}: the host name cannot be looked up: no name server answers; give the "
            "camera's address in place of its name, or correct the DNS",
            camera=camera,
        )
    return Text(
        "{camera}: the host name is not known; give the camera's address in place of its name, or "
        "correct it",
        camera=camera,
    )
