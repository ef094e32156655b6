"""Tells those who ask on the board how the daemon is, over a socket in the state folder."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.errors import EdgeError, because

log = logging.getLogger("edge_runtime.engine")

NAME = "status.sock"
TIMEOUT_S = 2.0
MOST_BYTES = 16 << 20  # of an answer; what is longer is cut, and no JSON then
ANSWER_TIMEOUT_S = 10.0


class StatusSocket:
    """Answers each connection with one JSON object. Nothing is written to the card for it.

    For the daemon's own user alone (and root). A folder in which no socket can be made is said in
    the log and costs the command `status`, nothing else.
    """

    def __init__(self, folder: Path, look: Callable[[], dict[str, Any]]) -> None:
        self._folder = folder
        self._look = look
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        """Begin to answer. The outbox's lock makes sure that no other daemon does so here."""
        try:
            self._listener = self._listen()
        except OSError as error:
            log.warning("status: no socket in %s: %s", self._folder, error)
            return
        self._thread.start()

    def close(self) -> None:
        """End, and take the socket away."""
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(TIMEOUT_S)
        self._listener.close()
        with contextlib.suppress(OSError):
            (self._folder / NAME).unlink()

    def _listen(self) -> socket.socket:
        (self._folder / NAME).unlink(missing_ok=True)  # what a killed daemon left
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listener.fileno(), 0o600)  # before it has a name: nobody may come between
            with short_path(self._folder) as path:
                listener.bind(path)
            listener.listen(4)
        except OSError:
            listener.close()
            raise
        return listener

    def _run(self) -> None:
        assert self._listener is not None
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                with connection:
                    connection.settimeout(TIMEOUT_S)
                    connection.sendall(msgspec.json.encode(self._look()))
            except OSError as error:
                log.debug("status: %s", error)
            except Exception:
                log.exception("status: cannot be told")


def ask(folder: Path) -> dict[str, Any] | None:
    """Return what the daemon says that works in a state folder; None: there is none."""
    asker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asker.settimeout(ANSWER_TIMEOUT_S)
    with asker:
        try:
            with short_path(folder) as path:
                asker.connect(path)
        except PermissionError as error:
            raise EdgeError(
                "{path}: {reason}; ask as the daemon's user, or with sudo",
                path=folder / NAME,
                reason=because(error),
            ) from None
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return None
        try:
            told = b""
            while (piece := asker.recv(65_536)) and len(told) <= MOST_BYTES:
                told += piece
        except OSError as error:
            raise EdgeError(
                "the daemon does not answer: {reason}; see its log", reason=error
            ) from None
    try:
        answer: dict[str, Any] = msgspec.json.decode(told, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise EdgeError(
            "the daemon's answer cannot be read: {reason}; see its log", reason=error
        ) from None
    return answer


@contextlib.contextmanager
def short_path(folder: Path) -> Iterator[str]:
    """Give a name of the socket that fits: the kernel takes 107 bytes, folders may be longer."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)
