"""Looks at one camera's frames, a few a second, and says what is wrong with it once that lasts."""

from __future__ import annotations

import math

from edge_runtime.camera_health.cells import compare
from edge_runtime.camera_health.declaring import Declaring
from edge_runtime.camera_health.faults import best_of, fault_in, hidden_by_a_thing, is_dark
from edge_runtime.camera_health.grid import Mask, PictureLook
from edge_runtime.camera_health.picture import AveragedPicture
from edge_runtime.camera_health.reference import LEARN_EVERY_S, References
from edge_runtime.raw import Frame
from edge_runtime.records import CameraReason
from edge_runtime.schedule import RateGrid

TAKE_EVERY_S = 0.5  # of a camera's frames; each one costs what the motion gate does
LOOK_EVERY_S = 2.0
SETTLED_S = 15.0  # until the averaged picture is that of a camera that was just opened
HEALTHY_S = 60.0  # without any doubt, before anything is learnt
LIT_LEVEL = 40.0
LIT_MEMORY_S = 120.0  # the sun goes down more slowly than that


class CameraMonitor:
    """Asked about every frame of one camera, in order, from one thread.

    `declared`: a fault that was declared before a restart.
    """

    def __init__(self, references: References | None = None, declared: CameraReason = "") -> None:
        self.references = references or References()
        self.looks = 0
        self._picture = AveragedPicture()
        self._declaring = Declaring(declared)
        self._takes = RateGrid(TAKE_EVERY_S)
        self._begun_s: float | None = None
        self._looked_s = self._learnt_s = self._lit_s = -math.inf
        self._doubted_s = self._dark_s = -math.inf

    @property
    def declared(self) -> CameraReason:
        """What is wrong at present; empty: nothing."""
        return self._declaring.declared

    @property
    def since_s(self) -> float:
        """When what is declared was first seen, on the frames' own clock."""
        return self._declaring.since_s

    def relearn(self) -> None:
        """Take what the camera sees from now on for right."""
        self.references = References()
        self._declaring.forget()

    def take(self, frame: Frame) -> CameraReason:
        """Take in a frame; return what is declared now, empty where all is well."""
        at_s = frame.stamp.monotonic_s
        if self._takes.is_due(at_s):
            self._picture.take(frame.image, at_s)
            if self._begun_s is None:
                self._begun_s = at_s
            if at_s - self._begun_s >= SETTLED_S and at_s - self._looked_s >= LOOK_EVERY_S:
                self._looked_s = at_s
                self._look(at_s, frame.stamp.wall_s)
        return self._declaring.declared

    def _look(self, at_s: float, wall_s: float) -> None:
        self.looks += 1
        look = self._picture.look()
        if not is_dark(look):
            self._dark_s = at_s
        was_light = self._dark_s - self._lit_s <= LIT_MEMORY_S
        references, steady = self.references.ready(), self.references.steady
        against = best_of([compare(look, one, steady) for one in references])
        reason = fault_in(look, against, was_light=was_light, is_learnt=bool(references))
        declared = self._declaring.take(reason, at_s)
        if not reason and float(look.levels.mean()) >= LIT_LEVEL:
            self._lit_s = at_s
        if reason or declared:
            self._doubted_s = at_s
        else:
            hidden = hidden_by_a_thing(against) if against is not None else None
            self._learn(look, at_s, wall_s, hidden)

    def _learn(self, look: PictureLook, at_s: float, wall_s: float, hidden: Mask | None) -> None:
        if at_s - self._doubted_s >= HEALTHY_S and at_s - self._learnt_s >= LEARN_EVERY_S:
            self._learnt_s = at_s
            self.references.learn(look, wall_s, hidden)
