"""What each publish mode makes of detections, classes and bodies; filters; gates."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.options import (
    CountOptions,
    ModelOptions,
    PublishMode,
    PublishOptions,
    StreamOptions,
    TrackOptions,
)
from edge_runtime.records import (
    Body,
    BodyPose,
    Classification,
    ClassScore,
    Counts,
    Decoded,
    Detection,
    Detections,
    Event,
    LabelCount,
    Pose,
    Result,
)
from edge_runtime.stream.build_vision import build_pipeline, low_score
from edge_runtime.stream.pipeline import Pipeline, PublishModes
from support.engine import no_limit, road_pack

PERSON, MOTORBIKE, CAR, TRUCK = 0, 1, 2, 3
BOX = (0.2, 0.2, 0.4, 0.6)
FAR = (0.7, 0.1, 0.9, 0.3)
FRAME_S = 0.5


def stream(mode: str, **options: object) -> StreamOptions:
    model = ModelOptions("village-road", min_score=0.5, labels=options.pop("labels", ()))  # type: ignore[arg-type]
    publish = PublishOptions(mode, every_s=2.0)  # type: ignore[arg-type]
    return StreamOptions("road", model=model, publish=publish, **options)  # type: ignore[arg-type]


def pipeline(options: StreamOptions, modes: PublishModes | None = None) -> Pipeline:
    ids = iter(range(1, 100))
    modes = modes or no_limit(ManualClock())
    return build_pipeline(options, road_pack(), lambda: next(ids), modes)


def at(frame: int) -> Stamp:
    return Stamp(1_700_000_000.0 + frame * FRAME_S, 100.0 + frame * FRAME_S)


def play(options: StreamOptions, frames: Sequence[Decoded | None]) -> list[Result]:
    """Run frames (None: the gate let none through) to the stream's end."""
    made = pipeline(options)
    results: list[Result] = []
    for number, decoded in enumerate(frames):
        results += (
            made.skipped(at(number)) if decoded is None else made.inferred(at(number), decoded)
        )
    return results + list(made.finish())


def bodies(options: StreamOptions, frames: Sequence[Decoded | None]) -> list[Body]:
    return [result.body for result in play(options, frames)]


def seen(*objects: tuple[int, float]) -> Detections:
    return Detections(tuple(Detection(c, s, BOX if c == PERSON else FAR) for c, s in objects))


def classes(*pairs: tuple[int, float]) -> Classification:
    return Classification(tuple(ClassScore(c, s) for c, s in pairs))


def body_at(x: float, score: float = 0.9) -> Pose:
    points = ((x, 0.2, 0.9), (x + 0.1, 0.8, 0.9), (0.0, 0.0, 0.01))
    return Pose((BodyPose(score, points),))


def events(found: Sequence[Body]) -> list[str]:
    assert all(isinstance(one, Event) for one in found)
    return [one.event for one in found if isinstance(one, Event)]


# Every inference


def test_every_inference_is_a_record_with_what_is_above_the_score() -> None:
    frames = [seen((PERSON, 0.9), (CAR, 0.5)), seen(), seen((CAR, 0.51))]
    assert bodies(stream("every_inference"), frames) == [
        seen((PERSON, 0.9)),  # a score of just min_score does not lie above it
        seen(),
        seen((CAR, 0.51)),
    ]


def test_records_name_their_stream_their_moment_and_their_model() -> None:
    (result,) = play(stream("every_inference"), [seen((PERSON, 0.9))])
    assert (result.stream, result.stamp, result.model) == ("road", at(0), road_pack().ref)
    assert result.kind == "detections"


def test_a_tracker_adds_ids_and_its_weak_objects_stay_inside() -> None:
    options = stream("every_inference", track=TrackOptions(low_score=0.2))
    assert low_score(options) == 0.2
    frames = [*[seen((PERSON, 0.9), (CAR, 0.3))] * 3, seen((PERSON, 0.3))]
    made = bodies(options, frames)
    assert [[o.class_id for o in one.objects] for one in made if isinstance(one, Detections)] == [
        [PERSON], [PERSON], [PERSON], [],
    ]  # fmt: skip
    assert isinstance(made[2], Detections)
    assert made[2].objects[0].track == 1


