"""Shows streams to those who look on the board itself, over a socket in the state folder.

Pictures leave the process here alone, as JPEG, for the service's user and group. While nobody looks
no frame is copied and none encoded. Encoding runs in the reader's own thread, never in a capture
thread; there are `MAX_VIEWERS` of them, and a reader that does not read costs its own connection.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.daemon.local_socket import LocalListener
from edge_runtime.daemon.preview_protocol import SOCKET, PreviewHead, encode_answer
from edge_runtime.daemon.preview_session import PreviewCounters, PreviewedDevice, PreviewSession
from edge_runtime.errors import Text

log = logging.getLogger("edge_runtime.daemon")

MODE = 0o660
MAX_VIEWERS = 4
STOP_TIMEOUT_S = 2.0


class PreviewSocket:
    """Takes readers in, a bounded number of them. The supervisor's thread starts and closes it.

    It outlives changes of the configuration: who looks at a stream that is restarted goes on. A
    folder in which no socket can be made is said in the log and costs the previews, nothing else.
    """

    def __init__(self, folder: Path, device: PreviewedDevice, clock: Clock) -> None:
        self._folder = folder
        self._device = device
        self._clock = clock
        self._listener: LocalListener | None = None
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._counters = PreviewCounters()
        self._viewers: dict[socket.socket, threading.Thread] = {}

    def start(self) -> None:
        """Begin to take readers in."""
        try:
            self._listener = LocalListener(self._folder, SOCKET, MODE)
        except OSError as error:
            log.warning("preview: no socket in %s: %s", self._folder, error)
            return
        self._thread.start()

    def close(self) -> None:
        """End all connections, and take the socket away."""
        if self._listener is None:
            return
        self._closing.set()
        self._listener.close()
        self._thread.join(STOP_TIMEOUT_S)
        with self._lock:
            viewers = dict(self._viewers)
        for connection in viewers:
            with contextlib.suppress(OSError):  # it has just ended
                connection.shutdown(socket.SHUT_RDWR)
        for thread in viewers.values():
            thread.join(STOP_TIMEOUT_S)
        self._listener.release()

    def counters(self) -> dict[str, Any]:
        """Return what previews have cost since the start, ready for JSON. Any thread."""
        with self._lock:
            counted = msgspec.structs.replace(self._counters, viewers=len(self._viewers))
        counted.encode_s = round(counted.encode_s, 3)
        return msgspec.structs.asdict(counted)

    def _run(self) -> None:
        assert self._listener is not None
        for connection in self._listener.connections():
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="preview-viewer", daemon=True
            )
            with self._lock:
                is_full = len(self._viewers) >= MAX_VIEWERS
                if is_full:
                    self._counters.refused += 1
                else:
                    self._viewers[connection] = thread
            if is_full:
                refuse(connection)
            else:
                self._begin(connection, thread)

    def _begin(self, connection: socket.socket, thread: threading.Thread) -> None:
        try:
            thread.start()
        except RuntimeError as error:  # the service's limit of tasks
            log.warning("preview: a reader cannot be served: %s", error)
            connection.close()
            with self._lock:
                del self._viewers[connection]

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                PreviewSession(
                    connection, self._device, self._clock, self._counters, self._lock, self._closing
                ).run()
        except OSError as error:
            log.debug("preview: %s", error)
        except Exception:
            log.exception("preview: a reader cannot be served")
        finally:
            with self._lock:
                del self._viewers[connection]


def refuse(connection: socket.socket) -> None:
    """Say that there are enough readers, without waiting for this one."""
    reason = Text("{count} viewers are connected already; ask again later", count=MAX_VIEWERS)
    with connection, contextlib.suppress(OSError):
        connection.setblocking(False)
        connection.send(encode_answer(PreviewHead("", reason=reason)))
