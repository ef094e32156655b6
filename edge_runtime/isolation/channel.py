"""Messages between two processes of one daemon, with file descriptors where they are needed."""

from __future__ import annotations

import array
import contextlib
import errno
import os
import select
import socket
import threading
import time

from edge_runtime.errors import EdgeError

MAX_MESSAGE_BYTES = 128 * 1024  # below the kernel's default for one packet on a local socket
MAX_DESCRIPTORS = 4
LONGEST_WAIT_S = 1e6  # poll(2) takes no more than 24 days: what is longer is without end
# Another thread of this end was quicker; or the other end was closed before it had read all that
# it was sent. The kernel tells of that once, ahead of the messages that still wait here.
RECEIVE_AGAIN = (BlockingIOError, ConnectionResetError)


class ChannelClosedError(EdgeError):
    """The other process has closed its end, or has ended."""


class MessageChannel:
    """One end of a local SEQPACKET socket: whole messages, in order, none lost.

    One thread sends and one receives, which may be two; `post` and `close` may come from any.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        # Closing amid a call of another thread would have that use a number which the kernel may
        # have given to a file or a connection by then. Reentrant: `post` comes from finalizers.
        self._in_call = threading.RLock()
        end.setblocking(False)

    @classmethod
    def pair(cls) -> tuple[MessageChannel, socket.socket]:
        """Return our end and the one to hand to the other process."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), theirs

    def send(
        self, message: bytes, descriptors: tuple[int, ...] = (), timeout_s: float | None = None
    ) -> bool:
        """Send a message of at most MAX_MESSAGE_BYTES; wait while the other end's queue is full.

        False: it stayed full, and nothing was sent. Raises ChannelClosedError.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            try:
                socket.send_fds(self._socket, [message], list(descriptors))
            except BlockingIOError:
                left_s = None if deadline_s is None else deadline_s - time.monotonic()
                if not self._wait(select.POLLOUT, left_s):
                    return False
            except OSError as error:
                raise ChannelClosedError("the other process is gone") from error
            else:
                return True

    def post(self, message: bytes) -> None:
        """Send a few bytes without waiting, from any thread, even amid another call of it.

        They are lost where the other process is gone, which `receive` tells.
        """
        with self._in_call, contextlib.suppress(OSError):
            self._socket.send(message)

    def receive(self, timeout_s: float | None = None) -> bytes | None:
        """Wait for a message; descriptors that come with it are closed by the kernel, unseen.

        None: nothing came in time. Raises ChannelClosedError where nothing will come any more.
        """
        while self._wait(select.POLLIN, timeout_s):
            try:
                return self._whole(self._socket.recv(MAX_MESSAGE_BYTES))
            except RECEIVE_AGAIN:
                continue
            except OSError as error:
                raise ChannelClosedError("the other process is gone") from error
        return None

    def receive_with_descriptors(
        self, timeout_s: float | None = None
    ) -> tuple[bytes, tuple[int, ...]] | None:
        """Wait for a message and the descriptors that came with it, which are the caller's then.

        Otherwise as `receive`.
        """
        while self._wait(select.POLLIN, timeout_s):
            try:
                message, descriptors = receive_descriptors(self._socket)
            except RECEIVE_AGAIN:
                continue
            except OSError as error:
                raise ChannelClosedError("the other process is gone") from error
            if not message:
                close_all(descriptors)
            return self._whole(message), descriptors
        return None

    @staticmethod
    def _whole(message: bytes) -> bytes:
        if not message:
            raise ChannelClosedError("the other process is gone")
        return message

    def hang_up(self) -> None:
        """Let nothing pass any more: who waits, here or at the other end, is told. Any thread."""
        with self._in_call, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close this end; no other thread uses it any more. May come twice."""
        with self._in_call:
            self.hang_up()
            self._socket.close()

    def _wait(self, event: int, timeout_s: float | None) -> bool:
        number = self._socket.fileno()
        if number < 0:
            raise ChannelClosedError("closed here")
        if timeout_s is None or timeout_s > LONGEST_WAIT_S:
            return wait_for_event(number, event, None)
        return wait_for_event(number, event, max(0.0, timeout_s))


def wait_for_event(number: int, event: int, timeout_s: float | None) -> bool:
    """Wait until a descriptor can be read (POLLIN) or written (POLLOUT); False: not in time."""
    poll = select.poll()
    poll.register(number, event)
    try:
        return bool(poll.poll(None if timeout_s is None else timeout_s * 1000.0))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    # A process that may open nothing more may not poll(2) either. It has few descriptors.
    wanted = [number]
    reads, writes = (wanted, []) if event == select.POLLIN else ([], wanted)
    return any(select.select(reads, writes, [], timeout_s))


def receive_descriptors(end: socket.socket) -> tuple[bytes, tuple[int, ...]]:
    """Return a message and its descriptors, which no program that is started later inherits.

    Raises OSError. `socket.recv_fds` takes flags but does not pass them on (CPython 3.11).
    """
    descriptors = array.array("i")
    room = socket.CMSG_LEN(MAX_DESCRIPTORS * descriptors.itemsize)
    message, attached, _flags, _address = end.recvmsg(
        MAX_MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC
    )
    for level, kind, data in attached:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return message, tuple(descriptors)


def close_all(descriptors: tuple[int, ...]) -> None:
    """Close descriptors that came with a message and are of no use."""
    for one in descriptors:
        os.close(one)
