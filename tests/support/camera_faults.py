"""Faults of a camera, drawn onto pictures of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from edge_runtime.raw import Image

Change = Callable[[Image, int], Image]


class Grain:
    """A sensor's noise: each picture takes a piece of one sheet, from a place of its own."""

    def __init__(self, size: tuple[int, int], seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self._sheet = self.rng.normal(0.0, 1.0, (size[1] + 99, size[0] + 99)).astype(np.float32)

    def over(self, image: Image, _number: int = 0, levels: float = 3.0) -> Image:
        top, left = self.rng.integers(0, 99, 2)
        piece = self._sheet[top : top + image.shape[0], left : left + image.shape[1]]
        if image.ndim == 3:
            piece = cv2.merge([piece] * 3)
        return np.asarray(cv2.addWeighted(image, 1.0, piece, levels, 0.0, dtype=cv2.CV_8U))


@dataclass(frozen=True)
class CameraFault:
    """A fault, the reasons that are right words for it, and whether it is drawn onto a night."""

    name: str
    reasons: tuple[str, ...]
    draw: Callable[[Grain], Change]
    night: bool = False

    def drawn(self, grain: Grain) -> Change:
        return self.draw(grain)


def at_night(grain: Grain) -> Change:
    """Return the scene as a lamp shows it."""
    return lambda image, number: grain.over(scaled(image, 0.18, 2.0), number, 3.0)


def scaled(image: Image, gain: float, offset: float = 0.0) -> Image:
    return np.asarray(cv2.convertScaleAbs(image, alpha=gain, beta=offset))


def blended(image: Image, other: Image, mask: Image) -> Image:
    """Return the picture with another one where the mask (0 to 1) is."""
    part = mask[..., None] if image.ndim == 3 else mask
    return np.asarray(image * (1.0 - part) + other * part, np.uint8)


def frozen(_grain: Grain) -> Change:
    kept: list[Image] = []

    def draw(image: Image, _number: int) -> Image:
        kept.append(image)
        return kept[0]

    return draw


def flat(level: int, levels: float) -> Callable[[Grain], Change]:
    return lambda grain: (
        lambda image, number: grain.over(np.full_like(image, level), number, levels)
    )


def behind_cloth(grain: Grain) -> Change:
    return lambda image, number: grain.over(
        scaled(cv2.GaussianBlur(image, (0, 0), 25), 0.3, 50.0), number
    )


def shifted(across: float, down: float) -> Callable[[Grain], Change]:
    def make(_grain: Grain) -> Change:
        def draw(image: Image, _number: int) -> Image:
            height, width = image.shape[:2]
            matrix = np.array([[1, 0, across * width], [0, 1, down * height]], np.float32)
            return warped(image, matrix)

        return draw

    return make


def turned(_grain: Grain) -> Change:
    def draw(image: Image, _number: int) -> Image:
        height, width = image.shape[:2]
        return warped(image, cv2.getRotationMatrix2D((width / 2, height / 2), 12, 1.1))

    return draw


def warped(image: Image, matrix: np.ndarray) -> Image:
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT))


def blurred(sigma: float) -> Callable[[Grain], Change]:
    return lambda grain: (
        lambda image, number: grain.over(cv2.GaussianBlur(image, (0, 0), sigma), number, 2.0)
    )


def fogged(grain: Grain) -> Change:
    def draw(image: Image, number: int) -> Image:
        return grain.over(scaled(cv2.GaussianBlur(image, (0, 0), 3), 0.35, 130.0), number, 2.0)

    return draw


def spots(*places: tuple[float, float, float], tone: int) -> Callable[[Grain], Change]:
    """Return what lies on the glass: far out of focus, so that its rims are soft."""

    def make(grain: Grain) -> Change:
        def draw(image: Image, number: int) -> Image:
            mask = discs(image, places, 0.03) * 0.9
            veil = scaled(cv2.GaussianBlur(image, (0, 0), 10), 0.3, 0.7 * tone)
            return grain.over(blended(image, veil, mask), number, 2.0)

        return draw

    return make


def discs(image: Image, places: tuple[tuple[float, float, float], ...], soft: float) -> Image:
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.float32)
    for x, y, radius in places:
        cv2.circle(mask, (int(x * width), int(y * height)), int(radius * width), 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft * width))


def blown_out(_grain: Grain) -> Change:
    return lambda image, _number: scaled(image, 4.0, 120.0)


def dazzled(grain: Grain) -> Change:
    def draw(image: Image, number: int) -> Image:
        night = at_night(grain)(image, number)
        light = discs(image, ((0.6, 0.5, 0.2),), 0.06)
        hazy = night + 40.0 + 330.0 * (light[..., None] if night.ndim == 3 else light)
        return np.asarray(np.clip(hazy, 0, 255), np.uint8)

    return draw


def swarmed(grain: Grain) -> Change:
    def draw(image: Image, number: int) -> Image:
        night = at_night(grain)(image, number)
        height, width = image.shape[:2]
        for x, y, angle in grain.rng.uniform((0, 0, 0), (width, height, 6.3), (25, 3)):
            length = grain.rng.uniform(2, 16)
            end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
            cv2.line(night, (int(x), int(y)), end, (230, 230, 230), int(grain.rng.integers(2, 5)))
        return np.asarray(cv2.GaussianBlur(night, (0, 0), 0.9))

    return draw


FAULTS = (
    CameraFault("the same picture", ("frozen",), frozen),
    CameraFault("covered, black", ("covered",), flat(5, 1.5)),
    CameraFault("covered, paper", ("covered",), flat(150, 3.0)),
    CameraFault("covered, thin cloth", ("covered", "blurred"), behind_cloth),
    CameraFault("shifted by 6 %", ("moved",), shifted(0.06, 0.02)),
    CameraFault("shifted by 20 %", ("moved",), shifted(0.2, 0.05)),
    CameraFault("shifted by half the picture", ("moved",), shifted(0.5, 0.1)),
    CameraFault("turned by 12 degrees", ("moved",), turned),
    CameraFault("out of focus", ("blurred",), blurred(4.5)),
    CameraFault("far out of focus", ("blurred",), blurred(9.0)),
    CameraFault("fogged", ("blurred",), fogged),
    CameraFault("mud on the glass", ("dirty",), spots((0.3, 0.6, 0.2), tone=75)),
    CameraFault(
        "bright smears", ("dirty",), spots((0.72, 0.68, 0.17), (0.22, 0.3, 0.14), tone=155)
    ),
    CameraFault("too dark", ("dark",), flat(3, 1.0), night=True),
    CameraFault("blown out", ("overexposed",), blown_out),
    CameraFault("dazzled at night", ("glare",), dazzled, night=True),
    CameraFault("insects at night", ("insects",), swarmed, night=True),
)
