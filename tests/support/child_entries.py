"""What children of the isolation tests run."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import numpy as np

from edge_runtime.isolation.channel import Channel


def echo(channel: Channel, request: bytes) -> None:
    """Say the request, then whatever comes."""
    channel.send(request)
    while (received := channel.receive()) is not None:
        channel.send(received)


def stubborn(channel: Channel, request: bytes) -> None:
    """Say who it is and never end by itself, whatever is asked of it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel.send(str(os.getpid()).encode())
    while True:
        signal.pause()


def greedy(channel: Channel, request: bytes) -> None:
    """Take as many bytes as it is asked to."""
    np.ones(int(request), np.uint8)
    channel.send(b"got them")


def crash(channel: Channel, request: bytes) -> None:
    os.abort()


def descriptors(channel: Channel, request: bytes) -> None:
    """Say what is open here, a line each."""
    targets = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the listing's own
            targets.append(str(entry.readlink()))
    channel.send("\n".join(targets).encode())
