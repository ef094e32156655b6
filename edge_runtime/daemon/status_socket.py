"""Tells those who ask on the board how the daemon is, over a socket in the state folder."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.daemon.local_socket import LocalListener, answering, connected, received
from edge_runtime.errors import EMPTY, EdgeError, Text
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
    mode: str = ""
    modes: list[str] = []


class StatusSocket:
    """Answers each connection with one JSON object. Nothing is written to the card for it.

    For the daemon's own user alone (and root). A folder in which no socket can be made is said in
    the log and costs the command `status`, nothing else.
    """

    def __init__(self, folder: Path, look: Callable[[], dict[str, Any]]) -> None:
        self._folder = folder
        self._look = look
        self._listener: LocalListener | None = None
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        """Begin to answer. The outbox's lock makes sure that no other daemon does so here."""
        try:
            self._listener = LocalListener(self._folder, NAME, 0o600)
        except OSError as error:
            log.warning("status: no socket in %s: %s", self._folder, error)
            return
        self._thread.start()

    def close(self) -> None:
        """End, and take the socket away."""
        if self._listener is None:
            return
        self._listener.close()
        self._thread.join(TIMEOUT_S)
        self._listener.release()

    def _run(self) -> None:
        assert self._listener is not None
        for connection in self._listener.connections():
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
    ends_s = time.monotonic() + ANSWER_TIMEOUT_S
    asker = connected(folder, NAME, ANSWER_TIMEOUT_S)
    if asker is None:
        return None
    with asker, answering(folder / NAME, ANSWER_TIMEOUT_S):
        answer = received(asker, MOST_BYTES, ends_s)
    return read_answer(answer, folder)


def read_answer(raw: bytes, folder: Path) -> dict[str, Any]:
    """Return an answer that holds what commands show. Raises EdgeError."""
    try:
        answer: dict[str, Any] = with_texts(msgspec.json.decode(raw, type=dict[str, Any]))
        msgspec.convert(answer, DaemonStatus, dec_hook=decode_text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise EdgeError(
            "{path}: the answer is no daemon's of this version ({reason}); restart the daemon",
            path=folder / NAME,
            reason=str(error),
        ) from None
    return answer
