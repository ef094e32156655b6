"""UNIX sockets in the state folder: how the daemon opens one, and how a command reaches it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.errors import EdgeError, because

log = logging.getLogger("edge_runtime.daemon")

BACKLOG = 4
PIECE_BYTES = 65_536
RETRY_S = 1.0  # where a connection cannot be taken in, as with too many open files


class LocalListener:
    """Listens at a socket of the state folder until it is closed.

    `mode`: who may connect, beside root; the folder's own mode stands before it. Raises OSError
    where no socket can be made there.
    """

    def __init__(self, folder: Path, name: str, mode: int) -> None:
        self._path = folder / name
        self._closing = threading.Event()
        self._path.unlink(missing_ok=True)  # what a killed daemon left
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(self._socket.fileno(), 0o600)  # before it has a name: nobody comes between
            with short_path(folder, name) as path:
                self._socket.bind(path)
                Path(path).chmod(mode)  # bind() took the umask's bits off
            self._socket.listen(BACKLOG)
        except OSError:
            self._socket.close()
            raise

    def connections(self) -> Iterator[socket.socket]:
        """Yield each connection, until `close`."""
        is_failing = False
        while not self._closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError as error:
                if not self._closing.wait(RETRY_S) and not is_failing:
                    log.warning("%s: no connection is taken in: %s", self._path.name, error)
                is_failing = True
                continue
            is_failing = False
            yield connection

    def close(self) -> None:
        """End `connections`, any thread, and take the socket away."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._path.unlink()

    def release(self) -> None:
        """Let go of the descriptor, once nobody is in `connections`."""
        self._socket.close()


def connected(folder: Path, name: str, timeout_s: float) -> socket.socket | None:
    """Return a connection to the daemon that works in a state folder; None: there is none.

    Raises EdgeError where it may not be asked, or takes no connections in.
    """
    asker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Where others wait to be taken in, a socket with Python's own timeout fails at once.
        limit = struct.pack("@ll", int(timeout_s), int(timeout_s % 1.0 * 1e6))
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        with short_path(folder, name) as path:
            asker.connect(path)
        asker.settimeout(timeout_s)
    except OSError as error:
        asker.close()
        if isinstance(error, FileNotFoundError | NotADirectoryError | ConnectionRefusedError):
            return None
        raise not_connected(folder / name, error, timeout_s) from None
    return asker


def not_connected(path: Path, error: OSError, timeout_s: float) -> EdgeError:
    """Return the error for a socket to which no connection came about."""
    if isinstance(error, PermissionError):
        return EdgeError(
            "{path}: {reason}; ask as the daemon's user, or with sudo",
            path=path,
            reason=because(error),
        )
    if isinstance(error, TimeoutError | BlockingIOError):  # nobody takes the connections in
        return no_answer(path, timeout_s)
    return EdgeError(
        "{path}: cannot be asked ({reason}); restart the daemon",
        path=path,
        reason=because(error),
    )


def no_answer(path: Path, timeout_s: float) -> EdgeError:
    """Return the error for a socket at which nobody answers in time."""
    return EdgeError(
        "{path}: no whole answer within {seconds:g} s: the daemon hangs, or another program "
        "listens there; see its log, then restart it",
        path=path,
        seconds=timeout_s,
    )


def received(connection: socket.socket, size: int, ends_s: float) -> bytes:
    """Return so many bytes, fewer where the other end closes before. Raises OSError.

    `ends_s`: the monotonic moment at which they must be there, else it is a TimeoutError.
    """
    got = bytearray()
    while len(got) < size:
        left_s = ends_s - time.monotonic()
        if left_s <= 0.0:
            raise TimeoutError
        connection.settimeout(left_s)
        piece = connection.recv(min(size - len(got), PIECE_BYTES))
        if not piece:
            break
        got += piece
    return bytes(got)


@contextlib.contextmanager
def answering(path: Path, timeout_s: float) -> Iterator[None]:
    """Raise EdgeError in place of an OSError while an answer is received at a socket."""
    try:
        yield
    except TimeoutError:
        raise no_answer(path, timeout_s) from None
    except OSError as error:
        raise EdgeError(
            "the daemon does not answer: {reason}; see its log", reason=because(error)
        ) from None


@contextlib.contextmanager
def short_path(folder: Path, name: str) -> Iterator[str]:
    """Give a name of a socket that fits: the kernel takes 107 bytes, folders may be longer."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
