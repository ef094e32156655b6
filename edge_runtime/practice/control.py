"""How commands talk to a site's process: one JSON line there, one back, over a socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

from edge_runtime.errors import EdgeError, RawText
from edge_runtime.practice.places import SOCKET, SiteFolder

ANSWERS_WITHIN_S = 60.0  # a daemon that is to be restarted takes its time
MOST_BYTES = 65_536


def request(site: SiteFolder, what: str, **values: str) -> dict[str, Any]:
    """Ask a site's process to do something. Raises EdgeError where it cannot."""
    asker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with asker:
        asker.settimeout(ANSWERS_WITHIN_S)
        try:
            with short_path(site) as path:
                asker.connect(path)
            asker.sendall(json.dumps({"do": what, **values}).encode() + b"\n")
            answer = json.loads(asker.makefile("rb").readline(MOST_BYTES))
        except (OSError, ValueError):
            raise EdgeError("the site does not answer; `edge-runtime practice reset`") from None
    if "error" in answer:
        raise EdgeError(RawText(answer["error"]))
    return dict(answer)


@contextlib.contextmanager
def short_path(site: SiteFolder) -> Iterator[str]:
    """Give a name of the socket that fits: the kernel takes 107 bytes, folders may be longer."""
    descriptor = os.open(site.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


def listening(site: SiteFolder) -> socket.socket:
    """Return the socket on which a site's process is asked, for its own user alone."""
    (site.path / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.fchmod(listener.fileno(), 0o600)
    with short_path(site) as path:
        listener.bind(path)
    listener.listen(4)
    return listener
