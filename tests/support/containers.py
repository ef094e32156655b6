"""Video files that OpenCV cannot write: stamps of one's own choice, and none at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2

from support.media import SIZE, flat

JPEG_BEGINS = b"\xff\xd8\xff"
JPEG_ENDS = b"\xff\xd9"
I_PCM = 25
MACROBLOCK_BYTES = 384  # 16x16 of luma, 8x8 of each chroma


def write_matroska(path: Path, stamps_s: Sequence[float]) -> Path:
    """Write JPEG frames with these stamps; frame `i` is of grey level 10 * i (mod 250)."""
    head = element(
        "1A45DFA3", element("4282", b"matroska"), element("4287", b"\x02"), element("4285", b"\x02")
    )
    info = element("1549A966", element("2AD7B1", (1_000_000).to_bytes(4, "big")))
    size = [
        element(name, side.to_bytes(2, "big"))
        for name, side in zip(("B0", "BA"), SIZE, strict=True)
    ]
    track = element(
        "AE", element("D7", b"\x01"), element("73C5", b"\x01"), element("83", b"\x01"),
        element("86", b"V_MJPEG"), element("E0", *size),
    )  # fmt: skip
    clusters = [cluster(round(at_s * 1000.0), index) for index, at_s in enumerate(stamps_s)]
    segment = element("18538067", info, element("1654AE6B", track), *clusters)
    path.write_bytes(head + segment)
    return path


def cluster(at_ms: int, index: int) -> bytes:
    """Return one frame in a cluster of its own: any moment can be written, and in any order."""
    block = b"\x81" + bytes(2) + b"\x80" + jpeg(index)
    return element("1F43B675", element("E7", at_ms.to_bytes(8, "big")), element("A3", block))


def element(name: str, *content: bytes) -> bytes:
    """Return an EBML element; its size takes eight bytes."""
    body = b"".join(content)
    return bytes.fromhex(name) + (len(body) | 1 << 56).to_bytes(8, "big") + body


def jpeg(index: int) -> bytes:
    done, data = cv2.imencode(".jpg", flat(index * 10 % 250))
    assert done
    return data.tobytes()


def damage(path: Path, frames: Iterable[int]) -> Path:
    """Overwrite JPEG frames of a file, so that they cannot be decoded."""
    content = path.read_bytes()
    parts = content.split(JPEG_BEGINS)
    for frame in frames:
        data, ends, rest = parts[frame + 1].rpartition(JPEG_ENDS)
        parts[frame + 1] = bytes(len(data)) + ends + rest
    path.write_bytes(JPEG_BEGINS.join(parts))
    return path


def write_raw_h264(path: Path, frames: int) -> Path:
    """Write an H.264 stream without a container: it names neither stamps nor a rate.

    Its macroblocks are not compressed (I_PCM of ITU-T H.264); each frame stands alone.
    """
    columns, rows = SIZE[0] // 16, SIZE[1] // 16
    sequence = bits(ue(0), ue(0), ue(2), ue(0), "0", ue(columns - 1), ue(rows - 1), "1100")
    picture = bits(ue(0), ue(0), "00", ue(0), ue(0), ue(0), "000", ue(0), ue(0), ue(0), "000")
    units = [b"\x67\x42\x00\x0a" + sequence, b"\x68" + picture]  # baseline, level 1
    units += [b"\x65" + slice_of(index, columns * rows) for index in range(frames)]
    path.write_bytes(b"".join(b"\x00\x00\x00\x01" + unit for unit in units))
    return path


def slice_of(index: int, macroblocks: int) -> bytes:
    """Return a whole picture of one grey level as one slice."""
    level = bytes([10 * index % 200 + 20])  # never 0: no byte has to be escaped
    header = [ue(0), ue(7), ue(0), "0000", ue(index % 2), "00", ue(0)]
    first, other = packed(*header, ue(I_PCM)), packed(ue(I_PCM))
    samples = level * MACROBLOCK_BYTES
    return first + samples + (other + samples) * (macroblocks - 1) + b"\x80"


def ue(number: int) -> str:
    """Return an unsigned number in Exp-Golomb code; a signed 0 is the same."""
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def bits(*parts: str) -> bytes:
    """Return a parameter set's bits, with the 1 that ends them."""
    return packed(*parts, "1")


def packed(*parts: str) -> bytes:
    """Return bits as bytes, filled up with zeros."""
    together = "".join(parts)
    whole = together + "0" * (-len(together) % 8)
    return bytes(int(whole[at : at + 8], 2) for at in range(0, len(whole), 8))
