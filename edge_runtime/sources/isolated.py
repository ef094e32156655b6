"""A source in a process of its own: network cameras, video files and pictures of strangers.

What it is sent may crash its decoder, make it hang or take all memory: it is the source that fails
then, with its reason, and nothing else. Pictures are decoded into memory that both processes share.
"""

from __future__ import annotations

import math
import os
from functools import partial

import msgspec

from edge_runtime.clock import Clock, Stamp
from edge_runtime.errors import SourceError
from edge_runtime.isolation.channel import ChannelClosedError, close_all
from edge_runtime.isolation.children import (
    LONGEST_START_S,
    Child,
    ChildFactory,
    ChildStartError,
)
from edge_runtime.isolation.deaths import DeathTexts, death_text
from edge_runtime.isolation.frames import FramePool
from edge_runtime.isolation.limits import ChildLimits, decoder_memory_bytes
from edge_runtime.isolation.memory import SharedMemoryError
from edge_runtime.isolation.sandbox import Sandbox
from edge_runtime.isolation.template_process import KILL_TIMEOUT_S
from edge_runtime.language import N_
from edge_runtime.options import SourceOptions
from edge_runtime.raw import Frame
from edge_runtime.sources.base import BaseSource
from edge_runtime.sources.capture_messages import (
    CaptureRequest,
    Finished,
    FrameInSlot,
    FromCapture,
    NewPool,
    SourceFailed,
    SourceOpened,
    SourceWaiting,
    decode_from_capture,
    encode_request,
)
from edge_runtime.sources.known_cause import KnownCause

# Why its process is gone, and what to do about it.
DEATHS: DeathTexts = {
    "template": N_("the process that all sources are started by ended: started again"),
    "memory": N_(
        "what it sends needs more memory to be decoded than the {limit:.0f} MiB that one source "
        "may take; give it a smaller picture, and check that the address is the camera's"
    ),
    "killed": N_(
        "its process was killed, by somebody or by the kernel because the board's memory is full "
        "(`journalctl -k` tells); give it a smaller picture, or use fewer streams"
    ),
    "crashed": N_(
        "its decoder crashed ({signal}) on what it was sent; check that the address is the "
        "camera's and the file is whole"
    ),
    "ended": N_("its capture process ended (status {status})"),
}
ENTRY = "edge_runtime.sources.capture_process:run"
MAX_SIDE = 16384
LEAVE_S = 1.0  # for saying goodbye to a camera, which counts its viewers
# Of one call, beside its patience: whoever calls need not watch over it.
LONGEST_CALL_S = LONGEST_START_S + LEAVE_S + KILL_TIMEOUT_S
MAX_CONTROL_MESSAGES = 1000  # in a row; the queue between the processes holds fewer
LONGEST_PAUSE_S = 2 * 86_400.0  # of a file; its stamps are believed up to a day
LATEST_WALL_S = 253_402_300_799.0  # the last second of the year 9999


