"""A pair of UDP ports, as a camera that sends over UDP is told them."""

from __future__ import annotations

import contextlib
import socket
from types import TracebackType

from edge_runtime.clock import Clock
from edge_runtime.sources.network_camera.connection import Media

TRIES = 20
MAX_PACKETS = 2000


class RtpPorts:
    """An even port for RTP and the next one for RTCP (RFC 3550, 11). Raises OSError.

    A context manager.
    """

    def __init__(self, host: str) -> None:
        self._host = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0]
        for _ in range(TRIES):
            with contextlib.suppress(OSError):
                self._rtp, self._rtcp = self._pair()
                return
        raise OSError("no pair of UDP ports is free")

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        family = self._host[0]
        first = socket.socket(family, socket.SOCK_DGRAM)
        second = socket.socket(family, socket.SOCK_DGRAM)
        try:
            first.bind(("", 0))
            port = first.getsockname()[1]
            second.bind(("", port + 1 if port % 2 == 0 else port))  # an odd one is taken: again
        except OSError:
            first.close()
            second.close()
            raise
        return first, second

    def __enter__(self) -> RtpPorts:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._rtp.close()
        self._rtcp.close()

    @property
    def transport(self) -> str:
        """The value of a `Transport` header that names them."""
        port = self._rtp.getsockname()[1]
        return f"RTP/AVP;unicast;client_port={port}-{port + 1}"

    def listen(self, clock: Clock, seconds: float) -> Media:
        """Count the packets that come from the camera."""
        begun_s = clock.monotonic()
        packets = size_bytes = 0
        try:
            while packets < MAX_PACKETS and (left_s := begun_s + seconds - clock.monotonic()) > 0:
                self._rtp.settimeout(left_s)
                piece, sender = self._rtp.recvfrom(65536)
                if sender[0] == self._host[4][0]:
                    packets, size_bytes = packets + 1, size_bytes + len(piece)
        except OSError:
            pass  # the time is over
        return Media(packets, size_bytes, clock.monotonic() - begun_s)
