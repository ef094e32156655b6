"""What moves in a stream's pictures, and where: each is held against what was there before."""

from __future__ import annotations

import math
from collections import deque

import cv2
import msgspec
import numpy as np

from edge_runtime.boxes import FULL_FRAME, Box
from edge_runtime.options import MotionOptions
from edge_runtime.raw import Frame, Image

SMALL_PX = 160  # the longer side of the picture that motion is looked for in
# Grey levels a second by which a background follows the picture. The quick one takes in a parked
# car after 20 to 40 s and keeps up with the light; the slow one still knows what lies behind
# someone who stood there for a minute, so that no ghost is left when they go.
QUICK_PER_S = 4.0
SLOW_PER_S = 0.2
# The crop: of what moved so long ago at most; larger than this part of the frame's width it gains
# little over the whole; smaller it is a few pixels blown up.
REGION_S = 1.0
LARGEST_CROP = 0.7
SMALLEST_CROP = 0.25
CROP_MARGIN = 0.2
CROP_STEP = 1 / 16
SCENE_CHANGE = 0.4  # of the pixels at once: the light or the camera changed, nothing that moves
STILL_S = 0.5  # so long must a new scene be unchanged before ghosts are looked for in it
# Edges in the background by edges in the picture, where they differ. Measured on clips: 2.0 to 2.3
# for a ghost, 0.98 to 1.11 for a thing that is there.
GHOST = 1.5
OUTLINE = np.ones((3, 3), np.uint8)


class Movement(msgspec.Struct, frozen=True):
    """What one frame shows: whether all of it is new, and when something moved last."""

    is_new_scene: bool
    moved_s: float


class MotionDetector:
    """Holds frames against what was there before, on a grey picture of 160 pixels.

    A new scene (the light or the camera changed) starts from a new background. What moved through
    it just then would leave a ghost when it goes: once the scene is still,
    it is looked for.
    """

    def __init__(self, options: MotionOptions) -> None:
        self._options = options
        self._picture: SmallPicture | None = None
        self._mask: Image = np.zeros((1, 1), np.uint8)
        self._backgrounds: tuple[Background, ...] = ()
        self._seen_s = 0.0
        self._unsettled: Image | None = None  # a new scene's latest picture that differed
        self._differed_s = 0.0
        self._moved_s = -math.inf
        self._moving: deque[tuple[float, Box]] = deque()
        self.region = FULL_FRAME  # of the latest frame, what to look at

    def look(self, frame: Frame) -> Movement:
        """Take in the next frame."""
        now_s = frame.stamp.monotonic_s
        changed = self._take(frame.image, now_s)
        is_new_scene = changed > SCENE_CHANGE
        if not is_new_scene and changed > 0.0 and changed >= self._options.min_area:
            self._moved_s = now_s
        if self._options.crop:
            self.region = self._region(now_s, is_new_scene=is_new_scene)
        return Movement(is_new_scene, self._moved_s)

    def _take(self, image: Image, now_s: float) -> float:
        """Return which fraction of the picture is not background, and learn from it."""
        passed_s = max(0.0, now_s - self._seen_s)
        self._seen_s = now_s
        if self._picture is None or self._picture.shape != image.shape:
            self._picture = SmallPicture(image.shape)
            self._begin(self._picture.take(image))
            return 1.0
        grey = self._picture.take(image)
        changed = self._changed_fraction(grey)
        if changed > SCENE_CHANGE:
            self._begin(grey)
            return changed
        for background in self._backgrounds:
            background.follow(grey, passed_s)
        if self._unsettled is not None:
            self._settle(grey, self._unsettled)
        return changed

    def _begin(self, grey: Image) -> None:
        """Start a new scene."""
        self._seed(grey)
        self._unsettled, self._differed_s = grey.copy(), self._seen_s

    def _settle(self, grey: Image, before: Image) -> None:
        """Once a new scene is still, look whether what it began with has left a ghost."""
        differing = cv2.absdiff(grey, before) > self._options.threshold
        if differing.mean() > self._options.min_area:
            self._unsettled, self._differed_s = grey.copy(), self._seen_s
        elif self._seen_s - self._differed_s >= STILL_S:
            if np.count_nonzero(self._mask) <= self._options.min_area * self._mask.size:
                self._unsettled = None
            elif self._backgrounds[-1].has_a_ghost(self._mask, grey):
                self._seed(grey)
                self._unsettled = None

    def _seed(self, grey: Image) -> None:
        self._backgrounds = (Background(grey, QUICK_PER_S), Background(grey, SLOW_PER_S))

    def _changed_fraction(self, grey: Image) -> float:
        quick, slow = (background.difference(grey) for background in self._backgrounds)
        cv2.min(quick, slow, dst=quick)
        cv2.threshold(quick, self._options.threshold, 1, cv2.THRESH_BINARY, dst=quick)
        self._mask = quick
        return cv2.countNonZero(quick) / quick.size

    def _region(self, now_s: float, *, is_new_scene: bool) -> Box:
        """Return where things moved of late; the whole frame where that is unknown or large."""
        if self._moved_s == now_s:
            self._moving.append((now_s, bounds(self._mask)))
        while len(self._moving) > 1 and now_s - self._moving[0][0] > REGION_S:
            self._moving.popleft()
        if is_new_scene or not self._moving or now_s - self._moved_s > REGION_S:
            return FULL_FRAME
        return crop_around([box for _, box in self._moving])


