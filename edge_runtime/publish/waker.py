"""Wakes a thread that waits on sockets."""

from __future__ import annotations

import contextlib
import select
import socket


class Waker:
    """A socket pair: any thread calls `wake`, one thread waits.

    Sockets rather than a pipe: a `wake` that comes after `close` meets a closed object, never a
    file descriptor that has meanwhile become somebody else's.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def wake(self) -> None:
        """End the present wait, or the next one. Never blocks, never raises."""
        with contextlib.suppress(OSError):  # full: it wakes already; closed: nobody waits
            self._writer.send(b"\0")

    def wait(self, sock: socket.socket, timeout_s: float, *, write: bool) -> int:
        """Wait for the socket or for `wake`; return the socket's poll events."""
        poller = select.poll()
        poller.register(self._reader, select.POLLIN)
        poller.register(sock, select.POLLIN | (select.POLLOUT if write else 0))
        ready = dict(poller.poll(max(0.0, timeout_s) * 1000.0))
        if ready.pop(self._reader.fileno(), 0):
            with contextlib.suppress(BlockingIOError):
                while self._reader.recv(4096):
                    pass
        return sum(ready.values())

    def close(self) -> None:
        """Give the sockets back."""
        self._reader.close()
        self._writer.close()
