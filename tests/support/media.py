"""Small real clips and pictures, and ways to read a source."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge_runtime.raw import Frame, Image
from edge_runtime.sources.base import Source

SIZE = (64, 48)


def flat(level: int, size: tuple[int, int] = SIZE) -> Image:
    """Return a picture of one grey level, BGR."""
    return np.full((size[1], size[0], 3), level, np.uint8)


def write_clip(path: Path, frames: int = 20, fps: float = 10.0) -> Path:
    """Write a clip whose frame `i` is of grey level 10 * i (mod 250)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, SIZE)
    for index in range(frames):
        writer.write(flat(index * 10 % 250))
    writer.release()
    return path


def write_pictures(folder: Path, count: int = 5) -> Path:
    """Write pictures whose names sort in the order of their grey levels: 10 * i (mod 250)."""
    folder.mkdir(exist_ok=True)
    for index in range(count):
        assert cv2.imwrite(str(folder / f"{index:03}.png"), flat(index * 10 % 250))
    return folder


def read_all(source: Source) -> list[Frame]:
    """Open a source and read it to its end."""
    source.open()
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def read_some(source: Source, count: int) -> list[Frame]:
    """Read so many frames of an open source."""
    frames = []
    for _ in range(count):
        frame = source.read()
        assert frame is not None
        frames.append(frame)
    return frames