def bounds(mask: Image) -> Box:
    """Return the box around all pixels that are set, in fractions."""
    x, y, width, height = cv2.boundingRect(mask)
    rows, columns = mask.shape
    return x / columns, y / rows, (x + width) / columns, (y + height) / rows


def crop_around(boxes: list[Box]) -> Box:
    """Return the crop that holds all boxes, of the frame's own shape, with a margin.

    The frame's shape, because a model that is fed whole frames has learnt things so stretched.
    In steps, so that it does not change with every frame.
    """
    x1, y1 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    x2, y2 = max(box[2] for box in boxes), max(box[3] for box in boxes)
    side = max(x2 - x1, y2 - y1) * (1.0 + 2.0 * CROP_MARGIN)
    side = max(SMALLEST_CROP, math.ceil(side / CROP_STEP) * CROP_STEP)
    if side > LARGEST_CROP:
        return FULL_FRAME
    left, top = (
        min(max(0.0, math.floor((low + high - side) / 2.0 / CROP_STEP) * CROP_STEP), 1.0 - side)
        for low, high in ((x1, x2), (y1, y2))
    )
    return left, top, left + side, top + side


class SmallPicture:
    """Shrinks frames of one shape to a soft grey picture, always in the same memory."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        height, width = shape[:2]
        scale = min(1.0, SMALL_PX / max(width, height))
        self.shape = shape
        self._size = (max(1, round(width * scale)), max(1, round(height * scale)))
        self._row_step = max(1, height // self._size[1])
        self._small = np.empty((self._size[1], self._size[0], *shape[2:]), np.uint8)
        self._grey = np.empty((self._size[1], self._size[0]), np.uint8)

    def take(self, image: Image) -> Image:
        """Return the small picture; the next call overwrites it."""
        # Fetching the frame from memory is what costs: whole rows are left out, and INTER_AREA
        # would read every pixel (20 times the time) for what the blur gives as well.
        rows = image[self._row_step // 2 :: self._row_step]
        cv2.resize(rows, self._size, dst=self._small, interpolation=cv2.INTER_LINEAR)
        grey = self._small
        if grey.ndim == 3:
            grey = self._grey
            cv2.cvtColor(self._small, cv2.COLOR_BGR2GRAY, dst=grey)
        cv2.blur(grey, (3, 3), dst=self._grey)
        return self._grey


class Background:
    """What was there before: follows the picture by so many grey levels a second, no faster.

    Unlike a running average it is hardly touched by what passes, however bright that is.
    """

    def __init__(self, grey: Image, levels_per_s: float) -> None:
        self._levels_per_s = levels_per_s
        self._level = grey.copy()
        self._difference = np.empty_like(grey)
        self._limit = np.empty_like(grey)
        self._lower = np.empty_like(grey)
        self._upper = np.empty_like(grey)
        self._owed = 0.0

    def difference(self, grey: Image) -> Image:
        """Return how far each pixel is from the background; the next call overwrites it."""
        cv2.absdiff(grey, self._level, dst=self._difference)
        return self._difference

    def has_a_ghost(self, mask: Image, grey: Image) -> bool:
        """Say whether the edges around what differs are in the background: a thing that has gone.

        Those of a thing that is there are in the picture.
        """
        outline = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, OUTLINE)
        edges = (
            cv2.mean(cv2.morphologyEx(one, cv2.MORPH_GRADIENT, OUTLINE), mask=outline)[0]
            for one in (self._level, grey)
        )
        return next(edges) > GHOST * next(edges)

    def follow(self, grey: Image, passed_s: float) -> None:
        """Move towards the picture by as many whole levels as the time allows."""
        self._owed = min(255.0, self._owed + passed_s * self._levels_per_s)
        levels = int(self._owed)
        if levels:
            self._owed -= levels
            self._limit.fill(levels)
            cv2.subtract(self._level, self._limit, dst=self._lower)
            cv2.add(self._level, self._limit, dst=self._upper)
            np.clip(grey, self._lower, self._upper, out=self._level)
