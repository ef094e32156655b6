"""Where a tracked box is expected: a constant-velocity filter that goes by seconds."""

from __future__ import annotations

from edge_runtime.boxes import Box
from edge_runtime.track.steps import Vector

# The filter's noise, in diagonals of the object's own box: the gains are then the same for a
# near and a far object. A walker crosses about one diagonal a second.
JITTER_VARIANCE = 0.06**2
ACCELERATION_DENSITY = 0.07
FIRST_SPEED_VARIANCE = 1.0


class BoxFilter:
    """Constant-velocity Kalman filter of a box's centre, as of its last sighting.

    All noise scales with the box, so one 2x2 covariance in box diagonals serves both axes. The
    size is smoothed with the same gain but not extrapolated: growth rates turn boxes inside out.
    """

    __slots__ = ("at_s", "cx", "cy", "height", "p00", "p01", "p11", "vx", "vy", "width")

    def __init__(self, box: Box, at_s: float) -> None:
        self.at_s = at_s
        self.cx, self.cy, self.width, self.height = centre_and_size(box)
        self.vx = self.vy = 0.0
        self.p00, self.p01, self.p11 = JITTER_VARIANCE, 0.0, FIRST_SPEED_VARIANCE

    def box_at(self, at_s: float) -> Box:
        """Return the box expected at `at_s`; it may reach beyond the frame."""
        dt = at_s - self.at_s
        cx, cy = self.cx + self.vx * dt, self.cy + self.vy * dt
        w, h = self.width / 2.0, self.height / 2.0
        return cx - w, cy - h, cx + w, cy + h

    def position_variance(self, at_s: float) -> float:
        """Return the variance of the expected centre at `at_s`, in squared diagonals."""
        dt = at_s - self.at_s
        drift = self.p00 + dt * (2.0 * self.p01 + dt * self.p11)
        return drift + ACCELERATION_DENSITY * dt**3 / 3.0

    def see(self, box: Box, at_s: float) -> None:
        """Take in a sighting."""
        dt = at_s - self.at_s
        p00 = self.position_variance(at_s)
        p01 = self.p01 + dt * self.p11 + ACCELERATION_DENSITY * dt**2 / 2.0
        p11 = self.p11 + ACCELERATION_DENSITY * dt
        gain, speed_gain = p00 / (p00 + JITTER_VARIANCE), p01 / (p00 + JITTER_VARIANCE)
        self.p00, self.p01, self.p11 = (1 - gain) * p00, (1 - gain) * p01, p11 - speed_gain * p01

        cx, cy, width, height = centre_and_size(box)
        x, y = self.cx + self.vx * dt, self.cy + self.vy * dt
        self.cx, self.vx = x + gain * (cx - x), self.vx + speed_gain * (cx - x)
        self.cy, self.vy = y + gain * (cy - y), self.vy + speed_gain * (cy - y)
        self.width += gain * (width - self.width)
        self.height += gain * (height - self.height)
        self.at_s = at_s

    def leap(self, box: Box, at_s: float, by: tuple[float, float]) -> None:
        """Take in a sighting so far away that the two last ones alone tell the speed."""
        dt = at_s - self.at_s
        self.cx, self.cy, self.width, self.height = centre_and_size(box)
        self.vx, self.vy, self.at_s = by[0] / dt, by[1] / dt, at_s
        self.p00, self.p01 = JITTER_VARIANCE, JITTER_VARIANCE / dt
        self.p11 = 2.0 * JITTER_VARIANCE / dt**2

    def shift(self, by: Vector) -> None:
        """Take in that the camera was moved: the thing went on elsewhere in the frame."""
        self.cx += by[0]
        self.cy += by[1]

    def rest(self, at_s: float) -> None:
        """Stand still from now on."""
        self.vx = self.vy = 0.0
        self.at_s = at_s


def centre_and_size(box: Box) -> tuple[float, float, float, float]:
    """Return centre x, centre y, width and height."""
    return (box[0] + box[2]) / 2.0, (box[1] + box[3]) / 2.0, box[2] - box[0], box[3] - box[1]
