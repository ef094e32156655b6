"""A stream goes on by other settings: what is kept, what is closed, what begins anew."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from msgspec.structs import replace

from edge_runtime.boxes import Box
from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.infer.pool import Pool
from edge_runtime.model.runner import Model, RunnerCache
from edge_runtime.options import (
    CountOptions,
    DwellOptions,
    LineOptions,
    ModelOptions,
    PublishOptions,
    StreamOptions,
    ThresholdOptions,
    TrackOptions,
    TrackRuleOptions,
    ZoneOptions,
)
from edge_runtime.raw import Samples
from edge_runtime.records import NO_MODEL, Counts, Detection, Detections, Event, Reading, Result
from edge_runtime.stream.build_vision import build_pipeline, pipeline_settings
from edge_runtime.stream.reorder import ReorderBuffer, Slot
from edge_runtime.stream.sensor_reporter import ReporterSettings, SensorReporter
from support.engine import canned, no_limit, road_pack
from support.waiting import until

DONE_S = 20.0
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
ZONE = ZoneOptions("left", LEFT, debounce_s=0.0)
STAY = DwellOptions("stay", LEFT, after_s=2.0, debounce_s=0.0)
LINE = LineOptions("milestone", (0.8, 0.0), (0.8, 1.0))
EACH = CountOptions("each", every_s=10.0)


class Road:
    """A stream in which one person stands, ten frames a second, and may step aside."""

    def __init__(self, *rules: TrackRuleOptions, **options: Any) -> None:
        self._modes = no_limit(ManualClock())
        self.options = StreamOptions("road", rules=rules, track=TrackOptions(), **options)
        self.pipeline = build_pipeline(
            self.options, road_pack(), iter(range(1, 99)).__next__, self._modes
        )
        self._frame = 0
        self.x = 0.3

    def play(self, seconds: float) -> list[Result]:
        found: list[Result] = []
        for _ in range(round(seconds * 10)):
            self._frame += 1
            stamp = Stamp(1.7e9 + self._frame / 10, 100.0 + self._frame / 10)
            box: Box = (self.x - 0.1, 0.2, self.x + 0.1, 0.8)
            found += self.pipeline.inferred(stamp, Detections((Detection(0, 0.9, box),)))
        return found

    def change(self, *rules: TrackRuleOptions, **options: Any) -> list[Result]:
        self.options = replace(self.options, rules=rules, **options)
        settings = pipeline_settings(self.options, road_pack(), self._modes)
        return list(self.pipeline.exchange(settings))


def said(results: list[Result]) -> list[tuple[str, str]]:
    """Return the events, each with the name of its rule at its time."""
    return [
        (one.body.event, one.rules[one.body.rule]) for one in results if isinstance(one.body, Event)
    ]


def test_a_rule_that_did_not_change_keeps_its_memory_in_its_new_place() -> None:
    road = Road(STAY)
    assert said(road.play(1.5)) == []
    assert road.change(LINE, STAY) == []
    assert said(road.play(1.0)) == [("dwell", "stay")]
    assert road.change(STAY) == []
    assert said(road.play(3.0)) == [], "told once a stay"


def test_what_a_rule_that_goes_has_open_is_closed_under_the_old_names() -> None:
    road = Road(EACH, ZONE)
    assert said(road.play(4.0)) == [("enter", "left")]
    moved = replace(ZONE, polygon=tuple((x + 0.5, y) for x, y in LEFT))
    closed = road.change(LINE, moved)
    assert said(closed) == [("exit", "left")]
    (counts,) = [one for one in closed if isinstance(one.body, Counts)]
    assert isinstance(counts.body, Counts)
    assert (counts.rules[counts.body.rule], round(counts.body.span_s, 3)) == ("each", 3.9)
    assert all(one.rules == ("each", "left") for one in closed)
    assert said(road.play(1.0)) == []


def test_nobody_crosses_a_line_that_is_drawn_behind_them() -> None:
    road = Road(LINE)
    road.play(1.0)
    road.change(replace(LINE, start=(0.1, 0.0), end=(0.1, 1.0)))
    assert said(road.play(1.0)) == []
    for road.x in (0.2, 0.1, 0.0):
        found = road.play(0.2)
    assert said(found) == [("cross", "milestone")]


def test_who_is_there_when_a_count_begins_did_not_come() -> None:
    road = Road(ZONE)
    road.play(1.0)
    road.change(replace(EACH, every_s=1.0))
    counts = [one.body for one in road.play(2.0) if isinstance(one.body, Counts)]
    assert [(line.entered, line.most) for one in counts for line in one.labels] == [(0, 1), (0, 1)]


def test_tracks_keep_their_ids_whatever_is_exchanged() -> None:
    road = Road(publish=PublishOptions("every_inference"))
    ids = {one.track for r in road.play(1.0) for one in objects(r) if one.track}
    changes: tuple[dict[str, Any], ...] = (
        {"model": ModelOptions("village-road", min_score=0.3)},
        {"track": TrackOptions(max_lost_s=5.0)},
        {"publish": PublishOptions("every_inference", "cbor")},
        {"rules": (ZONE,)},
    )
    for options in changes:
        road.change(*options.pop("rules", ()), **options)
        ids |= {one.track for r in road.play(0.5) for one in objects(r)}
    assert ids == {1}


def objects(result: Result) -> tuple[Detection, ...]:
    return result.body.objects if isinstance(result.body, Detections) else ()


def test_where_other_classes_are_wanted_who_came_before_goes() -> None:
    road = Road(ZONE)
    assert said(road.play(1.0)) == [("enter", "left")]
    assert said(road.change(ZONE, model=ModelOptions("village-road", labels=("truck",)))) == [
        ("exit", "left")
    ]
    assert said(road.play(1.0)) == []


# Sensors


FLOOD = ThresholdOptions("flood", "level", above=3.0, min_s=2.0)
DRY = ThresholdOptions("dry", "level", below=0.5)


class Well:
    """A sensor, one row a second."""

    def __init__(self, *rules: ThresholdOptions) -> None:
        self._at_s = 0.0
        self._reporter = SensorReporter("well", NO_MODEL, ("level",), ("m",), settings(rules))

    def row(self, level: float) -> list[Result]:
        self._at_s += 1.0
        stamp = Stamp(1e9 + self._at_s, self._at_s)
        return list(self._reporter.block(Samples(0, np.array([[level]]), stamp, 0.0, ("level",))))

    def change(self, *rules: ThresholdOptions, **publish: Any) -> None:
        self._reporter.exchange(settings(rules, **publish))


def settings(rules: tuple[ThresholdOptions, ...], **publish: Any) -> ReporterSettings:
    return ReporterSettings(PublishOptions(**publish), rules, lambda: "events")


def test_an_alarm_that_is_on_stays_on_by_its_rules_name_and_clears_by_the_new_limit() -> None:
    well = Well(FLOOD)
    assert said([one for _ in range(3) for one in well.row(4.0)]) == [("alarm", "flood")]
    well.change(DRY, replace(FLOOD, above=3.5))
    assert said(well.row(4.0)) == []
    cleared = [one for _ in range(3) for one in well.row(3.2)]
    assert said(cleared) == [("clear", "flood")]
    (event,) = [one.body for one in cleared if isinstance(one.body, Event)]
    assert event.age_s == 6.0, "since when it was on is known still"


def test_a_threshold_that_did_not_change_goes_on_counting() -> None:
    well = Well(FLOOD)
    assert said(well.row(4.0) + well.row(4.0)) == []
    well.change(DRY, FLOOD)
    assert said(well.row(4.0)) == [("alarm", "flood")]


def test_what_was_sent_is_not_sent_again_for_a_change() -> None:
    well = Well()
    assert [one.kind for one in well.row(1.0)] == ["reading"]
    well.change(dead_band={"level": 0.5})
    assert well.row(1.2) == []
    assert isinstance(well.row(1.6)[0].body, Reading)


# Order, workers, interpreters


def test_an_exchange_comes_between_two_conclusions_or_says_that_it_cannot() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def conclude(_slot: Slot) -> None:
        begun.set()
        assert go_on.wait(DONE_S)

    order, done = ReorderBuffer(conclude), []
    slot = Slot(Stamp(0.0, 0.0), None)
    slot.settle(Detections(()))
    order.add(slot, wait=False)
    draining = threading.Thread(target=order.drain)
    draining.start()
    assert begun.wait(DONE_S)
    assert not order.between(lambda: done.append("early"), timeout_s=0.0)
    go_on.set()
    assert order.between(lambda: done.append("now"), timeout_s=DONE_S)
    draining.join()
    assert done == ["now"]


class Step:
    """A task whose step lasts until it may end."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.left = 1

    def ready(self) -> bool:
        return self.left > 0

    def step(self, worker: int) -> None:
        self.left = 0
        self.begun.set()
        assert self.go_on.wait(DONE_S)


