"""Worlds in which one thing keeps an alarm from coming, written into a real decision log."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.boxes import Box
from edge_runtime.camera_health.reasons import TEXTS
from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.decision_log.causes import findings
from edge_runtime.decision_log.evidence import gathered
from edge_runtime.decision_log.explanation import Explanation, Question
from edge_runtime.decision_log.log import DecisionLog
from edge_runtime.errors import RawText, Text
from edge_runtime.options import (
    CountOptions,
    DwellOptions,
    IntervalOptions,
    LineOptions,
    ModelOptions,
    MotionOptions,
    RuleOptions,
    StreamOptions,
    ThresholdOptions,
    TrackOptions,
    VibrationOptions,
    ZoneOptions,
)
from edge_runtime.raw import Samples
from edge_runtime.records import NO_MODEL, Detection, Detections
from edge_runtime.rules.scheduled import RuleSchedule
from edge_runtime.stream.baseline import effective_rules
from edge_runtime.stream.build_sensor import build_sensor
from edge_runtime.stream.build_vision import build_pipeline
from edge_runtime.stream.decisions import facts_of, note_sample
from edge_runtime.stream.pipeline import Pipeline
from edge_runtime.stream.reorder import Slot
from edge_runtime.stream.setup import StreamSetup
from edge_runtime.stream.stream_hours import StreamHours
from support.engine import Results, no_limit, road_pack

BEGIN_S = 1_796_007_600.0  # 2026-11-30 03:00 UTC, a Monday
FPS = 5
NAME = "gate"
PERSON, MOTORBIKE, CAR, TRUCK = range(4)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
CORNER = ((0.8, 0.8), (1.0, 0.8), (1.0, 1.0), (0.8, 1.0))
YARD = ZoneOptions("yard", LEFT)
DOOR = DwellOptions("door", LEFT, after_s=20.0)
MILESTONE = LineOptions("milestone", (0.5, 0.0), (0.5, 0.8))
FLOOD = ThresholdOptions("flood", "acceleration", above=3.0, min_s=5.0)

Walk = Callable[[float], tuple[float, float] | None]
"""Where somebody's feet are at a time in seconds; None: out of sight."""


class PlantedWorld:
    """One stream for some minutes: who goes where, and what is wrong; then a question."""

    def __init__(self, folder: Path, *rules: RuleOptions, **options: Any) -> None:
        self.clock = ManualClock(BEGIN_S)
        self.log = DecisionLog(folder, self.clock)
        self.mode = ""
        self.stream = StreamOptions(NAME, rules=rules, track=TrackOptions(), **options)
        self.setup = StreamSetup(self.stream, road_pack(), time_zone="UTC")
        self.hours = StreamHours(self.stream, "UTC")
        self.decisions = self.log.stream(NAME)
        self.decisions.setup(facts_of(self.setup), BEGIN_S)
        self._ids = itertools.count(1)
        self.pipeline = self._opened()

    def _opened(self) -> Pipeline:
        return build_pipeline(
            self.stream,
            road_pack(),
            self._ids.__next__,
            no_limit(self.clock),
            RuleSchedule("UTC", lambda: self.mode),
        )

    def play(
        self,
        seconds: float,
        *walks: Walk,
        score: float = 0.9,
        class_id: int = PERSON,
        outcome: Callable[[int], str] = lambda _frame: "inferred",
        size: float = 0.2,
    ) -> None:
        """Let time pass: each frame shows who is there, or is left out."""
        begin_s = self.clock.now().wall_s
        for frame in range(round(seconds * FPS)):
            stamp = self.clock.now()
            became = "resting" if self.hours.rests(stamp) else outcome(frame)
            if became in ("resting", "dropped"):
                self.decisions.frame(stamp, became)  # type: ignore[arg-type]
            else:
                at_s = stamp.wall_s - begin_s
                feet = [one for walk in walks if (one := walk(at_s)) is not None]
                boxes = tuple(Detection(class_id, score, around(one, size)) for one in feet)
                self._conclude(stamp, became, Detections(boxes))
            self.clock.advance(1.0 / FPS)

    def _conclude(self, stamp: Stamp, outcome: str, seen: Detections) -> None:
        slot = Slot(stamp, None, still=outcome == "still")
        if outcome == "inferred":
            slot.decoded = seen
            results = self.pipeline.inferred(stamp, seen)
        else:
            results = getattr(self.pipeline, "skipped" if slot.still else "coasted")(stamp)
        note_sample(self.decisions, slot, self.pipeline, results)

    def ask(
        self, label: str = "", rule: str = "", *, since_s: float = BEGIN_S
    ) -> list[Explanation]:
        """Write what was noted, and return why it was so."""
        self.log.flush()
        evidence = gathered(self.log.folder, NAME, since_s, self.clock.now().wall_s)
        return findings(evidence, Question(label, rule))