class IsolatedSource(BaseSource[Frame]):
    """Frames that another process decodes. `slots`: pictures that may be in use at once.

    `patience_s`: how long the process may say nothing; None: as long as such a source may. What it
    says may be a stranger's doing.
    """

    def __init__(
        self,
        options: SourceOptions,
        clock: Clock,
        children: ChildFactory,
        *,
        slots: int,
        patience_s: float | None = None,
    ) -> None:
        super().__init__()
        self.lossless = options.is_lossless
        self._is_live = options.pacing == "live"
        self._request = CaptureRequest(options, slots)
        self._cause = KnownCause(clock)
        self._clock = clock
        self._children = children
        self._patience_s = options.child_silence_limit_s if patience_s is None else patience_s
        self._limits = ChildLimits(decoder_memory_bytes(), sandbox=sandbox_of(options))
        self._child: Child | None = None
        self._pool: FramePool | None = None
        self._generation = -1
        self._pending: FromCapture | None = None
        self._due_s = -math.inf  # the process said that nothing comes before
        self._given = 0
        self._last: Stamp | None = None
        self._shift_s: float | None = None

    def close(self) -> None:
        self._closed.set()
        child = self._child
        if child is not None:
            child.channel.hang_up()  # a pending read ends now
        super().close()

    def _open(self) -> None:
        try:
            self._child = self._children.start(
                ENTRY,
                encode_request(self._cause.permitted(self._request)),
                name="edge-capture",
                limits=self._limits,
            )
        except ChildStartError as error:
            raise SourceError(error.text) from None
        self._check_open()  # it may have been closed before there was a channel to hang up
        self._shift_s = None
        self._due_s = -math.inf
        message = self._next_message(self._child)
        if not isinstance(message, SourceOpened):
            raise protocol_error(type(message).__name__)
        self.codec = message.codec

    def _read(self) -> Frame | None:
        assert self._child is not None
        message, self._pending = self._pending or self._next_message(self._child), None
        if isinstance(message, Finished):
            self.notice = message.notice
            return None
        message, frame = self._frame(self._child, message)
        if self._is_live:
            message, frame = self._latest(self._child, message, frame)
        self.notice = message.notice
        self._cause.forget()
        self._given += 1
        return frame

    def _latest(
        self, child: Child, message: FrameInSlot, frame: Frame
    ) -> tuple[FrameInSlot, Frame]:
        """Pass over pictures behind which a newer one has come: a live view is never behind."""
        for _ in range(self._request.slots):  # more cannot wait
            newer = self._receive(child, 0.0)
            if newer is None:
                break
            if not isinstance(newer, FrameInSlot):
                self._pending = newer
                break
            message, frame = self._frame(child, newer)
        return message, frame

    def _next_message(self, child: Child) -> FromCapture:
        """Wait for the next message. Raises SourceError where none comes, and ends the child."""
        begun_s = self._clock.monotonic()
        for _ in range(MAX_CONTROL_MESSAGES):
            left_s = max(begun_s, self._due_s) + self._patience_s - self._clock.monotonic()
            message = self._receive(child, left_s)
            if message is None:
                child.kill()
                raise SourceError(
                    "the source gave no answer for {seconds:.0f} s; its process was ended",
                    seconds=self._patience_s,
                )
            if not isinstance(message, NewPool | SourceWaiting):
                return message
        raise protocol_error("it talks without end")

    def _receive(self, child: Child, timeout_s: float) -> FromCapture | None:
        """Return the next message that came in time; what it says of pools and waits is noted."""
        try:
            received = child.channel.receive_with_descriptors(timeout_s)
        except ChannelClosedError:
            self._check_open()
            raise SourceError(death_text(child, LEAVE_S, self._limits.data_bytes, DEATHS)) from None
        if received is None:
            return None
        raw, descriptors = received
        try:
            return self._handle(raw, descriptors)
        except (msgspec.DecodeError, SharedMemoryError) as error:
            raise protocol_error(str(error)) from None
        finally:
            close_all(descriptors)

    def _handle(self, raw: bytes, descriptors: tuple[int, ...]) -> FromCapture:
        message = decode_from_capture(raw)
        match message:
            case NewPool():
                if len(descriptors) != 1:
                    raise SharedMemoryError("a pool without its memory")
                self._adopt(message, descriptors[0])
            case SourceWaiting(until_s=until_s):
                # It says so as it begins to wait, and waits for one moment at a time.
                now_s = self._clock.monotonic()
                if not (self._due_s <= now_s and until_s <= now_s + LONGEST_PAUSE_S):
                    raise SharedMemoryError("it waits for what does not come")
                self._due_s = until_s
            case SourceFailed():
                raise self._cause.of(message)
        return message

    def _adopt(self, message: NewPool, descriptor: int) -> None:
        """Take over a larger pool: only where its pictures have grown there is another."""
        if message.slots != self._request.slots:
            raise SharedMemoryError("a pool of another size than was asked for")
        if self._pool is not None:
            if message.slot_bytes <= self._pool.slot_bytes:
                raise SharedMemoryError("a pool no larger than the last one")
            self._pool.close()
        self._pool = FramePool.attach(os.dup(descriptor), message.slots, message.slot_bytes)
        self._generation = (self._generation + 1) % 256

    def _frame(self, child: Child, message: FromCapture) -> tuple[FrameInSlot, Frame]:
        if self._pool is None or not isinstance(message, FrameInSlot):
            raise protocol_error(type(message).__name__)
        unused = partial(child.channel.post, bytes((self._generation, message.slot % 256)))
        try:
            check_shape(message.shape)
            stamp = self._in_order(message.stamp)
            image = self._pool.picture(message.slot, message.shape, unused)
        except SharedMemoryError as error:
            raise protocol_error(str(error)) from None
        return message, Frame(self._given, image, stamp)

    def _in_order(self, stamp: Stamp) -> Stamp:
        """Return a stamp behind all earlier ones: the media time of a file goes on when it is
        opened again, and only the process knew it. Raises SharedMemoryError for no stamp at all.
        """
        if not (0.0 <= stamp.wall_s <= LATEST_WALL_S and math.isfinite(stamp.monotonic_s)):
            raise SharedMemoryError("its pictures have no time")
        if self._shift_s is None:
            behind_s = self._last.monotonic_s - stamp.monotonic_s if self._last is not None else 0.0
            self._shift_s = behind_s + 0.001 if behind_s > 0.0 else 0.0
        shifted = stamp.later(self._shift_s) if self._shift_s else stamp
        if self._last is not None and shifted.monotonic_s < self._last.monotonic_s:
            raise SharedMemoryError("its pictures go back in time")
        self._last = shifted
        return shifted

    def _release(self) -> None:
        if self._child is not None:
            self._child.close(LEAVE_S)
            self._child = None
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        self._pending = None
        self._generation = -1


def protocol_error(what: str) -> SourceError:
    """Return the error for a capture process that says what none of ours would."""
    return SourceError(
        "its capture process does not speak as it should ({what}); it was ended", what=what
    )


def sandbox_of(options: SourceOptions) -> Sandbox:
    """Return what the process of a source may open: the network, or its files alone."""
    return Sandbox(read=tuple(map(str, options.reads)), network=options.is_network)


def check_shape(shape: tuple[int, ...]) -> None:
    """Raise SharedMemoryError where a shape is no picture's, grey or BGR."""
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        raise SharedMemoryError("its pictures have the shape {shape}", shape=list(shape))
    if not all(1 <= side <= MAX_SIDE for side in shape):
        raise SharedMemoryError("its pictures have the shape {shape}", shape=list(shape))
