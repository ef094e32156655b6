"""The tracker on drawn scenes and on random ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import options
from edge_runtime.boxes import clip, iou
from edge_runtime.records import Detection, TrackState
from edge_runtime.track import Tracker, TrackerOutput

PERSON, CAR = 0, 2
Scene = Callable[[float], tuple[Detection, ...]]
DEFAULTS = options.TrackOptions()


def tracker(track: options.TrackOptions = DEFAULTS) -> Tracker:
    ids = itertools.count(1)
    return Tracker(track, high_score=0.5, new_id=lambda: next(ids))


def thing(
    x: float, y: float = 0.5, *, w: float = 0.1, h: float = 0.3, score: float = 0.8,
    class_id: int = PERSON,
) -> Detection:  # fmt: skip
    """An object by its centre, its box clipped to the frame."""
    box = clip(x - w / 2), clip(y - h / 2), clip(x + w / 2), clip(y + h / 2)
    return Detection(class_id, score, box)


def play(one: Tracker, scene: Scene, *, fps: float, seconds: float) -> list[TrackerOutput]:
    frames = range(round(fps * seconds) + 1)
    return [one.update(scene(frame / fps), 50.0 + frame / fps) for frame in frames]


def ids(outputs: Iterable[TrackerOutput]) -> list[int]:
    """Every id that was confirmed, in order."""
    return [state.id for output in outputs for state in output.entered]


def test_a_track_is_confirmed_by_its_third_sighting_and_says_since_when() -> None:
    one = tracker()
    outputs = play(one, lambda t: (thing(0.3 + 0.05 * t),), fps=10, seconds=0.3)
    assert [len(output.entered) for output in outputs] == [0, 0, 1, 0]
    assert [output.objects[0].track for output in outputs] == [0, 0, 1, 1]
    (state,) = outputs[2].live
    assert (state.since_s, state.seen_s) == (50.0, 50.2)
    assert state.xyxy == outputs[2].objects[0].xyxy
    assert state.first_xyxy == outputs[0].objects[0].xyxy


def test_a_track_is_given_up_max_lost_s_after_it_was_last_seen() -> None:
    one = tracker(options.TrackOptions(max_lost_s=1.0))
    outputs = play(one, lambda t: (thing(0.5),) if t < 1 else (), fps=10, seconds=3)
    there = [number for number, output in enumerate(outputs) if output.live]
    assert there == list(range(2, 20))  # last seen in frame 9
    assert outputs[19].live[0].seen_s == pytest.approx(50.9)
    assert outputs[19].live[0].visible is False


def test_a_low_score_keeps_a_track_alive_but_never_begins_one() -> None:
    faint = tracker()
    assert not ids(play(faint, lambda t: (thing(0.5, score=0.4),), fps=10, seconds=5))
    flash = tracker()
    assert not ids(play(flash, lambda t: (thing(0.5, score=0.3 if t else 0.8),), fps=10, seconds=5))
    fading = tracker()
    outputs = play(
        fading, lambda t: (thing(0.5, score=0.8 if t < 0.5 else 0.3),), fps=10, seconds=9
    )
    assert ids(outputs) == [1]
    assert outputs[-1].objects[0].track == 1
    assert outputs[-1].live[0].score == 0.8


def test_what_scores_below_low_score_is_passed_through_untouched() -> None:
    one = tracker(options.TrackOptions(low_score=0.3))
    outputs = play(one, lambda t: (thing(0.5, score=0.9 if t < 1 else 0.2),), fps=10, seconds=2)
    assert outputs[-1].objects == (thing(0.5, score=0.2),)
    assert outputs[-1].live[0].visible is False


def test_two_people_who_cross_keep_their_ids_at_10_fps() -> None:
    def scene(t: float) -> tuple[Detection, ...]:
        right, left = thing(0.1 + 0.16 * t, 0.5), thing(0.9 - 0.16 * t, 0.52)
        # Where they overlap a detector reports the one in front alone.
        return (right,) if iou(right.xyxy, left.xyxy) > 0.3 else (right, left)

    outputs = play(tracker(), scene, fps=10, seconds=5)
    assert ids(outputs) == [1, 2]
    first, last = outputs[5].objects, outputs[-1].objects
    assert [each.track for each in last] == [each.track for each in first]


@pytest.mark.parametrize("speed", [0.0, 0.15, 0.3])
def test_an_occlusion_of_one_and_a_half_seconds_keeps_the_id(speed: float) -> None:
    noise = random.Random(7)

    def scene(t: float) -> tuple[Detection, ...]:
        if 1.0 < t < 2.5:
            return ()
        return (thing(0.05 + speed * t + noise.uniform(-0.005, 0.005)),)

    outputs = play(tracker(), scene, fps=10, seconds=3)
    assert ids(outputs) == [1]
    assert outputs[-1].objects[0].track == 1


def test_a_fast_mover_at_2_fps_keeps_its_id_though_it_leaves_its_own_box_behind() -> None:
    def scene(t: float) -> tuple[Detection, ...]:
        return (thing(0.05 + 0.3 * t),)

    assert iou(scene(0)[0].xyxy, scene(0.5)[0].xyxy) == 0.0
    outputs = play(tracker(), scene, fps=2, seconds=3)
    assert ids(outputs) == [1]
    assert outputs[-1].objects[0].track == 1


def test_what_stands_elsewhere_in_the_next_slow_frame_is_another_thing() -> None:
    outputs = play(tracker(), lambda t: (thing(0.1 if t < 2 else 0.9),), fps=2, seconds=6)
    assert ids(outputs) == [1, 2]


def test_nothing_jumps_across_the_picture_however_slow_the_frames() -> None:
    outputs = play(tracker(), lambda t: (thing(0.9 if t else 0.1),), fps=1, seconds=3)
    assert outputs[-1].live[0].first_xyxy == thing(0.9).xyxy


def test_after_a_gap_longer_than_max_lost_s_nobody_is_the_same() -> None:
    one = tracker()
    play(one, lambda t: (thing(0.5),), fps=10, seconds=1)
    back = one.update((thing(0.5),), 60.0)
    assert back.live == ()
    assert back.objects[0].track == 0


def test_noise_never_becomes_a_track() -> None:
    noise = random.Random(3)

    def scene(t: float) -> tuple[Detection, ...]:
        if noise.random() < 0.7:
            return ()
        spot = noise.uniform(0.1, 0.9), noise.uniform(0.2, 0.8)
        return (thing(*spot, w=0.06, h=0.1, score=noise.uniform(0.5, 0.7)),)

    one = tracker()
    assert not ids(play(one, scene, fps=10, seconds=120))


def test_two_boxes_on_one_thing_make_one_track() -> None:
    body, part = thing(0.5, w=0.2, h=0.6), thing(0.53, 0.45, w=0.12, h=0.45, score=0.6)
    outputs = play(tracker(), lambda t: (body, part), fps=10, seconds=3)
    assert ids(outputs) == [1]
    assert [each.track for each in outputs[-1].objects] == [1, 0]


def test_who_steps_out_of_a_box_that_covered_him_is_a_second_track() -> None:
    child = thing(0.3, 0.55, w=0.05, h=0.2, score=0.6)
    outputs = play(
        tracker(), lambda t: (thing(0.3 + 0.1 * t, w=0.2, h=0.6), child), fps=10, seconds=3
    )
    assert ids(outputs) == [1, 2]


def test_a_track_keeps_its_class() -> None:
    van = thing(0.5, class_id=CAR)
    outputs = play(tracker(), lambda t: (thing(0.5), van), fps=10, seconds=1)
    assert [(s.id, s.class_id) for s in outputs[-1].live] == [(1, PERSON), (2, CAR)]


def test_who_stands_still_while_nothing_is_inferred_stays() -> None:
    one = tracker()
    play(one, lambda t: (thing(0.5),), fps=10, seconds=1)
    for second in range(60):
        assert [state.id for state in one.hold(52.0 + second).live] == [1]
    assert one.update((thing(0.5),), 112.0).objects[0].track == 1
    one.update((), 113.0)
    assert not one.hold(113.9).live[0].visible
    assert one.hold(114.5).live == ()  # what an inference missed is not held


def test_a_held_track_does_not_drift() -> None:
    one = tracker()
    play(one, lambda t: (thing(0.2 + 0.2 * t),), fps=10, seconds=1)
    one.hold(51.1)
    # Expected where it came to rest: farther on nobody is the same.
    assert one.update((thing(0.4),), 52.5).objects[0].track == 1


SIGHTINGS = st.builds(
    thing,
    st.sampled_from([0.1, 0.14, 0.3, 0.5, 0.52, 0.8]),
    st.sampled_from([0.4, 0.5]),
    score=st.sampled_from([0.1, 0.3, 0.5, 0.9]),
    class_id=st.sampled_from([PERSON, CAR]),
)
FRAMES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1 / 30, 0.1, 0.5, 1.0, 5.0]),
        st.lists(SIGHTINGS, max_size=5).map(tuple),
    ),
    max_size=40,
)


@settings(max_examples=150)
@given(frames=FRAMES, min_hits=st.integers(1, 4))
def test_whatever_is_seen_the_books_balance(
    frames: list[tuple[float, tuple[Detection, ...]]], min_hits: int
) -> None:
    one = tracker(options.TrackOptions(min_hits=min_hits))
    at_s, there, ever, sure = 10.0, set[int](), set[int](), 0
    for dt, objects in frames:
        at_s += dt
        output = one.update(objects, at_s)
        assert [(d.class_id, d.score, d.xyxy) for d in output.objects] == [
            (d.class_id, d.score, d.xyxy) for d in objects
        ]
        sure += sum(each.score >= 0.5 for each in objects)
        came = id_set(output.entered)
        left = there - id_set(output.live)
        assert not came & ever  # an id is never given twice
        ever |= came
        there = (there - left) | came
        assert there == id_set(output.live)
        carried = [each.track for each in output.objects if each.track]
        assert sorted(carried) == sorted(s.id for s in output.live if s.visible)
        assert all(at_s - s.seen_s <= 2.0 for s in output.live)
    assert sure >= min_hits * len(ever)
    assert ever == set(range(1, len(ever) + 1))
    assert id_set(one.finish(at_s + 60.0)) == there
    assert not one.finish(at_s)


def id_set(states: tuple[TrackState, ...]) -> set[int]:
    assert len({state.id for state in states}) == len(states)
    return {state.id for state in states}
