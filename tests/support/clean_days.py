"""Days of a camera without a fault: light, weather and traffic change, the camera does not."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edge_runtime.raw import Image
from support.camera_faults import Grain

DAY_S = 86_400.0
BEGIN_S = 36_000.0  # 10:00
DAWN_H, DUSK_H, TWILIGHT_H = 5.7, 18.3, 0.8
NIGHT_LIGHT = 0.15
SKETCH_S = 30.0  # so long a shadow stands still

# Hours of the day, place and size in fractions of the picture, grey level.
LORRIES = (
    (11.0, 13.5, (0.25, 0.35, 0.45, 0.42), 210),
    (15.0, 16.5, (0.05, 0.45, 0.35, 0.35), 60),
    (20.0, 23.0, (0.5, 0.5, 0.4, 0.35), 120),
    (2.0, 6.5, (0.3, 0.4, 0.5, 0.4), 200),
)
RAIN = ((13.0, 14.5), (22.0, 23.5), (4.0, 5.0))


class CleanDay:
    """Makes the picture of a moment; of the same moments in order the same pictures."""

    def __init__(self, frames: list[Image], seed: int) -> None:
        grey = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8) for frame in frames]
        self._frames = grey
        height, width = grey[0].shape
        self._grain = Grain((width, height), seed)
        self._rng = np.random.default_rng((seed, 9))
        self._infrared = seed % 2 == 1
        self._cloud = self._cloud_goal = 1.0
        self._lamp = lamp_light(width, height)
        self._shade = np.full((height, width), 255, np.uint8)
        self._shaded_s = -math.inf
        self.about = ""

    def picture(self, at_s: float) -> Image:
        """Return the picture of a moment (seconds since the beginning)."""
        hour = (at_s + BEGIN_S) / 3600.0 % 24.0
        day = daylight(hour)
        self.about = f"daylight {day:.2f}, clouds {self._cloud:.2f}"
        image = self._frames[int(at_s * 2.0) % len(self._frames)].copy()
        for begin, end, place, tone in LORRIES:
            if begin <= hour < end:
                draw_lorry(image, place, tone)
        image = self._lit(image, at_s, day)
        if day < 0.3:
            self._headlights(image, at_s)
        if any(begin <= hour < end for begin, end in RAIN):
            self._rain(image, day)
        return self._grain.over(image, 0, 2.0 + 3.0 * (1.0 - day))

    def _lit(self, image: Image, at_s: float, day: float) -> Image:
        if self._rng.random() < 0.004:  # a cloud comes or goes, within seconds
            self._cloud_goal = self._rng.uniform(0.55, 1.15)
        self._cloud += (self._cloud_goal - self._cloud) * 0.2
        if at_s - self._shaded_s >= SKETCH_S:
            self._shaded_s = at_s
            self._shade = self._shades(at_s, day * max(0.0, self._cloud - 0.5))
        image = np.asarray(cv2.multiply(image, self._shade, scale=1.0 / 255.0))
        gain = NIGHT_LIGHT + (self._cloud - NIGHT_LIGHT) * day
        image = np.asarray(cv2.convertScaleAbs(image, alpha=gain))
        if day < 0.5:  # a lamp goes on, by infrared where the camera has that
            lit = self._frames[int(at_s * 2.0) % len(self._frames)]
            lamp = self._lamp if not self._infrared else np.full_like(self._lamp, 110)
            added = cv2.multiply(
                cv2.LUT(lit, INFRARED) if self._infrared else lit, lamp, scale=1 / 255
            )
            image = np.asarray(cv2.add(image, added))
        return image

    def _shades(self, at_s: float, strength: float) -> Image:
        """Return how the sun's shadows lie: those of a house and of trees, which wander."""
        height, width = self._shade.shape
        shade = np.full((height, width), 255, np.uint8)
        depth = int(255 * (1.0 - min(0.6, strength)))
        edge = int(width * (0.5 + 0.7 * math.sin(at_s / DAY_S * math.tau)))
        corners = np.array(
            [(0, height), (edge, height), (edge - width // 4, height // 3), (0, height // 3)]
        )
        cv2.fillConvexPoly(shade, corners, depth)
        for number in range(6):
            x = int(width * ((0.17 * number + at_s / 40_000.0) % 1.0))
            cv2.circle(shade, (x, int(height * 0.8)), width // 22, depth, -1)
        return np.asarray(cv2.blur(shade, (3, 3)))

    def _headlights(self, image: Image, at_s: float) -> None:
        height, width = image.shape
        for lane, speed in ((0.62, 0.05), (0.75, -0.07), (0.68, 0.03)):
            if math.sin(at_s / 40.0 + lane * 9.0) > 0.0:
                x = int((at_s * speed + lane) % 1.0 * width)
                for off in (0, width // 40):
                    cv2.circle(image, (x + off, int(lane * height)), width // 60, 255, -1)

    def _rain(self, image: Image, day: float) -> None:
        height, width = image.shape
        heads = self._rng.uniform((0, -0.1), (1, 1), (120, 2)) * (width, height)
        ends = heads + self._rng.uniform(0.02, 0.06, (120, 1)) * height * (-0.18, 1.0)
        streaks = np.rint(np.stack((heads, ends), axis=1)).astype(np.int32)
        tone = 60.0 + 120.0 * day
        cv2.polylines(image, list(streaks), False, (tone,), 1)


INFRARED = np.clip(30.0 + 0.6 * np.arange(256), 0, 255).astype(np.uint8)


def daylight(hour: float) -> float:
    """Return 0 at night to 1 by day."""
    rise = (hour - DAWN_H) / TWILIGHT_H
    fall = (DUSK_H - hour) / TWILIGHT_H
    return min(1.0, max(0.0, min(rise, fall) + 0.5))


def lamp_light(width: int, height: int) -> Image:
    """Return the cone of a street lamp."""
    y, x = np.mgrid[0:height, 0:width]
    far = np.hypot((x - 0.4 * width) / width, 1.4 * (y - 0.6 * height) / height)
    return np.asarray(150.0 * np.exp(-((far / 0.35) ** 2)), np.uint8)


def draw_lorry(image: Image, place: tuple[float, float, float, float], tone: int) -> None:
    """Draw a box truck from the side: a large plain area with an outline, a window and wheels."""
    height, width = image.shape[:2]
    x, y, across, high = (round(v * s) for v, s in zip(place, (width, height) * 2, strict=True))
    cv2.rectangle(image, (x, y), (x + across, y + high), (tone,) * 3, -1)
    cab = x + int(across * 0.8)
    cv2.rectangle(image, (cab, y + high // 8), (cab + across // 6, y + high // 2), (45,) * 3, -1)
    cv2.line(image, (cab - across // 20, y), (cab - across // 20, y + high), (tone // 2,) * 3, 2)
    for part in (0.15, 0.8):
        cv2.circle(image, (x + int(across * part), y + high), high // 7, (25,) * 3, -1)
