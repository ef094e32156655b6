"""Boxes as a detector gives them of the drawn road, from its truth: nothing is inferred.

What goes wrong is drawn, too: scores waver from frame to frame and drift over seconds, what is far
off, hidden, in the dusk or in the rain is missed for a while, things are lost for seconds on end or
stand behind something in the foreground, boxes waver, a car passes for a truck, one thing shows
twice, two that overlap show once, and a spot of the road looks like something.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from edge_runtime.boxes import Box, clip, iou
from edge_runtime.records import Detection
from edge_runtime.simulate.scene import LABELS, WEATHERS, Conditions, Scene, SceneObject

WIDTH, HEIGHT = 640, 360
RATES_FPS = (2.0, 3.0, 5.0, 8.0, 12.0, 25.0)

# Scores: what a near thing in daylight gets, and what is taken off.
DAY_SCORE = 0.86
DUSK_LOSS, RAIN_LOSS, FOG_LOSS, HIDDEN_LOSS, FAR_LOSS = 0.16, 0.06, 0.1, 0.55, 0.3
FAR_HEIGHT = 0.12  # of the frame: what is lower than that is less sure
DRIFT, DRIFT_S, FLICKER = 0.09, 0.7, 0.07
LEAST_SCORE = 0.2
SUPPRESSED_IOU = 0.6

# Scenes differ in how often the detector loses a thing for a while, up to so often a second.
MOST_LOST_A_S, LOST_S = 0.12, (0.5, 5.0)
# Something in the foreground (a pillar, a tree) that hides what is behind it, in so many scenes.
PILLARS, PILLAR_WIDTH = 0.4, (0.04, 0.16)

JITTER = 0.035  # of the box's size
OTHER_CLASS, TWICE = 0.08, 0.02
LOOK_ALIKE = {"car": "truck", "truck": "car"}

# What is not there: bursts a minute (a spot that looks like something), and single boxes a frame.
BURSTS_A_MINUTE, LONGEST_BURST_S, SINGLES_A_FRAME = 1.0, 1.5, 0.02

# What counts as having been there: so much of it was seen at least.
LEAST_VISIBLE = 0.3


@dataclass(frozen=True)
class DrawnRoad:
    """Some seconds of a road: what the detector gave of each frame, and what was there."""

    seed: int
    rate_fps: float
    conditions: Conditions
    frames: list[tuple[Detection, ...]]
    truth: list[tuple[SceneObject, ...]]

    def came_at_s(self) -> dict[int, float]:
        """Return when each road user was first seen."""
        came: dict[int, float] = {}
        for index, objects in enumerate(self.truth):
            for each in objects:
                if each.visible >= LEAST_VISIBLE:
                    came.setdefault(each.track, index / self.rate_fps)
        return came


def drawn_road(seed: int, length_s: float) -> DrawnRoad:
    """Return a road under conditions, and at a frame rate, that its seed chooses."""
    rng = np.random.default_rng((seed, 10))
    conditions = Conditions(
        weather=str(rng.choice(WEATHERS)), dusk=float(rng.uniform(0.0, 0.9)) * (rng.random() < 0.5),
        density=float(rng.choice((0.5, 1.0, 1.5, 2.5))),
    )  # fmt: skip
    rate_fps = float(rng.choice(RATES_FPS))
    scene = Scene(seed, WIDTH, HEIGHT, rate_fps, conditions)
    truth = [scene.objects(index) for index in range(round(length_s * rate_fps))]
    detector = DrawnDetector(np.random.default_rng((seed, 11)), rate_fps, conditions, length_s)
    frames = [detector.see(index / rate_fps, objects) for index, objects in enumerate(truth)]
    return DrawnRoad(seed, rate_fps, conditions, frames, truth)


class DrawnDetector:
    """Sees a road badly, in the order of its frames."""

    def __init__(
        self, rng: Generator, rate_fps: float, conditions: Conditions, length_s: float
    ) -> None:
        self._rng = rng
        self._keeps = math.exp(-1.0 / (rate_fps * DRIFT_S))
        self._drift: dict[int, float] = {}
        self._score = DAY_SCORE - DUSK_LOSS * conditions.dusk
        self._score -= {"rain": RAIN_LOSS, "fog": FOG_LOSS}.get(conditions.weather, 0.0)
        self._lost_a_frame = MOST_LOST_A_S * float(rng.random()) ** 2 / rate_fps
        self._lost_until_s: dict[int, float] = {}
        x, width = float(rng.uniform(0.15, 0.75)), float(rng.uniform(*PILLAR_WIDTH))
        self._pillar = (x, x + width) if rng.random() < PILLARS else (1.0, 1.0)
        number = rng.poisson(BURSTS_A_MINUTE * length_s / 60.0)
        self._bursts = [self._burst(length_s) for _ in range(number)]

    def see(self, at_s: float, objects: tuple[SceneObject, ...]) -> tuple[Detection, ...]:
        found = [seen for each in objects for seen in self._seen(each, at_s)]
        for began_s, ended_s, score, false in self._bursts:
            if began_s <= at_s <= ended_s:
                box = self._wavering(false.xyxy)
                found.append(Detection(false.class_id, score + self._rng.normal(0, FLICKER), box))
        if self._rng.random() < SINGLES_A_FRAME:
            found.append(self._false(float(self._rng.uniform(LEAST_SCORE, 0.65))))
        kept: list[Detection] = []
        for one in sorted(found, key=lambda each: -each.score):
            if one.score >= LEAST_SCORE and not any(
                one.class_id == other.class_id and iou(one.xyxy, other.xyxy) > SUPPRESSED_IOU
                for other in kept
            ):
                kept.append(one)
        return tuple(kept)

    def _is_lost(self, each: SceneObject, at_s: float) -> bool:
        if self._rng.random() < self._lost_a_frame:
            self._lost_until_s[each.track] = at_s + float(self._rng.uniform(*LOST_S))
        return at_s < self._lost_until_s.get(each.track, 0.0)

    def _left_by_pillar(self, box: Box) -> float:
        """Return the share of a box that no pillar hides."""
        hidden = min(box[2], self._pillar[1]) - max(box[0], self._pillar[0])
        return 1.0 - max(0.0, hidden) / (box[2] - box[0])

    def _seen(self, each: SceneObject, at_s: float) -> list[Detection]:
        rng = self._rng
        if self._is_lost(each, at_s):
            return []
        drift = self._drift.get(each.track)
        if drift is None:
            drift = rng.normal(0, DRIFT)
        else:
            drift = self._keeps * drift + math.sqrt(1 - self._keeps**2) * rng.normal(0, DRIFT)
        self._drift[each.track] = drift
        height = each.box[3] - each.box[1]
        far = max(0.0, 1.0 - height / FAR_HEIGHT)
        score = (
            self._score
            - HIDDEN_LOSS * (1.0 - each.visible * self._left_by_pillar(each.box))
            - FAR_LOSS * far
        )
        score += drift + rng.normal(0, FLICKER)
        label = each.label
        if rng.random() < OTHER_CLASS:
            label = LOOK_ALIKE.get(label, label)
        class_id = LABELS.index(label)
        seen = [Detection(class_id, min(score, 0.99), self._wavering(each.box))]
        if rng.random() < TWICE:
            seen.append(Detection(class_id, score - 0.15, self._part(each.box)))
        return seen

    def _wavering(self, box: Box) -> Box:
        w, h = box[2] - box[0], box[3] - box[1]
        by = self._rng.normal(0, JITTER, 4) * (w, h, w, h)
        x1, y1, x2, y2 = (clip(float(a + b)) for a, b in zip(box, by, strict=True))
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)

    def _part(self, box: Box) -> Box:
        middle = (box[1] + box[3]) / 2.0
        return self._wavering((box[0], box[1], box[2], middle + 0.2 * (box[3] - middle)))

    def _burst(self, length_s: float) -> tuple[float, float, float, Detection]:
        began_s = float(self._rng.uniform(0.0, length_s))
        ended_s = began_s + float(self._rng.uniform(0.0, LONGEST_BURST_S))
        return began_s, ended_s, float(self._rng.uniform(0.4, 0.65)), self._false(0.5)

    def _false(self, score: float) -> Detection:
        x, y = self._rng.uniform(0.05, 0.9), self._rng.uniform(0.35, 0.8)
        w, h = self._rng.uniform(0.02, 0.08), self._rng.uniform(0.06, 0.2)
        box = clip(float(x - w)), float(y), clip(float(x + w)), clip(float(y + h))
        return Detection(int(self._rng.integers(len(LABELS))), score, box)
