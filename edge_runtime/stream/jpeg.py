"""Frames as JPEG: the one form in which pictures leave the process, on this board alone."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np

from edge_runtime.errors import SourceError
from edge_runtime.raw import Image


class Jpeg(msgspec.Struct, frozen=True):
    """An encoded picture and its size in pixels."""

    data: bytes
    width: int
    height: int


def encode_jpeg(image: Image, width: int, quality: int) -> Jpeg:
    """Encode a picture (uint8, BGR or grey), made smaller where it is wider than `width`.

    `quality`: 1..100. Raises SourceError for what is no picture.
    """
    try:
        if image.shape[1] > width:
            height = max(1, round(image.shape[0] * width / image.shape[1]))
            image = np.asarray(
                cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8
            )
        done, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    except cv2.error as error:
        raise SourceError("the picture cannot be encoded ({reason})", reason=str(error)) from None
    if not done:
        raise SourceError("the picture cannot be encoded: {shape}", shape=list(image.shape))
    return Jpeg(data.tobytes(), image.shape[1], image.shape[0])


def decode_jpeg(data: bytes) -> Image:
    """Return a picture, uint8, BGR. Raises SourceError for what is none."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise SourceError("what came is no JPEG picture")
    return np.asarray(image, np.uint8)
