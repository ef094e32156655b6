"""A broker on loopback for the demo: Mosquitto where it is installed, else the embedded one."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.errors import EdgeError, RawText, Text
from edge_runtime.practice.brokers import EMBEDDED, has_embedded, mosquitto_program
from edge_runtime.practice.values import free_ports

START_TIMEOUT_S = 15.0


@contextlib.contextmanager
def loopback_broker(folder: Path, *, embedded: bool = False) -> Iterator[tuple[str, Text]]:
    """Run a broker while the context lasts; give its URL and what it is."""
    port = free_ports(1)[0]
    command, name = broker_command(folder, port, embedded=embedded)
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_for_port(process, port, name)
        yield f"mqtt://127.0.0.1:{port}", name
    finally:
        process.terminate()
        process.wait()


def broker_command(folder: Path, port: int, *, embedded: bool) -> tuple[list[str], Text]:
    """Return how to start a broker on a port, and its name."""
    mosquitto = None if embedded else mosquitto_program()
    if mosquitto:
        settings = folder / "mosquitto.conf"
        settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        return [mosquitto, "-c", str(settings)], RawText("Mosquitto")
    if not has_embedded():
        raise EdgeError(
            "no broker for the demo: install Mosquitto (apt-get install mosquitto) "
            "or the embedded one (in the checkout, pip install -e '.[broker]')"
        )
    return [sys.executable, "-c", EMBEDDED, str(port)], Text("the embedded broker")


def wait_for_port(process: subprocess.Popen[bytes], port: int, name: Text) -> None:
    """Wait until the broker listens."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise EdgeError(
        "{name} did not start; its log is above the demo's folder as broker.log", name=name
    )
