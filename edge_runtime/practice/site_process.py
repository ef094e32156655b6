"""The process that keeps a site up: `python -m edge_runtime.practice.site_process …`.

It ends when it is asked to, when the terminal's session that started it ends, or after its hours.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.durable import try_lock
from edge_runtime.errors import EdgeError
from edge_runtime.practice.catalogue import find_exercise
from edge_runtime.practice.control import MOST_BYTES, listening
from edge_runtime.practice.places import LOCK, SOCKET, SiteFolder
from edge_runtime.practice.site import PracticeSite

TICK_S = 0.2
LONGEST_S = 8 * 3600.0  # nobody practises longer; a forgotten site must not run forever


def main(arguments: list[str]) -> int:
    """Run a site: its folder, the exercise's name, a folder of own exercises or "", and the
    session to end with, or 0.
    """
    path, name, own, session = arguments
    site = SiteFolder(Path(path))
    lock = os.open(site.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not try_lock(lock):
        return 1
    lifetime = SiteLifetime(int(session))
    try:
        exercise = find_exercise(name, Path(own) if own else None)
        practice = PracticeSite(exercise, site)
    except EdgeError as error:
        site.tell(state="failed", reason=str(error))
        return 1
    facts: dict[str, Any] = {"exercise": name, "own": own, "pid": os.getpid()}
    facts["values"] = msgspec.to_builtins(practice.values)
    try:
        practice.start()
        with contextlib.closing(listening(site)) as listener:
            site.tell(state="ready", **facts)
            serve(practice, listener, lifetime)
    except (EdgeError, OSError) as error:
        site.tell(state="failed", reason=str(error))
        return 1
    finally:
        practice.close()
        (site.path / SOCKET).unlink(missing_ok=True)
    return 0


class SiteLifetime:
    """Whether the site is to end: by a signal, with a session's leader, by its age, on request."""

    def __init__(self, session: int) -> None:
        self.asked = False
        self._deadline_s = time.monotonic() + LONGEST_S
        self._leader = -1
        if session:
            with contextlib.suppress(OSError):
                self._leader = os.pidfd_open(session)
            self.asked = self._leader < 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "asked", True))

    @property
    def is_over(self) -> bool:
        """Whether it is to end now."""
        is_orphan = self._leader >= 0 and bool(select.select([self._leader], [], [], 0.0)[0])
        return self.asked or is_orphan or time.monotonic() >= self._deadline_s


def serve(practice: PracticeSite, listener: socket.socket, lifetime: SiteLifetime) -> None:
    """Keep the site up and do what is asked, until its end."""
    while not lifetime.is_over:
        if select.select([listener], [], [], TICK_S)[0]:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError, ValueError):
                connection.settimeout(5.0)
                line = connection.makefile("rb").readline(MOST_BYTES)
                answer = do(practice, json.loads(line), lifetime)
                connection.sendall(json.dumps(answer).encode() + b"\n")
        practice.tend()


def do(practice: PracticeSite, asked: dict[str, str], lifetime: SiteLifetime) -> dict[str, Any]:
    """Do what one request asks for; return the answer."""
    try:
        match asked.get("do"):
            case "stop":
                lifetime.asked = True
            case "restart":
                practice.restart()
            case "act":
                practice.act(str(asked.get("name")))
            case "facts":
                return {"facts": practice.facts()}
            case _:
                return {"error": "not known"}
    except (EdgeError, OSError) as error:
        return {"error": str(error)}
    return {"ok": True}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
