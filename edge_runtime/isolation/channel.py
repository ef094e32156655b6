"""Messages between two processes of one daemon, with file descriptors where they are needed."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket

from edge_runtime.errors import EdgeError

MAX_MESSAGE_BYTES = 128 * 1024  # below the kernel's default for one packet on a local socket
MAX_DESCRIPTORS = 4


class ChannelClosedError(EdgeError):
    """The other process has closed its end, or has ended."""


class Channel:
    """One end of a local SEQPACKET socket: whole messages, in order, none lost.

    One thread sends and one receives, which may be two; `close` may come from any.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        end.setblocking(False)

    @classmethod
    def pair(cls) -> tuple[Channel, socket.socket]:
        """Return our end and the one to hand to the other process."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), theirs

    def send(self, message: bytes, descriptors: tuple[int, ...] = ()) -> None:
        """Send a message of at most MAX_MESSAGE_BYTES; wait while the other end's queue is full.

        Raises ChannelClosedError.
        """
        while True:
            try:
                socket.send_fds(self._socket, [message], list(descriptors))
            except BlockingIOError:
                self._wait(select.POLLOUT, None)
            except OSError as error:
                raise ChannelClosedError("the other process is gone") from error
            else:
                return

    def post(self, message: bytes) -> None:
        """Send a few bytes without waiting, from any thread, even amid another call of it.

        They are lost where the other process is gone, which `receive` tells.
        """
        with contextlib.suppress(OSError):
            self._socket.send(message)

    def receive(self, timeout_s: float | None = None) -> tuple[bytes, tuple[int, ...]] | None:
        """Wait for a message and the descriptors that came with it, which are the caller's then.

        None: nothing came in time. Raises ChannelClosedError where nothing will come any more.
        """
        while self._wait(select.POLLIN, timeout_s):
            try:
                message, descriptors, _flags, _address = socket.recv_fds(
                    self._socket, MAX_MESSAGE_BYTES, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                continue  # another thread of this end was quicker
            except OSError as error:
                raise ChannelClosedError("the other process is gone") from error
            if not message:
                raise ChannelClosedError("the other process is gone")
            return message, tuple(descriptors)
        return None

    def hang_up(self) -> None:
        """Let nothing pass any more: who waits, here or at the other end, is told. Any thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close this end; no other thread uses it any more. May come twice."""
        self.hang_up()
        self._socket.close()

    def _wait(self, event: int, timeout_s: float | None) -> bool:
        number = self._socket.fileno()
        if number < 0:
            raise ChannelClosedError("closed here")
        poll = select.poll()
        poll.register(number, event)
        if timeout_s is None or math.isinf(timeout_s):
            return bool(poll.poll())
        return bool(poll.poll(max(0.0, timeout_s) * 1000.0))


def close_all(descriptors: tuple[int, ...]) -> None:
    """Close descriptors that came with a message and are of no use."""
    for one in descriptors:
        os.close(one)
