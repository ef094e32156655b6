"""What is looked at in a camera's frames: the small grey picture, averaged, and what it shows."""

from __future__ import annotations

from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.camera_health.grid import CELL_COLUMNS, CELL_ROWS, EDGE_SIZE, Floats, PictureLook
from edge_runtime.motion import SmallPicture
from edge_runtime.raw import Image

AVERAGED_S = 4.0  # what passes and the sensor's noise vanish, what stays is there after 12 s
ROWS_COMPARED = 90  # of a frame, as they came: whether it is the same picture again
BRIGHT = 240  # a pixel that is as good as blown out
FLECK_LEVELS = 45  # so much brighter than before is an insect or a drop in the lamp's light
MOST_FLECKS = 60  # that are looked at in one picture
FLECK_PART = 0.02  # of the picture: what is larger is no fleck
OUTLINE = np.ones((3, 3), np.uint8)


class AveragedPicture:
    """Takes frames of one camera, a few a second; always in the same memory."""

    def __init__(self) -> None:
        self._small: SmallPicture | None = None
        self._average: Floats = np.zeros((1, 1), np.float32)
        self._seen_s = 0.0
        self._fingerprint = 0
        self._same_since_s = 0.0
        self._flecks = Flecks()

    def take(self, image: Image, at_s: float) -> None:
        """Take in a frame."""
        passed_s, self._seen_s = max(0.0, at_s - self._seen_s), at_s
        fingerprint = fingerprint_of(image)
        if self._small is None or self._small.shape != image.shape:
            self._small = SmallPicture(image.shape)
            self._average = self._small.take(image).astype(np.float32)
            self._fingerprint, self._same_since_s = fingerprint, at_s
            self._flecks = Flecks()
            return
        if fingerprint != self._fingerprint:
            self._fingerprint, self._same_since_s = fingerprint, at_s
        grey = self._small.take(image)
        self._flecks.take(grey, self._average, passed_s)
        cv2.accumulateWeighted(grey, self._average, 1.0 - float(np.exp(-passed_s / AVERAGED_S)))

    def look(self) -> PictureLook:
        """Return what the picture shows at present."""
        average = self._average
        outline = np.asarray(cv2.morphologyEx(average, cv2.MORPH_GRADIENT, OUTLINE), np.float32)
        fine = np.asarray(cv2.Laplacian(average, cv2.CV_32F), np.float32)
        blown = (average >= BRIGHT).astype(np.float32)
        return PictureLook(
            edges=resized(outline, EDGE_SIZE),
            detail=np.sqrt(by_cell(fine * fine)),
            levels=by_cell(average),
            bright=by_cell(blown),
            highest=float(np.percentile(average, 98)),
            flecks=self._flecks.mean,
            flecked=self._flecks.spread,
            same_s=self._seen_s - self._same_since_s,
        )


class Flecks:
    """Bright spots that come and go in the dark: how many in a picture, and where in it."""

    REMEMBERED_S = 20.0

    def __init__(self) -> None:
        self.mean = 0.0
        self._where: Floats = np.zeros((CELL_ROWS, CELL_COLUMNS), np.float32)

    @property
    def spread(self) -> float:
        """In which share of the cells one was seen lately."""
        return float(np.mean(self._where > 0.25))

    def take(self, grey: Image, average: Floats, passed_s: float) -> None:
        """Take in the next picture, and the average of those before."""
        keep = float(np.exp(-passed_s / self.REMEMBERED_S))
        self._where *= keep
        places = flecks_in(grey, average)
        self.mean = keep * self.mean + (1.0 - keep) * len(places)
        if len(places):
            scale = (CELL_COLUMNS / grey.shape[1], CELL_ROWS / grey.shape[0])
            columns, rows = (places * scale).astype(int).T
            self._where[rows, columns] = 1.0


def flecks_in(grey: Image, average: Floats) -> NDArray[np.float64]:
    """Return the centres (x, y) of small spots that are far brighter than the average."""
    before = cv2.convertScaleAbs(average)
    over = cv2.subtract(grey, before)
    mask = cv2.threshold(over, FLECK_LEVELS, 1, cv2.THRESH_BINARY)[1]
    if not cv2.countNonZero(mask):
        return np.empty((0, 2))
    _, _, stats, centres = cv2.connectedComponentsWithStats(mask)
    small = stats[1:, cv2.CC_STAT_AREA] <= FLECK_PART * grey.size
    return np.asarray(centres[1:][small][:MOST_FLECKS])


def fingerprint_of(image: Image) -> int:
    """Return a number that is another one for another picture: of rows as they came."""
    step = max(1, image.shape[0] // ROWS_COMPARED)
    return crc32(np.ascontiguousarray(image[step // 2 :: step]).data)


def by_cell(picture: Floats) -> Floats:
    """Return the mean of each cell."""
    return resized(picture, (CELL_COLUMNS, CELL_ROWS))


def resized(picture: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
