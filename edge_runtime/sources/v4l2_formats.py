"""What a V4L2 camera offers: its driver, formats, sizes and rates, as the kernel tells them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Iterator

import msgspec

# <linux/videodev2.h>; the numbers hold on every architecture with 32 or 64 bits alike, but for
# struct v4l2_format, which pointers in it align to 8 bytes on 64 bits.
VIDIOC_QUERYCAP = 0x80685600
VIDIOC_ENUM_FMT = 0xC0405602
VIDIOC_ENUM_FRAMESIZES = 0xC02C564A
VIDIOC_ENUM_FRAMEINTERVALS = 0xC034564B
CAPABILITY = struct.Struct("16s 32s 32s 3I 12x")
FORMAT = struct.Struct("3I 32s 2I 12x")  # index, type, flags, description, code, mbus code
SIZES = struct.Struct("3I 6I 8x")  # index, code, type, then what the type says
INTERVALS = struct.Struct("5I 6I 8x")  # index, code, width, height, type, then as above
DISCRETE = 1

FORMAT_BYTES = 208 if struct.calcsize("P") == 8 else 204
VIDIOC_G_FMT = 0xC0005604 | FORMAT_BYTES << 16
VIDIOC_S_FMT = 0xC0005605 | FORMAT_BYTES << 16

CAN_CAPTURE = 0x00000001
CAN_CAPTURE_PLANES = 0x00001000
CAPTURE, CAPTURE_PLANES = 1, 9  # enum v4l2_buf_type
MAX_ENTRIES = 64


class Capability(msgspec.Struct, frozen=True):
    """What a node says of itself (not of the whole device behind it)."""

    driver: str
    card: str
    bus: str
    flags: int

    @property
    def captures(self) -> bool:
        """Whether it gives pictures."""
        return bool(self.flags & (CAN_CAPTURE | CAN_CAPTURE_PLANES))


class FrameSize(msgspec.Struct, frozen=True):
    """A size that a camera offers, with its rates, fastest first; `up_to`: a range ends there."""

    width: int
    height: int
    rates_fps: tuple[float, ...] = ()
    up_to: tuple[int, int] | None = None


class PixelFormatOffer(msgspec.Struct, frozen=True):
    """A format that a camera offers, by its code, such as MJPG."""

    code: str
    description: str
    sizes: tuple[FrameSize, ...] = ()


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """Open a node for questions, which disturbs nobody who takes pictures. Raises OSError."""
    node = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield node
    finally:
        os.close(node)


def capability(node: int) -> Capability:
    """Ask a node what it is. Raises OSError: it is no V4L2 device."""
    answer = bytearray(CAPABILITY.size)
    fcntl.ioctl(node, VIDIOC_QUERYCAP, answer)
    driver, card, bus, _version, of_device, of_node = CAPABILITY.unpack(answer)
    # V4L2_CAP_DEVICE_CAPS, since Linux 3.4: the node's own flags are told apart.
    flags = of_node if of_device & 0x80000000 else of_device
    return Capability(text(driver), text(card), text(bus), flags)


def formats(node: int, *, with_sizes: bool = False) -> list[PixelFormatOffer]:
    """Return what a node offers, of single-plane capture first."""
    found: dict[str, PixelFormatOffer] = {}
    for kind in (CAPTURE, CAPTURE_PLANES):
        for answer in enumerated(node, VIDIOC_ENUM_FMT, FORMAT.size, kind):
            _index, _kind, _flags, description, code, _bus = FORMAT.unpack(answer)
            name = struct.pack("<I", code).decode("ascii", "replace").strip()
            sizes = tuple(frame_sizes(node, code)) if with_sizes else ()
            found.setdefault(name, PixelFormatOffer(name, text(description), sizes))
    return list(found.values())


def frame_sizes(node: int, code: int) -> Iterator[FrameSize]:
    """Yield the sizes of a format, with their rates."""
    for answer in enumerated(node, VIDIOC_ENUM_FRAMESIZES, SIZES.size, code):
        _index, _code, kind, *values = SIZES.unpack(answer)
        if kind == DISCRETE:
            width, height = values[:2]
            yield FrameSize(width, height, tuple(frame_rates(node, code, width, height)))
            continue
        least_w, most_w, _step_w, least_h, most_h, _step_h = values
        rates = tuple(frame_rates(node, code, most_w, most_h))
        yield FrameSize(least_w, least_h, rates, (most_w, most_h))
        return


def frame_rates(node: int, code: int, width: int, height: int) -> Iterator[float]:
    """Yield the rates of a size; of a range the fastest alone."""
    asked = (code, width, height)
    for answer in enumerated(node, VIDIOC_ENUM_FRAMEINTERVALS, INTERVALS.size, *asked):
        *_asked, kind, above, below, _a, _b, _c, _d = INTERVALS.unpack(answer)
        if above:
            yield below / above  # an interval is a fraction of a second
        if kind != DISCRETE:
            return


def enumerated(node: int, request: int, size: int, *asked: int) -> Iterator[bytearray]:
    """Yield each answer of an ioctl that counts; a driver that does not know it has none."""
    for at in range(MAX_ENTRIES):
        answer = bytearray(struct.pack(f"{len(asked) + 1}I", at, *asked).ljust(size, b"\0"))
        try:
            fcntl.ioctl(node, request, answer)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):  # no more of them, or none at all
                return
            raise
        yield answer


def set_same_format(node: int) -> None:
    """Set the format that a node has. Raises OSError, EBUSY where somebody takes its pictures."""
    kind = CAPTURE if capability(node).flags & CAN_CAPTURE else CAPTURE_PLANES
    held = bytearray(struct.pack("I", kind).ljust(FORMAT_BYTES, b"\0"))
    fcntl.ioctl(node, VIDIOC_G_FMT, held)
    fcntl.ioctl(node, VIDIOC_S_FMT, held)


def text(raw: bytes) -> str:
    """Return what a driver calls something."""
    return raw.partition(b"\0")[0].decode(errors="replace").strip()
