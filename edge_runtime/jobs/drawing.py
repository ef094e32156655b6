"""A frame with its boxes drawn, for eyes on the device alone: never published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np

from edge_runtime.boxes import Box
from edge_runtime.clock import ManualClock
from edge_runtime.errors import SourceError, Text, UsageError
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import open_pack_backend
from edge_runtime.model.runner import Model, ModelRunner
from edge_runtime.options import VideoOptions
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.raw import Image
from edge_runtime.records import Detections
from edge_runtime.sources.video import VideoSource
from edge_runtime.stream.frame_tap import SeenObject
from edge_runtime.stream.jpeg import decode_jpeg, encode_jpeg

COLOURS_BGR = ((60, 180, 75), (48, 130, 245), (230, 50, 140), (25, 225, 255), (240, 240, 70))
EVERY = 5  # frames looked at: neighbours look alike


def draw_best_frame(pack_folder: Path, clip: Path, picture: Path, min_score: float = 0.5) -> Text:
    """Find the frame with the most objects, draw them, save it, and say what it shows."""
    pack = open_pack(pack_folder)
    runner = ModelRunner(Model(pack, None, None, open_pack_backend("auto")))
    best: tuple[Image, Detections] | None = None
    source = VideoSource(VideoOptions(clip, realtime=False), ManualClock())
    source.open()
    while (frame := source.read()) is not None:
        if frame.index % EVERY:
            continue
        seen = runner.run(frame.image, min_score)
        if isinstance(seen, Detections) and (best is None or richness(seen) > richness(best[1])):
            best = frame.image.copy(), seen
    source.close()
    runner.close()
    if best is None:
        raise SourceError("{clip}: no frame could be read", clip=clip)
    save(draw(best[0], best[1], pack), picture)
    return Text("{file}: {count} objects", file=picture, count=len(best[1].objects))


def save(image: Image, picture: Path) -> None:
    """Write a picture in the format that its name ends in. Raises UsageError."""
    try:
        written = cv2.imwrite(str(picture), image)
    except cv2.error:  # a format that it does not know
        written = False
    if not written:
        raise UsageError(
            "{picture}: cannot be written; name a file that ends in .png or .jpg, in a folder "
            "that you may write to",
            picture=picture,
        )


def richness(seen: Detections) -> tuple[int, int]:
    """Prefer many kinds of objects, then many objects."""
    return len({one.class_id for one in seen.objects}), len(seen.objects)


def draw(image: Image, seen: Detections, pack: Pack) -> Image:
    """Return the picture, doubled in size, with boxes and labels."""
    canvas: Image = np.asarray(cv2.resize(image, None, fx=2, fy=2), np.uint8)
    for one in seen.objects:
        colour = COLOURS_BGR[one.class_id % len(COLOURS_BGR)]
        draw_box(canvas, one.xyxy, f"{pack.ref.label(one.class_id)} {one.score:.2f}", colour)
    return canvas


def draw_seen(jpeg: bytes, objects: Sequence[SeenObject], quality: int) -> bytes:
    """Return a JPEG with the boxes of what was seen in it. Raises SourceError where it is none."""
    canvas = decode_jpeg(jpeg)
    for one in objects:
        colour = COLOURS_BGR[crc32(one.label.encode()) % len(COLOURS_BGR)]
        draw_box(canvas, one.box, one.caption, colour)
    return encode_jpeg(canvas, canvas.shape[1], quality).data


def draw_box(canvas: Image, box: Box, text: str, colour: tuple[int, int, int]) -> None:
    """Draw a box that is in fractions of the picture, and a text above it."""
    height, width = canvas.shape[:2]
    x1, y1, x2, y2 = box
    corner = (round(x1 * width), round(y1 * height))
    cv2.rectangle(canvas, corner, (round(x2 * width), round(y2 * height)), colour, 2)
    write(canvas, text, (corner[0], max(16, corner[1])), colour)


def write(canvas: Image, text: str, corner: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """Write a label on a filled ground, above and to the right of a corner."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    x, y = corner
    cv2.rectangle(canvas, (x - 1, y - height - 6), (x + width + 3, y), colour, cv2.FILLED)
    cv2.putText(canvas, text, (x + 1, y - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1)
