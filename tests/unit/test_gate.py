"""The gates: all, one in so many seconds, and those frames in which something moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.gate import Gate, open_gate
from edge_runtime.options import (
    AlwaysOptions,
    GateOptions,
    IntervalOptions,
    MotionOptions,
    VideoOptions,
)
from edge_runtime.raw import Frame, Image
from edge_runtime.sources.video import VideoSource

RATE_FPS = 10.0
SIZE = (640, 360)
# So that what motion lets through is not mixed with what the time lets through.
NEVER_STILL = 3600.0


def street() -> Image:
    """Return a picture with structure at every scale."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(40, 190, (9, 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


def noisy(image: Image, rng: np.random.Generator, sigma: float = 4.0) -> Image:
    grain = rng.normal(0.0, sigma, image.shape)
    return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)


def brighter(image: Image, levels: float) -> Image:
    bright: Image = np.clip(np.rint(image + levels), 0, 255).astype(np.uint8)
    return bright


def with_box(image: Image, x: int, y: int, level: int = 250, side: int = 40) -> Image:
    drawn = image.copy()
    cv2.rectangle(drawn, (x, y), (x + side, y + side), (level, level, level), -1)
    return drawn


def frames(images: Iterable[Image], rate_fps: float = RATE_FPS) -> Iterator[Frame]:
    for index, image in enumerate(images):
        yield Frame(index, image, Stamp(1e9, 100.0).later(index / rate_fps))


def admitted(gate: Gate, images: Iterable[Image], rate_fps: float = RATE_FPS) -> list[bool]:
    return [gate.admits(frame) for frame in frames(images, rate_fps)]


def motion(**options: float) -> Gate:
    return open_gate(MotionOptions(**{"max_interval_s": NEVER_STILL, **options}))  # type: ignore[arg-type]


def clip_admitted(path: Path, grain: float = 0.0) -> list[bool]:
    rng = np.random.default_rng(5)
    source = VideoSource(VideoOptions(path, realtime=False), ManualClock())
    gate = open_gate(MotionOptions())
    source.open()
    given = []
    while (frame := source.read()) is not None:
        image = noisy(frame.image, rng, grain) if grain else frame.image
        given.append(gate.admits(Frame(frame.index, image, frame.stamp)))
    source.close()
    return given


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


@pytest.mark.parametrize("options", [AlwaysOptions(), IntervalOptions(), MotionOptions()])
@pytest.mark.parametrize("shape", [(360, 640, 3), (360, 640), (16, 16, 3), (640, 90, 3)])
def test_the_first_frame_is_always_admitted(options: GateOptions, shape: tuple[int, ...]) -> None:
    image = np.full(shape, 80, np.uint8)
    flags = admitted(open_gate(options), [image] * 3)
    assert flags == [True, isinstance(options, AlwaysOptions), isinstance(options, AlwaysOptions)]


@pytest.mark.parametrize(
    ("every_s", "rate_fps", "expected"), [(1.0, 10.0, 10), (0.25, 10.0, 40), (1.0, 0.5, 100)]
)
def test_an_interval_is_kept_in_media_time(every_s: float, rate_fps: float, expected: int) -> None:
    flags = admitted(open_gate(IntervalOptions(every_s)), [street()] * 100, rate_fps)
    assert sum(flags) == pytest.approx(expected, abs=1)
    assert flags[0]


def test_people_are_let_through_and_the_still_room_is_not(data: Path) -> None:
    flags = clip_admitted(data / "video" / "one-by-one-person-detection.mp4")
    assert share(flags[:50]) <= 0.05
    for first, last in ((62, 195), (229, 444), (505, 694), (745, 863), (925, 1194), (1237, 1357)):
        assert share(flags[first : last + 1]) >= 0.99
    # Between two people no ghost of the one who stood there keeps the gate open.
    for first, last in ((205, 220), (455, 490), (705, 735), (875, 915), (1205, 1225)):
        assert share(flags[first:last]) <= 0.5


@pytest.mark.parametrize("grain", [0.0, 1.0])  # decoders differ by so much
def test_cars_are_let_through_and_the_empty_road_is_not(data: Path, grain: float) -> None:
    flags = clip_admitted(data / "video" / "car-detection.mp4", grain)
    for first, last in ((60, 110), (185, 240), (322, 342)):
        assert share(flags[first:last]) == 1.0
    assert share(flags[1:50]) <= 0.3  # the camera's gain moves
    assert share(flags[260:310]) <= 0.1


def test_sensor_noise_is_stillness() -> None:
    rng = np.random.default_rng(2)
    still = street()
    flags = admitted(motion(), (noisy(still, rng) for _ in range(50)))
    assert flags == [True] + [False] * 49