def test_labels_leave_other_detections_and_classes_out() -> None:
    options = stream("every_inference", labels=("car",))
    assert bodies(options, [seen((PERSON, 0.9), (CAR, 0.8))]) == [seen((CAR, 0.8))]
    assert bodies(options, [classes((PERSON, 0.9), (CAR, 0.8))]) == [classes((CAR, 0.8))]
    assert bodies(options, [seen((PERSON, 0.9))]) == [seen()]  # looked, and there was none


def test_frames_that_were_not_inferred_give_no_record() -> None:
    assert bodies(stream("every_inference"), [None, seen(), None]) == [seen()]


@pytest.mark.parametrize("decoded", [classes((CAR, 0.8)), body_at(0.2)], ids=["classes", "pose"])
def test_classes_and_bodies_are_published_as_they_are(decoded: Decoded) -> None:
    assert bodies(stream("every_inference"), [decoded, decoded]) == [decoded, decoded]


# Events


def test_events_of_a_detector_are_each_track_s_enter_and_exit() -> None:
    found = bodies(stream("events"), [seen((PERSON, 0.9))] * 6 + [seen()] * 20)
    assert events(found) == ["enter", "exit"]
    assert all(one.object.class_id == PERSON for one in found if isinstance(one, Event))


def test_the_end_of_a_stream_lets_what_is_there_exit() -> None:
    assert events(bodies(stream("events"), [seen((PERSON, 0.9))] * 6)) == ["enter", "exit"]


def test_events_keep_to_the_labels() -> None:
    frames = [seen((PERSON, 0.9), (CAR, 0.9))] * 6
    found = bodies(stream("events", labels=("car",)), frames)
    assert events(found) == ["enter", "exit"]
    assert {one.object.class_id for one in found if isinstance(one, Event)} == {CAR}


def test_a_closed_gate_keeps_what_stands_still() -> None:
    found = bodies(stream("events"), [seen((PERSON, 0.9))] * 6 + [None] * 40)
    results = play(stream("events"), [seen((PERSON, 0.9))] * 6 + [None] * 40)
    assert events(found) == ["enter", "exit"]
    assert results[-1].stamp == at(45)


def test_events_of_a_classifier_follow_its_best_class() -> None:
    frames = [classes((PERSON, 0.9), (CAR, 0.1))] * 6 + [classes((CAR, 0.9), (PERSON, 0.1))] * 12
    found = bodies(stream("events"), frames)
    happened = [(e.event, e.object.class_id) for e in found if isinstance(e, Event)]
    assert sorted(happened) == sorted(
        [("enter", PERSON), ("exit", PERSON), ("enter", CAR), ("exit", CAR)]
    )
    assert {e.object.xyxy for e in found if isinstance(e, Event)} == {(0.0, 0.0, 1.0, 1.0)}


def test_events_of_a_classifier_keep_to_the_labels() -> None:
    frames = [classes((PERSON, 0.9), (CAR, 0.1))] * 6
    assert bodies(stream("events", labels=("car",)), frames) == []


def test_events_of_a_pose_model_are_bodies_in_their_keypoints_boxes() -> None:
    found = bodies(stream("events"), [body_at(0.2)] * 6)
    assert events(found) == ["enter", "exit"]
    assert isinstance(found[0], Event)
    # The guessed keypoint in the corner does not stretch it.
    assert found[0].object.xyxy == pytest.approx((0.2, 0.2, 0.3, 0.8), abs=0.02)


def test_a_body_below_the_score_is_no_event() -> None:
    assert bodies(stream("events"), [body_at(0.2, 0.4)] * 6) == []


def test_events_of_a_classifier_are_of_its_best_class_alone() -> None:
    found = bodies(stream("events"), [classes((PERSON, 0.9), (CAR, 0.8))] * 6)
    assert events(found) == ["enter", "exit"]
    assert {one.object.class_id for one in found if isinstance(one, Event)} == {PERSON}


def test_a_picture_of_another_class_is_another_thing_however_alike_they_look() -> None:
    found = bodies(stream("events"), [classes((CAR, 0.9))] * 6 + [classes((TRUCK, 0.9))] * 6)
    happened = [(e.event, e.object.class_id) for e in found if isinstance(e, Event)]
    assert [class_id for event, class_id in happened if event == "enter"] == [CAR, TRUCK]


