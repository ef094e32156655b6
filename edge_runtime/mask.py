"""Parts of the frame that nobody may look at: blackened in it before anything else sees it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import msgspec
import numpy as np

from edge_runtime.boxes import Point
from edge_runtime.raw import Frame

SUBPIXEL_BITS = 8  # corners to 1/256 of a pixel


class PrivacyMask:
    """Blackens polygons, given in fractions of the frame. One thread."""

    def __init__(self, polygons: Sequence[Sequence[Point]]) -> None:
        self.polygons = tuple(tuple(one) for one in polygons)

    def apply(self, frame: Frame) -> Frame:
        """Return the frame with a copy of its image (uint8, (height, width[, 3])) blackened.

        A copy, because streams share cameras, and what a child process decoded is read-only.
        """
        image = frame.image.copy()
        height, width = image.shape[:2]
        scale = np.array([width, height], np.float64) * (1 << SUBPIXEL_BITS)
        for polygon in self.polygons:
            # Pixel 0 has its centre at 0.5 / width: half a pixel less, in OpenCV's coordinates.
            corners = np.array(polygon) * scale - (1 << (SUBPIXEL_BITS - 1))
            rounded = np.round(corners).astype(np.int32)
            cv2.fillPoly(image, [rounded], (0, 0, 0), shift=SUBPIXEL_BITS)
        return msgspec.structs.replace(frame, image=image)