def test_something_small_that_moves_is_seen_through_the_noise() -> None:
    rng = np.random.default_rng(3)
    still = street()
    moving = (noisy(with_box(still, 10 * i, 200), rng) for i in range(1, 50))
    flags = admitted(motion(), [still, *moving])
    assert all(flags)


def test_less_than_the_smallest_area_is_stillness() -> None:
    still = street()
    images = [still, *(with_box(still, 10 * i, 200) for i in range(1, 50))]
    assert not any(admitted(motion(min_area=0.02), images)[1:])
    assert all(admitted(motion(min_area=0.0), images))


def test_a_step_of_light_lets_one_frame_through_and_is_then_the_new_normal() -> None:
    dark, bright = street(), brighter(street(), 40)
    flags = admitted(motion(), [dark] * 10 + [bright] * 20)
    assert flags == [True] + [False] * 9 + [True] + [False] * 19


def test_what_moves_just_after_a_step_of_light_is_seen() -> None:
    dark, bright = street(), brighter(street(), 40)
    moving = [with_box(bright, 10 * i, 200, level=20) for i in range(1, 10)]
    assert all(admitted(motion(), [dark, bright, *moving]))


def test_what_was_there_when_the_light_changed_leaves_no_ghost() -> None:
    dark, bright = street(), brighter(street(), 40)
    going = [with_box(bright, 200 + 40 * i, 200, level=20, side=80) for i in range(10)]
    flags = admitted(motion(), [dark] * 10 + going + [bright] * 30)
    assert flags == [True] + [False] * 9 + [True] * 16 + [False] * 24


def test_who_comes_just_after_the_light_changed_and_stands_still_is_seen() -> None:
    dark, bright = street(), brighter(street(), 40)
    standing = with_box(bright, 300, 200, level=20, side=80)
    flags = admitted(motion(), [dark] * 10 + [bright] + [standing] * 100)
    assert flags == [True] + [False] * 9 + [True] * 101


def test_a_slow_ramp_of_light_is_stillness() -> None:
    rng = np.random.default_rng(4)
    still = street()
    # 60 grey levels in 60 s, as when a cloud goes by.
    images = (noisy(brighter(still, i / 2), rng, 2.0) for i in range(120))
    flags = admitted(motion(), images, rate_fps=2.0)
    assert sum(flags[1:]) == 0


def test_a_car_that_parks_becomes_background_within_a_minute_and_is_seen_when_it_leaves() -> None:
    still = street()
    parked = with_box(still, 300, 200, level=250, side=80)
    gate = motion()
    flags = admitted(gate, [still] * 10 + [parked] * 600)
    assert all(flags[10:110])
    assert not any(flags[-50:])
    leaving = [with_box(still, 300 + 20 * i, 200, level=250, side=80) for i in range(1, 10)]
    after = Stamp(1e9, 100.0).later(61.0)
    assert all(gate.admits(Frame(i, image, after.later(i / 10))) for i, image in enumerate(leaving))


def test_absorbing_goes_by_the_stamps_and_not_by_the_number_of_frames() -> None:
    still = street()
    parked = with_box(still, 300, 200, side=80)

    def absorbed_after_s(rate_fps: float) -> float:
        flags = admitted(motion(), [still] + [parked] * int(60 * rate_fps), rate_fps)
        return (len(flags) - flags[::-1].index(True)) / rate_fps

    assert absorbed_after_s(2.0) == pytest.approx(absorbed_after_s(10.0), rel=0.15)


def test_the_gate_stays_open_for_a_while_after_the_last_motion() -> None:
    still = street()
    passing = [with_box(still, 100 * i, 200) for i in range(1, 4)]
    gate = open_gate(MotionOptions(max_interval_s=NEVER_STILL), hold_open_s=2.0)
    flags = admitted(gate, [still] * 5 + passing + [still] * 50)
    assert flags == [True] + [False] * 4 + [True] * (3 + 20) + [False] * 30


def test_where_nothing_moves_one_frame_in_still_s_passes() -> None:
    flags = admitted(open_gate(MotionOptions(max_interval_s=2.0)), [street()] * 100)
    assert [index for index, flag in enumerate(flags) if flag] == [0, 20, 40, 60, 80]


def test_another_frame_size_starts_anew() -> None:
    small = np.asarray(cv2.resize(street(), (320, 240)), np.uint8)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    flags = admitted(motion(), [street()] * 3 + [small] * 3 + [grey] * 3)
    assert flags == [True, False, False] * 3


def test_a_clock_that_stands_or_goes_back_does_no_harm() -> None:
    gate = motion()
    moments = (100.0, 100.0, 99.0, 100.1)
    flags = [gate.admits(Frame(i, street(), Stamp(1e9, at))) for i, at in enumerate(moments)]
    assert flags == [True, False, False, False]
