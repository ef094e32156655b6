"""What a stream says of its camera: events once each, marks on results, a degraded state."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.camera_health.monitor import CameraMonitor
from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.options import (
    CameraOptions,
    OutboxOptions,
    SourceOptions,
    StreamOptions,
    SyntheticOptions,
    VideoOptions,
)
from edge_runtime.outbox import Outbox
from edge_runtime.records import (
    CAMERA_ALARM,
    CAMERA_REASONS,
    CAMERA_STATES,
    CameraReason,
    Counts,
    Detections,
    Event,
    Result,
    Stored,
)
from edge_runtime.stream.camera_watch import WELL, CameraState, CameraWatch


def watch(told: CameraReason = "") -> CameraWatch:
    return CameraWatch("gate", CameraMonitor(), told=told)


def events(results: tuple[Result, ...]) -> list[tuple[str, str, float | None]]:
    assert all(isinstance(one.body, Event) and one.alarm == CAMERA_ALARM for one in results)
    bodies = [one.body for one in results if isinstance(one.body, Event)]
    return [(one.reason, one.state, one.age_s) for one in bodies]


def at(second: float) -> Stamp:
    return Stamp(1_000_000.0 + second, second)


def test_a_fault_is_told_once_and_its_end_once() -> None:
    one, dirty = watch(), CameraState("dirty", 60.0)
    assert one.told(WELL, at(90.0)) == ()
    assert events(one.told(dirty, at(100.0))) == [("dirty", "on", 40.0)]
    assert one.told(dirty, at(101.0)) == ()
    assert events(one.told(WELL, at(160.0))) == [("dirty", "off", 100.0)]
    assert one.told(WELL, at(161.0)) == ()


def test_where_one_fault_becomes_another_the_first_ends_before() -> None:
    one = watch()
    one.told(CameraState("dirty", 60.0), at(100.0))
    both = one.told(CameraState("covered", 150.0), at(190.0))
    assert events(both) == [("dirty", "off", 130.0), ("covered", "on", 40.0)]


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    one = watch(told="frozen")
    assert one.told(CameraState("frozen"), at(5.0)) == ()
    assert events(one.told(WELL, at(60.0))) == [("frozen", "off", None)]


def test_results_of_the_time_of_a_fault_are_marked_and_counts_of_a_part_of_it() -> None:
    one = watch()

    def marked(second: float, span_s: float = 0.0) -> bool:
        body = Counts(span_s, ()) if span_s else Detections(())
        (result,) = one.marked([Result("gate", at(second), body)])
        return result.doubtful

    one.told(WELL, at(90.0))
    assert not marked(90.0)
    one.told(CameraState("dirty", 60.0), at(100.0))
    assert marked(100.0)
    assert marked(100.0, span_s=60.0)
    one.told(CameraState("dirty", 60.0), at(150.0))
    one.told(WELL, at(151.0))
    assert not marked(151.0)
    assert marked(180.0, span_s=60.0)
    assert not marked(220.0, span_s=60.0)


def test_an_event_of_a_camera_has_a_reason_and_a_state_and_no_other_has() -> None:
    for reason in CAMERA_REASONS:
        for state in CAMERA_STATES:
            Event("camera", None, reason=reason, state=state)
    for event, reason, state in (
        ("camera", "", "on"),
        ("camera", "dirty", ""),
        ("enter", "dirty", "on"),
    ):
        with pytest.raises(ValueError, match="no such event"):
            Event(event, None, reason=reason, state=state)  # type: ignore[arg-type]


def open_box(folder: Path, clock: ManualClock) -> Outbox:
    return Outbox.open(folder, OutboxOptions(max_mb=4.0), clock)


def sent(box: Outbox) -> list[Stored]:
    box.flush(10.0)
    return box.take(10)


def test_an_open_fault_and_the_marks_survive_on_disk(tmp_path: Path) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock)
    (on,) = watch().told(CameraState("moved", clock.monotonic()), clock.now())
    box.append(on)
    box.append(Result("gate", clock.now(), Detections(()), doubtful=True))
    box.append(Result("gate", clock.now(), Detections(())))
    box.close()
    box = open_box(tmp_path, clock)
    assert (box.camera_fault("gate"), box.camera_fault("yard")) == ("moved", "")
    assert [one.doubtful for one in sent(box)] == [False, True, False]
    # Its camera is no longer watched: nobody would ever say that the fault is over.
    box.clear_gone_alarms({"gate": [CAMERA_ALARM]})
    box.flush(10.0)
    assert box.camera_fault("gate") == "moved"
    box.clear_gone_alarms({"gate": ["high"]})
    box.flush(10.0)
    assert box.camera_fault("gate") == ""
    (off,) = [one.body for one in box.take(10) if isinstance(one.body, Event)]
    assert (off.event, off.reason, off.state) == ("camera", "moved", "off")
    box.close()


@pytest.mark.parametrize(
    ("source", "asked", "watched"),
    [
        (CameraOptions(), None, True),
        (CameraOptions(), False, False),
        (SyntheticOptions(), None, False),
        (SyntheticOptions(), True, True),
        (VideoOptions(Path("a.mp4")), None, False),
    ],
)
def test_cameras_are_watched_and_what_gives_the_same_every_day_is_not(
    source: SourceOptions, asked: bool | None, watched: bool
) -> None:
    stream = StreamOptions("gate", source, camera_health=asked)
    assert stream.watches_camera is watched