def test_a_task_leaves_the_pool_once_no_worker_is_at_it() -> None:
    pool, task, idle = Pool(2), Step(), threading.Event()
    pool.add(task)
    pool.start()
    pool.notify()
    assert task.begun.wait(DONE_S)
    pool.remove(task, idle.set)
    assert not idle.is_set()
    task.left = 1
    task.go_on.set()
    assert idle.wait(DONE_S)
    assert task.left == 1, "nobody does its further steps"
    assert pool.stop(DONE_S)


def test_a_pool_comes_to_another_number_of_workers() -> None:
    retired: list[int] = []
    pool = Pool(1, on_retired=retired.append)
    pool.start()
    pool.resize(3)
    assert sum(one.name.startswith("infer-") for one in threading.enumerate()) == 3
    pool.resize(1)
    until(lambda: len(retired) == 2, "two ended")
    assert pool.stop(DONE_S)


def test_an_interpreter_is_closed_with_the_last_stream_that_holds_its_model() -> None:
    runners, model = RunnerCache(), Model(road_pack(), None, None, lambda *_: canned())
    runners.hold(model)
    runners.hold(model)
    runner = runners.get(0, model)
    runners.release(model)
    assert runners.get(0, model) is runner
    runners.release(model)
    runners.hold(model)
    assert runners.get(0, model) is not runner
    runners.close()
