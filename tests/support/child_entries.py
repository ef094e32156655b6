"""What children of the isolation tests run."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from edge_runtime.clock import Stamp
from edge_runtime.infer.process_messages import Inferred, ModelLoaded
from edge_runtime.infer.process_messages import decode_request as decode_model
from edge_runtime.isolation.channel import MessageChannel
from edge_runtime.isolation.frames import FramePool
from edge_runtime.isolation.limits import open_no_more
from edge_runtime.isolation.tensors import SharedTensors
from edge_runtime.options import CameraOptions
from edge_runtime.raw import ModelFacts, TensorSpec
from edge_runtime.sources.capture_messages import (
    FrameInSlot,
    FromCapture,
    NewPool,
    SourceOpened,
    SourceWaiting,
)
from edge_runtime.sources.capture_messages import decode_request as decode_camera
from edge_runtime.text_form import encode_text


def echo(channel: MessageChannel, request: bytes) -> None:
    """Say the request, then whatever comes."""
    channel.send(request)
    while (received := channel.receive()) is not None:
        channel.send(received)


def stubborn(channel: MessageChannel, request: bytes) -> None:
    """Say who it is and never end by itself, whatever is asked of it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel.send(str(os.getpid()).encode())
    while True:
        signal.pause()


def greedy(channel: MessageChannel, request: bytes) -> None:
    """Take as many bytes as it is asked to."""
    np.empty(int(request), np.uint8)
    channel.send(b"got them")


def crash(channel: MessageChannel, request: bytes) -> None:
    os.abort()


def descriptors(channel: MessageChannel, request: bytes) -> None:
    """Say what is open here, a line each."""
    targets = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the listing's own
            targets.append(str(entry.readlink()))
    channel.send("\n".join(targets).encode())


def collects(channel: MessageChannel, request: bytes) -> None:
    """Say whether Python looks for garbage here."""
    channel.send(str(gc.isenabled()).encode())


def opens(channel: MessageChannel, request: bytes) -> None:
    """Say of each thing that it is asked to open whether it may, a line each."""
    if request.startswith(b"no more\n"):
        open_no_more()
    for name in request.decode().splitlines():
        try:
            attempt(name)
        except OSError as error:
            channel.send(f"{name}: {type(error).__name__}".encode())
        else:
            channel.send(f"{name}: yes".encode())


def attempt(name: str) -> None:
    kind, _, what = name.partition(" ")
    match kind:
        case "read":
            with Path(what).open("rb") as file:
                file.read(1)
        case "write":
            Path(what).write_bytes(b"")
        case "list":
            list(Path(what).iterdir())
        case "run":
            subprocess.run([what], check=True)
        case "signal":
            os.kill(int(what), 0)
        case "connect":
            socket.create_connection(("127.0.0.1", int(what))).close()
        case "share":
            os.close(os.memfd_create("more"))


def lying_camera(channel: MessageChannel, request: bytes) -> None:
    """Be a capture process that somebody took over: its camera's path says what it does."""
    source = decode_camera(request).source
    assert isinstance(source, CameraOptions)
    LIES[str(source.device).rpartition("/")[2]](channel)
    channel.receive()


def lying_model(channel: MessageChannel, request: bytes) -> None:
    """Be an inference process that somebody took over: its weights' name says what it does."""
    lie = Path(decode_model(request).weights).name
    odd = TensorSpec("x", *ODD_TENSORS.get(lie, ((4,), "uint8")))
    fine = TensorSpec("y", (4,), "uint8")
    shared = SharedTensors.create((fine, fine))
    loaded = ModelLoaded("an engine", fine, (odd,), ModelFacts())
    channel.send(msgspec.msgpack.encode(loaded, enc_hook=encode_text), (shared.descriptor,))
    done = msgspec.msgpack.encode(Inferred())
    while lie == "talker":
        channel.send(done)
    while channel.receive() is not None:
        channel.send(done, (0, 1, 2))


ODD_TENSORS: dict[str, tuple[tuple[int, ...], str]] = {
    "dimensions": ((1,) * 40, "uint8"),
    "objects": ((4,), "O"),
    "texts": ((4,), "S8"),
    "rows": ((4,), "f4,f4"),
    "negative": ((-4,), "uint8"),
}


def tell(channel: MessageChannel, word: FromCapture, descriptors: tuple[int, ...] = ()) -> None:
    channel.send(msgspec.msgpack.encode(word, enc_hook=encode_text), descriptors)


def new_pool(channel: MessageChannel) -> FramePool:
    pool = FramePool.create(4, 4096)
    tell(channel, NewPool(pool.slots, pool.slot_bytes), (pool.descriptor,))
    return pool


def endless_pools(channel: MessageChannel) -> None:
    tell(channel, SourceOpened())
    while True:
        new_pool(channel).close()


def endless_waits(channel: MessageChannel) -> None:
    tell(channel, SourceOpened())
    while True:
        tell(channel, SourceWaiting(0.0))


def waits_for_ever(channel: MessageChannel) -> None:
    tell(channel, SourceOpened())
    tell(channel, SourceWaiting(1e12))


def waits_twice(channel: MessageChannel) -> None:
    tell(channel, SourceOpened())
    for _ in range(2):
        tell(channel, SourceWaiting(time.monotonic() + 1000.0))


def endless_pictures(channel: MessageChannel) -> None:
    """Give each picture descriptors, and no slot time to become free."""
    tell(channel, SourceOpened())
    new_pool(channel)
    while True:
        tell(channel, FrameInSlot(0, (8, 8, 3), Stamp(1e9, time.monotonic())), (0, 1, 2, 0))


def pictures(*told: FrameInSlot) -> Callable[[MessageChannel], None]:
    def lie(channel: MessageChannel) -> None:
        tell(channel, SourceOpened())
        new_pool(channel)
        for one in told:
            tell(channel, one)

    return lie


def no_word(channel: MessageChannel) -> None:
    channel.send(b"\xc1", (0, 1, 2))


NOW = Stamp(1e9, 5.0)
LIES: dict[str, Callable[[MessageChannel], None]] = {
    "endless-pools": endless_pools,
    "endless-waits": endless_waits,
    "waits-for-ever": waits_for_ever,
    "waits-twice": waits_twice,
    "endless-pictures": endless_pictures,
    "no-word": no_word,
    "no-time": pictures(FrameInSlot(0, (8, 8, 3), Stamp(math.nan, 5.0))),
    "no-moment": pictures(FrameInSlot(0, (8, 8, 3), Stamp(1e9, math.inf))),
    "late-year": pictures(FrameInSlot(0, (8, 8, 3), Stamp(1e300, 5.0))),
    "backwards": pictures(
        FrameInSlot(0, (8, 8, 3), NOW),
        FrameInSlot(1, (8, 8, 3), Stamp(1e9, 4.0)),
        FrameInSlot(2, (), NOW),
    ),
    "no-slot": pictures(FrameInSlot(1 << 40, (8, 8, 3), NOW)),
    "no-picture": pictures(FrameInSlot(0, (8, -8, -3), NOW)),
    "long-text": pictures(FrameInSlot(0, (8, 8, 3), NOW, "x" * 100_000)),
    "odd-text": pictures(FrameInSlot(0, (8, 8, 3), NOW, "first\n\x1b[2Jsecond")),
}