def around(feet: tuple[float, float], size: float) -> Box:
    """Return the box of somebody whose feet are there."""
    x, y = feet
    return (max(0.0, x - size / 4), max(0.0, y - size), min(1.0, x + size / 4), y)


def walk(first: tuple[float, float], last: tuple[float, float], within_s: float) -> Walk:
    """Return somebody who goes from one place to another and stays there."""

    def feet(at_s: float) -> tuple[float, float]:
        share = min(1.0, at_s / within_s)
        return (
            first[0] + share * (last[0] - first[0]),
            first[1] + share * (last[1] - first[1]),
        )

    return feet


def stands(x: float, y: float, *, begin_s: float = 0.0, end_s: float = 1e9) -> Walk:
    """Return somebody who stands there in a time."""
    return lambda at_s: (x, y) if begin_s <= at_s < end_s else None


# Each plants one cause, and returns what is asked.


def masked(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD, mask=(LEFT,))
    world.play(60)
    return world.ask()


def gate_shut(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD, gate=MotionOptions())
    world.play(
        60, stands(0.3, 0.6), outcome=lambda frame: "inferred" if frame % 150 == 149 else "still"
    )
    return world.ask(since_s=BEGIN_S)


def gate_interval(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD, gate=IntervalOptions(20.0))
    world.play(15, stands(0.3, 0.6), outcome=lambda _frame: "still")
    return world.ask()


