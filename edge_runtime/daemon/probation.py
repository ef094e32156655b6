"""What has to hold after a change, and how long it may take: then the change is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edge_runtime.daemon.difference import Plan
from edge_runtime.errors import EMPTY, Text
from edge_runtime.publish.contract import LinkHealth
from edge_runtime.stream.builder import RunningStream

PROBATION_S = 60.0
STEADY_S = 2.0  # a source may give a picture each time that it is opened, and no second one
CONTACT = ("connected", "degraded")


class Probation:
    """How a device was before a change, and what the change must bring back.

    Streams that ran and that the change touched have to run: those that were restarted have to
    bring a sample through all stages, pictures that go on by other settings another frame. What was
    off before, or is new, is not held against the change. Where there was contact with the broker
    it has to have the new birth.
    """

    def __init__(
        self, streams: Mapping[str, RunningStream], link: LinkHealth, now_s: float
    ) -> None:
        self._ran = {n for n, one in streams.items() if one.task.health.state == "running"}
        self._had_contact = link.state in CONTACT
        self._revision = 0
        self._captured: dict[str, int] = {}
        self._restarted: set[str] = set()
        self._begun_s = now_s
        self._restarts: dict[str, int] = {}  # at the latest look at which all was well
        self._well_since_s = now_s
        self.lasts_s = PROBATION_S

    @property
    def ends_at_s(self) -> float:
        """The moment (monotonic) by which the change has to have proved itself."""
        return self._begun_s + self.lasts_s

    def applied(
        self, plan: Plan, streams: Mapping[str, RunningStream], revision: int, now_s: float
    ) -> None:
        """Note what a plan has touched, now that it is applied; of two in a row the time is new."""
        self._revision, self._begun_s = revision, now_s
        self._restarted |= plan.named("restart") & self._ran
        for name in plan.named("exchange") & self._ran:
            self._captured[name] = streams[name].task.health.captured
        waits = (streams[name].capture.hang_limit_s for name in self._restarted & streams.keys())
        # A meter that is asked every ten minutes has its first answer only then.
        self.lasts_s = max(PROBATION_S, *(one for one in waits if math.isfinite(one)), 0.0)

    def missing(self, streams: Mapping[str, RunningStream], link: LinkHealth, now_s: float) -> Text:
        """Return what has not come up again, one line; empty: all has, and has lasted."""
        touched = {
            n: one for n, one in streams.items() if n in self._restarted | set(self._captured)
        }
        restarts = {name: one.task.health.restarts for name, one in touched.items()}
        for name, stream in touched.items():
            if why := self._missing_of(name, stream):
                self._restarts = {}
                return Text("stream {name}: {why}", name=name, why=why)
        if restarts != self._restarts:
            self._restarts, self._well_since_s = restarts, now_s
        if restarts and now_s - self._well_since_s < STEADY_S:
            return Text(
                "{streams}: working for less than {seconds:g} s without a break",
                streams=", ".join(restarts),
                seconds=STEADY_S,
            )
        if self._had_contact and link.announced < self._revision:
            return Text(
                "the broker has not acknowledged the new birth ({reason})", reason=link.reason
            )
        return EMPTY

    def _missing_of(self, name: str, stream: RunningStream) -> Text:
        health = stream.task.health
        if health.state == "ended":
            return EMPTY
        if health.state != "running":
            return health.reason or Text("not running yet")
        if name in self._restarted:
            if stream.task.worked:
                return EMPTY
            return Text("nothing came through all its stages yet")
        is_moving = stream.setup.is_sensor or health.captured > self._captured[name]
        return EMPTY if is_moving else Text("no frame came since")
