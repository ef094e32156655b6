"""A capture process: opens one source of a stranger's and decodes into shared memory."""

from __future__ import annotations

import os
import sys
import time

import numpy as np

from edge_runtime.clock import SystemClock
from edge_runtime.errors import SourceError, Text
from edge_runtime.isolation.channel import MessageChannel
from edge_runtime.isolation.frames import FramePool
from edge_runtime.isolation.memory import SharedMemoryError
from edge_runtime.raw import Frame, Image
from edge_runtime.sources import open_source
from edge_runtime.sources.base import NoVideoError
from edge_runtime.sources.capture_messages import (
    CaptureRequest,
    Finished,
    FrameInSlot,
    FromCapture,
    NewPool,
    SourceFailed,
    SourceOpened,
    SourceWaiting,
    decode_request,
    encode_from_capture,
)

LONG_WAIT_S = 1.0  # of which the daemon is told, and of one of many
SIGN_OF_LIFE_S = 5.0


class SharedBuffers:
    """Where a source decodes to: free slots of a pool that fits its latest picture.

    A slot is filled, the daemon is told of it and later gives it back. When pictures grow another
    pool is made; the old one stays mapped as long as its pictures are in use. One thread.
    """

    def __init__(self, channel: MessageChannel, slots: int, *, lossless: bool) -> None:
        self._channel = channel
        self._slots = slots
        self._lossless = lossless
        self._pool: FramePool | None = None
        self._generation = -1  # of the pool: the daemon names it when it gives a slot back
        self._shape: tuple[int, ...] = ()
        self._free: list[int] = []
        self._next: tuple[int, Image] | None = None
        self._sent_s = time.monotonic()  # when the daemon was last sent something

    def target(self) -> Image | None:
        """Return where the next picture is decoded to, if it is as large as the latest one.

        None: anywhere; `share` copies it then. A source that may lose nothing waits for a slot.
        """
        if self._pool is None:
            return None
        if self._next is None:
            self._collect(None if self._lossless and not self._free else 0.0)
            if self._free:
                slot = self._free.pop()
                self._next = slot, self._pool.picture(slot, self._shape, keep)
        return self._next[1] if self._next is not None else None

    def has_room(self) -> bool:
        """Say whether the daemon can take a picture now."""
        return self._pool is None or self.target() is not None

    def wait_until(self, due_s: float) -> None:
        """Tell the daemon of a long wait, and at times of short ones between which nothing comes:
        what says nothing at all is thought to hang.
        """
        now_s = time.monotonic()
        if due_s - now_s > LONG_WAIT_S or now_s - self._sent_s > SIGN_OF_LIFE_S:
            self._sent_s = now_s
            send(self._channel, SourceWaiting(due_s))

    def share(self, frame: Frame, notice: Text) -> None:
        """Have the daemon see a frame: where it lies, or a copy where it was decoded elsewhere."""
        image = frame.image
        if self._pool is None or image.nbytes > self._pool.slot_bytes:
            self._renew(image.nbytes)
        assert self._pool is not None
        self._shape = image.shape
        while self._next is None and self.target() is None:
            self._collect(None)
        assert self._next is not None
        slot, view = self._next
        if image is not view:
            np.copyto(self._pool.picture(slot, image.shape, keep), image)
        self._next = None
        self._sent_s = time.monotonic()
        send(self._channel, FrameInSlot(slot, image.shape, frame.stamp, notice))

    def _renew(self, frame_bytes: int) -> None:
        if self._pool is not None:
            self._pool.close()
        self._pool = FramePool.create(self._slots, frame_bytes)
        self._generation = (self._generation + 1) % 256
        self._free = list(range(self._slots - 1, -1, -1))
        self._next = None
        message = NewPool(self._pool.slots, self._pool.slot_bytes)
        self._channel.send(encode_from_capture(message), (self._pool.descriptor,))

    def _collect(self, timeout_s: float | None) -> None:
        """Take slots back that the daemon no longer uses; the latest is the next one filled."""
        while (received := self._channel.receive(timeout_s)) is not None:
            generation, slot = received
            if generation == self._generation:
                self._free.append(slot)
            timeout_s = 0.0


def keep() -> None:
    """Do nothing when a view of the child's own goes: the daemon alone gives a slot back."""


def send(channel: MessageChannel, message: FromCapture) -> None:
    """Tell the daemon something."""
    channel.send(encode_from_capture(message))


def run(channel: MessageChannel, message: bytes) -> None:
    """Be the process, until the source ends or the daemon hangs up."""
    request = decode_request(message)
    silence_libraries()
    try:
        capture(channel, request)
    except (SourceError, SharedMemoryError) as error:
        send(channel, failure(error))


def failure(error: SourceError | SharedMemoryError) -> SourceFailed:
    """Return what the daemon is told of an error."""
    if isinstance(error, NoVideoError):
        return SourceFailed(
            error.text,
            gave_no_video=True,
            was_asked=error.was_asked,
            is_unauthorised=error.is_unauthorised,
        )
    return SourceFailed(error.text)


def silence_libraries() -> None:
    """Leave standard error to Python alone: what libraries write there may hold a camera's login.

    FFmpeg, OpenCV and the C library write to descriptor 2, whatever they were asked.
    """
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a descriptor is needed
        os.dup2(nothing.fileno(), 2)


def capture(channel: MessageChannel, request: CaptureRequest) -> None:
    """Open the source and send what it gives. Raises SourceError as the source does."""
    source = open_source(request.source, SystemClock())
    buffers = SharedBuffers(channel, request.slots, lossless=source.lossless)
    source.buffers = buffers
    source.may_ask_why, source.asks_first = request.may_ask_why, request.asks_first
    source.open()
    send(channel, SourceOpened(source.codec))
    while (frame := source.read()) is not None:
        assert isinstance(frame, Frame)
        buffers.share(frame, source.notice)
    send(channel, Finished(source.notice))
