"""A broker on loopback for the demo: Mosquitto where it is installed, else the embedded one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.errors import EdgeError

START_TIMEOUT_S = 15.0

# amqtt writes its own log; the demo shows results. Its plug-ins are named, since its defaults
# differ between releases; 3.1.1 is all that it speaks.
EMBEDDED = """
import asyncio, logging, sys
from amqtt.broker import Broker
logging.disable(logging.CRITICAL)
async def main():
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    })
    await broker.start()
    await asyncio.Event().wait()
asyncio.run(main())
"""


@contextlib.contextmanager
def loopback_broker(folder: Path, *, embedded: bool = False) -> Iterator[tuple[str, str]]:
    """Run a broker while the context lasts; give its URL and what it is."""
    port = free_port()
    command, name = broker_command(folder, port, embedded=embedded)
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_for_port(process, port, name)
        yield f"mqtt://127.0.0.1:{port}", name
    finally:
        process.terminate()
        process.wait()


def broker_command(folder: Path, port: int, *, embedded: bool) -> tuple[list[str], str]:
    """Return how to start a broker on a port, and its name."""
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    mosquitto = None if embedded else shutil.which("mosquitto", path=search)
    if mosquitto:
        settings = folder / "mosquitto.conf"
        settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        return [mosquitto, "-c", str(settings)], "Mosquitto"
    from importlib.util import find_spec

    if find_spec("amqtt") is None:
        raise EdgeError(
            "no broker for the demo: install Mosquitto (apt-get install mosquitto) "
            "or the embedded one (pip install 'edge-runtime[broker]')"
        )
    return [sys.executable, "-c", EMBEDDED, str(port)], "the embedded broker"


def wait_for_port(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    """Wait until the broker listens."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise EdgeError(
        "{name} did not start; its log is above the demo's folder as broker.log", name=name
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
