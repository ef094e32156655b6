"""Pictures in memory that two or more processes share: written once, read in place.

A pool is a row of slots of one size in shared memory. Its owner fills a free slot and tells the
readers its number; each reader holds a `Lease` while its picture is in use. A reader never writes.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable

import numpy as np

from edge_runtime.isolation.memory import (
    SharedMemoryError,
    closed_on_error,
    create_sealed,
    map_sealed,
)
from edge_runtime.raw import Image

PAGE_BYTES = 4096
# 4096 x 3072 in colour: the largest camera that one meets has 12 megapixels.
MAX_FRAME_BYTES = 40 * 1024 * 1024
MAX_SLOTS = 64


class Lease:
    """Keeps a slot in use as long as a picture, or any part of it that was sliced, is alive."""

    def __init__(
        self, memory: mmap.mmap, address: int, shape: tuple[int, ...], release: Callable[[], None]
    ) -> None:
        self._memory = memory  # stays mapped until the last picture is gone
        self._release = release
        self.__array_interface__ = {
            "shape": shape,
            "typestr": "|u1",
            "data": (address, False),
            "version": 3,
        }

    def __del__(self) -> None:
        self._release()


class FramePool:
    """Slots for pictures of at most `slot_bytes` each, in an anonymous file.

    Made by `create` in one process and by `attach` in the others, from the file's descriptor.
    """

    def __init__(self, descriptor: int, slots: int, slot_bytes: int) -> None:
        """Map the file. Takes the descriptor over where it succeeds. Raises SharedMemoryError."""
        self._memory = map_sealed(descriptor, slots * slot_bytes)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self.descriptor = descriptor
        self.slots = slots
        self.slot_bytes = slot_bytes

    @classmethod
    def create(cls, slots: int, frame_bytes: int) -> FramePool:
        """Make a pool for pictures of `frame_bytes`. Raises SharedMemoryError, OSError."""
        check_bounds(slots, frame_bytes)
        slot_bytes = -(-frame_bytes // PAGE_BYTES) * PAGE_BYTES
        descriptor = create_sealed("edge-runtime-frames", slots * slot_bytes)
        with closed_on_error(descriptor):
            return cls(descriptor, slots, slot_bytes)

    @classmethod
    def attach(cls, descriptor: int, slots: int, slot_bytes: int) -> FramePool:
        """Map a pool that another process announced. Takes the descriptor over, whatever comes.

        Raises SharedMemoryError: what it announces is not believed.
        """
        with closed_on_error(descriptor):
            check_bounds(slots, slot_bytes)
            return cls(descriptor, slots, slot_bytes)

    def picture(self, slot: int, shape: tuple[int, ...], release: Callable[[], None]) -> Image:
        """Return the picture in a slot, uint8 of `shape`; `release` is called when it is unused.

        Raises SharedMemoryError where slot or shape are none of this pool's.
        """
        size_bytes = 1
        for side in shape:
            size_bytes *= side
        if not 0 <= slot < self.slots or min(shape, default=0) < 1 or size_bytes > self.slot_bytes:
            raise SharedMemoryError(
                "no picture of the pool: slot {slot}, {shape}", slot=slot, shape=list(shape)
            )
        address = self._address + slot * self.slot_bytes
        return np.asarray(Lease(self._memory, address, shape, release))

    def close(self) -> None:
        """Close the descriptor. The memory stays until the last picture in it is unused."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def check_bounds(slots: int, size_bytes: int) -> None:
    """Raise SharedMemoryError where a pool would be larger than any camera needs."""
    if not 1 <= slots <= MAX_SLOTS or not 1 <= size_bytes <= MAX_FRAME_BYTES:
        raise SharedMemoryError(
            "a picture of {size:.0f} MB is too large; the limit is {limit:.0f} MB",
            size=size_bytes / 1e6,
            limit=MAX_FRAME_BYTES / 1e6,
        )