def camera_hung(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.log.state("stream", NAME, Text("no frame for 10 s"))
    world.clock.advance(120.0)
    world.log.state("stream", NAME, Text(""))
    return world.ask()


def low_score(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.play(30, stands(0.3, 0.6), score=0.46)
    return world.ask("person")


def label_not_asked_for(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD, model=ModelOptions(labels=("person",)))
    world.play(30, stands(0.3, 0.6), class_id=CAR)
    return world.ask()


def label_of_the_question(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD, model=ModelOptions(labels=("person",)))
    world.play(30, stands(0.3, 0.6), class_id=MOTORBIKE)
    return world.ask("motorbike")


def too_few_hits(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.play(30, stands(0.3, 0.6, begin_s=10.0, end_s=10.3))
    return world.ask()


def id_swap(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, DOOR)
    world.play(34, stands(0.3, 0.6, end_s=15.0), stands(0.34, 0.62, begin_s=18.5, end_s=34.0))
    return world.ask()


def line_not_reached(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, MILESTONE)
    world.play(20, walk((0.1, 0.5), (0.4, 0.5), 15.0))
    return world.ask()


def line_margin(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, MILESTONE)
    world.play(20, walk((0.3, 0.5), (0.52, 0.5), 15.0))
    return world.ask()


def round_the_end(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, MILESTONE)
    world.play(20, walk((0.3, 0.95), (0.7, 0.95), 15.0))
    return world.ask()


def zone_not_reached(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.play(20, walk((0.9, 0.5), (0.55, 0.5), 15.0))
    return world.ask()


def count_not_reached(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, CountOptions("corner", polygon=CORNER))
    world.play(20, stands(0.3, 0.5))
    return world.ask()


def zone_debounce(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, ZoneOptions("yard", LEFT, debounce_s=5.0))
    world.play(10, walk((0.8, 0.5), (0.55, 0.5), 5.0))
    world.play(2, stands(0.46, 0.5))
    world.play(8, stands(0.6, 0.5))
    return world.ask()


def zone_hysteresis(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.play(20, stands(0.3, 0.5))
    since_s = world.clock.now().wall_s
    world.play(40, walk((0.3, 0.5), (0.51, 0.5), 10.0))
    return world.ask(since_s=since_s)


def short_stay(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, DOOR)
    world.play(30, stands(0.3, 0.5, end_s=12.0))
    return world.ask()


def rule_hours(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, ZoneOptions("yard", LEFT, active=("mon 20:00-22:00",)))
    world.play(20, stands(0.3, 0.5))
    return world.ask()


def stream_hours(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD, active=("tue",))
    world.play(20, stands(0.3, 0.5))
    return world.ask()


def mode(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, ZoneOptions("yard", LEFT, modes=("closed",)))
    world.mode = "open"
    world.log.state("mode", "", RawText("open"))
    world.play(20, stands(0.3, 0.5))
    return world.ask()


def throttle(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.log.state("throttle", "", Text("the board is at 84 C: one frame in 4 is inferred"))
    world.play(20, stands(0.3, 0.5, begin_s=9.0, end_s=10.0), outcome=lambda _frame: "coasted")
    return world.ask()


def adaptive(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD, rate="adaptive")
    world.play(20, stands(0.3, 0.5), outcome=lambda _frame: "coasted")
    return world.ask()


def too_slow(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.play(20, stands(0.3, 0.5), outcome=lambda _frame: "dropped")
    return world.ask()


def budget(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, CountOptions("each", every_s=10.0))
    world.log.state("uplink", "", Text("4.80 MB of uplink.daily_mb = 5 are sent today"))
    world.play(60, stands(0.3, 0.5))
    return world.ask()


def link_down(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.log.state("link", "", Text("no route to 192.0.2.1"))
    world.play(20, stands(0.3, 0.5))
    return world.ask()


def refused(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.log.state("refused", "", Text("the broker refuses edge/v1/x/y/gate/event"))
    world.play(20, stands(0.3, 0.5))
    return world.ask()


def clock_wrong(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.log.state("clock", "", Text("no clock had set this one yet"))
    world.play(20, stands(0.3, 0.5))
    return world.ask()


def stopped(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.play(20)
    world.log.flush()
    since_s = world.clock.now().wall_s
    world.clock.advance(1800.0)
    return world.ask(since_s=since_s)


def not_kept(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.play(20)
    world.log.flush()
    evidence = gathered(world.log.folder, NAME, BEGIN_S - 7200.0, BEGIN_S - 3600.0)
    return findings(evidence, Question())


def nothing_seen(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.play(30)
    return world.ask()


def rule_label(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, ZoneOptions("yard", LEFT, labels=("truck",)))
    world.play(20, stands(0.3, 0.5))
    return world.ask("person")


def blind(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.log.state("camera", NAME, TEXTS["covered"])
    world.play(30)
    return world.ask()


def why_told(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.play(20, stands(0.3, 0.5))
    return world.ask("person")


def no_stream(folder: Path) -> list[Explanation]:
    world = PlantedWorld(folder, YARD)
    world.play(20)
    world.log.flush()
    evidence = gathered(world.log.folder, "other", BEGIN_S, BEGIN_S + 20.0)
    return findings(evidence, Question())


def sensor(folder: Path, values: Sequence[float]) -> list[Explanation]:
    clock = ManualClock(BEGIN_S)
    log = DecisionLog(folder, clock)
    stream = StreamOptions(NAME, VibrationOptions(), rules=(FLOOD,))
    decisions = log.stream(NAME)
    setup = StreamSetup(stream, limits=effective_rules(stream, NO_MODEL, None), time_zone="UTC")
    decisions.setup(facts_of(setup), BEGIN_S)
    task = build_sensor(setup, Results(), clock, no_limit(clock), decisions=decisions)
    for value in values:
        task.offer(Samples(0, np.full((1, 1), value), clock.now(), 0.0, ("acceleration",)))
        clock.advance(1.0)
    log.flush()
    return findings(gathered(log.folder, NAME, BEGIN_S, clock.now().wall_s), Question())


def within_limits(folder: Path) -> list[Explanation]:
    return sensor(folder, [1.0, 2.9, 2.0] * 10)


def too_short(folder: Path) -> list[Explanation]:
    return sensor(folder, [1.0, 4.0, 2.0] * 10)


def no_value(folder: Path) -> list[Explanation]:
    return sensor(folder, [float("nan")] * 20)


PLANTED: dict[str, Callable[[Path], list[Explanation]]] = {
    "mask": masked,
    "gate": gate_shut,
    "gate ": gate_interval,
    "camera": camera_hung,
    "low_score": low_score,
    "label": label_not_asked_for,
    "label ": label_of_the_question,
    "few_hits": too_few_hits,
    "id_swap": id_swap,
    "line_not_reached": line_not_reached,
    "margin": line_margin,
    "round_the_end": round_the_end,
    "zone_not_reached": zone_not_reached,
    "zone_not_reached ": count_not_reached,
    "debounce": zone_debounce,
    "hysteresis": zone_hysteresis,
    "short_stay": short_stay,
    "rule_hours": rule_hours,
    "stream_hours": stream_hours,
    "mode": mode,
    "throttle": throttle,
    "adaptive": adaptive,
    "dropped": too_slow,
    "uplink": budget,
    "link": link_down,
    "refused": refused,
    "clock": clock_wrong,
    "stopped": stopped,
    "not_kept": not_kept,
    "nothing_seen": nothing_seen,
    "rule_label": rule_label,
    "blind": blind,
    "told": why_told,
    "no_stream": no_stream,
    "within_limits": within_limits,
    "too_short": too_short,
    "no_value": no_value,
}
"""By the cause that is to be named first (a space tells two plants of one apart)."""