def test_a_body_of_guessed_keypoints_alone_has_the_box_around_them() -> None:
    guesses = Pose((BodyPose(0.9, ((0.2, 0.2, 0.01), (0.3, 0.8, 0.0))),))
    (entered, _) = bodies(stream("events"), [guesses] * 6)
    assert isinstance(entered, Event)
    assert entered.object.xyxy == pytest.approx((0.2, 0.2, 0.3, 0.8))


def test_what_is_not_looked_at_while_something_moves_is_given_up_in_the_end() -> None:
    made = pipeline(stream("events"))
    for number in range(6):
        made.inferred(at(number), seen((PERSON, 0.9)))
    found = [one for number in range(6, 40) for one in made.coasted(at(number))]
    assert events([one.body for one in found]) == ["exit"]


def test_the_end_of_a_stream_is_at_its_last_frame_even_where_that_was_not_looked_at() -> None:
    made = pipeline(stream("events"))
    for number in range(6):
        made.inferred(at(number), seen((PERSON, 0.9)))
    assert made.coasted(at(6)) == ()
    (left,) = made.finish()
    assert left.stamp == at(6)


class Switched:
    """Publish modes that somebody changes in mid-stream, as the day's limit does."""

    def __init__(self) -> None:
        self.now: PublishMode = "every_inference"

    def mode(self, _configured: PublishMode) -> PublishMode:
        return self.now

    def modes(self, _configured: PublishMode) -> tuple[PublishMode, ...]:
        return ("every_inference", "events")


def test_events_that_the_mode_implies_are_told_in_that_mode_alone_and_know_who_is_there() -> None:
    modes = Switched()
    made = pipeline(stream("every_inference", track=TrackOptions()), modes=modes)
    full = [one for number in range(6) for one in made.inferred(at(number), seen((PERSON, 0.9)))]
    assert {one.kind for one in full} == {"detections"}
    modes.now = "events"
    less = [one for number in range(6, 30) for one in made.inferred(at(number), seen())]
    assert events([one.body for one in less]) == ["exit"]


# Intervals


def test_the_interval_of_a_detector_is_its_counts() -> None:
    frames = [seen((PERSON, 0.9), (CAR, 0.9))] * 9
    found = bodies(stream("interval", track=TrackOptions()), frames)
    assert all(isinstance(one, Counts) and one.rule == -1 for one in found)
    first = found[0]
    assert isinstance(first, Counts)
    assert first.span_s == pytest.approx(2.0)
    assert {line.class_id for line in first.labels} >= {PERSON, CAR}
    by_class = {line.class_id: line for line in first.labels}
    assert (by_class[PERSON].entered, by_class[PERSON].most) == (1, 1)


def test_counts_know_which_frames_were_left_out_and_which_could_show_nothing() -> None:
    made, blind = (pipeline(stream("interval", track=TrackOptions())) for _ in range(2))
    results = [one for n in range(40) for one in blind.inferred(at(n), seen(), sees=False)]
    results += [one for n in range(1, 40) for one in made.coasted(at(n))]
    counts = [one.body for one in results if isinstance(one.body, Counts)]
    assert counts
    assert all((one.looked, one.labels) == (0.0, ()) for one in counts)


def test_the_interval_s_counts_keep_to_the_labels() -> None:
    frames = [seen((PERSON, 0.9), (CAR, 0.9))] * 9
    found = bodies(stream("interval", labels=("car",), track=TrackOptions()), frames)
    lines: list[LabelCount] = [
        line for one in found if isinstance(one, Counts) for line in one.labels
    ]
    assert {line.class_id for line in lines if line.most} == {CAR}


@pytest.mark.parametrize("decoded", [classes((CAR, 0.8)), body_at(0.2)], ids=["classes", "pose"])
def test_the_interval_of_others_is_the_latest(decoded: Decoded) -> None:
    results = [r for r in play(stream("interval"), [decoded] * 9) if r.body == decoded]
    assert [r.stamp for r in results] == [at(0), at(4), at(8)]


def test_a_rule_of_counts_goes_beside_any_mode() -> None:
    rule = CountOptions("all", every_s=2.0)
    found = bodies(stream("every_inference", rules=(rule,)), [seen((PERSON, 0.9))] * 5)
    assert [type(one).__name__ for one in found].count("Detections") == 5
    assert [one.rule for one in found if isinstance(one, Counts)][:1] == [0]


def test_a_stream_without_a_frame_ends_in_silence() -> None:
    assert play(stream("events"), []) == []
