"""Tells those who ask on the board how the daemon is, over a socket in the state folder."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.errors import EMPTY, EdgeError, Text, because
from edge_runtime.outbox.health import OutboxHealth
from edge_runtime.publish.contract import LinkHealth
from edge_runtime.stream.health import StreamHealth
from edge_runtime.text_form import decode_text, encode_text, with_texts

log = logging.getLogger("edge_runtime.daemon")

NAME = "status.sock"
TIMEOUT_S = 2.0
MOST_BYTES = 16 << 20  # of an answer; what is longer is cut, and no JSON then
ANSWER_TIMEOUT_S = 5.0  # for all of an answer: who owns the folder may have put anything there


class UplinkStatus(msgspec.Struct, frozen=True):
    """The day's ledger, as far as commands show it."""

    day: str
    bytes: float
    by_kind: dict[str, int]
    limit: float = 0
    step: str = ""
    reason: Text = EMPTY


class DaemonStatus(msgspec.Struct, frozen=True):
    """What an answer must hold for commands to show it."""

    pid: int
    version: str
    boot: int
    state: str
    clock: str
    streams: dict[str, StreamHealth]
    outbox: OutboxHealth
    link: LinkHealth
    uplink: UplinkStatus
    sandbox: str | None = None
    short_starts: int = 0
    config: dict[str, Text] | None = None


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
                    connection.sendall(msgspec.json.encode(self._look(), enc_hook=encode_text))
            except OSError as error:
                log.debug("status: %s", error)
            except Exception:
                log.exception("status: cannot be told")


def ask(folder: Path) -> dict[str, Any] | None:
    """Return what the daemon says that works in a state folder; None: there is none.

    Its reasons are `Text`, so that they can be translated.

    Raises EdgeError after `ANSWER_TIMEOUT_S` at the latest, and where it is no daemon's answer.
    """
    asker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    ends_s = time.monotonic() + ANSWER_TIMEOUT_S
    with asker:
        try:
            asker.settimeout(ANSWER_TIMEOUT_S)
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
        except (TimeoutError, BlockingIOError):  # nobody takes the connections in
            raise no_answer(folder) from None
        except OSError as error:
            raise EdgeError(
                "{path}: cannot be asked ({reason}); restart the daemon",
                path=folder / NAME,
                reason=because(error),
            ) from None
        told = all_of(asker, ends_s, folder)
    return read_answer(told, folder)


def all_of(asker: socket.socket, ends_s: float, folder: Path) -> bytes:
    """Return what comes until the other end closes. Raises EdgeError where it takes too long."""
    told = bytearray()
    try:
        while len(told) <= MOST_BYTES:
            left_s = ends_s - time.monotonic()
            if left_s <= 0:
                raise no_answer(folder)
            asker.settimeout(left_s)
            piece = asker.recv(65_536)
            if not piece:
                break
            told += piece
    except TimeoutError:
        raise no_answer(folder) from None
    except OSError as error:
        raise EdgeError("the daemon does not answer: {reason}; see its log", reason=error) from None
    return bytes(told)


def no_answer(folder: Path) -> EdgeError:
    return EdgeError(
        "{path}: no whole answer within {seconds:g} s: the daemon hangs, or another program "
        "listens there; see its log, then restart it",
        path=folder / NAME,
        seconds=ANSWER_TIMEOUT_S,
    )


def read_answer(told: bytes, folder: Path) -> dict[str, Any]:
    """Return an answer that holds what commands show. Raises EdgeError."""
    try:
        answer: dict[str, Any] = with_texts(msgspec.json.decode(told, type=dict[str, Any]))
        msgspec.convert(answer, DaemonStatus, dec_hook=decode_text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise EdgeError(
            "{path}: the answer is no daemon's of this version ({reason}); restart the daemon",
            path=folder / NAME,
            reason=str(error),
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
