"""The adaptive rate: few inferences in peace, each frame while something is new."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.clock import Stamp
from edge_runtime.config import parse
from edge_runtime.errors import ConfigError
from edge_runtime.options import MotionOptions
from edge_runtime.raw import Frame
from edge_runtime.stream.adaptive import AdaptiveRate, Choice
from edge_runtime.track.tracker import Attention

RATE_FPS = 10.0


def frame(index: int, square_at: int | None = None) -> Frame:
    """A grey yard, and a bright square in it that may move."""
    image = np.full((120, 160, 3), 90, np.uint8)
    if square_at is not None:
        image[40:80, square_at : square_at + 20] = 250
    return Frame(index, image, Stamp(0.0, 1000.0 + index / RATE_FPS))


def choices(
    squares: list[int | None],
    attention: Attention,
    rate: AdaptiveRate | None = None,
    start: int = 0,
) -> list[Choice]:
    rate = rate or AdaptiveRate(MotionOptions(max_interval_s=5.0))
    return [rate.choose(frame(i, x), attention) for i, x in enumerate(squares)]


def test_a_still_scene_is_looked_at_once_and_then_every_still_s() -> None:
    made = choices([None] * 101, "nobody")
    assert [i for i, choice in enumerate(made) if choice == "infer"] == [0, 50, 100]
    assert set(made) == {"infer", "still"}


@pytest.mark.parametrize(("attention", "every"), [("nobody", 3), ("steady", 4), ("new", 1)])
def test_what_moves_is_looked_at_as_often_as_its_tracks_need(
    attention: Attention, every: int
) -> None:
    made = choices([2 * i for i in range(40)], attention)
    looked = [i for i, choice in enumerate(made) if choice == "infer"][2:]
    assert {b - a for a, b in itertools.pairwise(looked)} == {every}
    assert set(made[2:]) <= {"infer", "coast"}


def test_a_track_out_of_sight_is_looked_for_though_nothing_moves() -> None:
    made = choices([None] * 31, "lost")
    assert [i for i, choice in enumerate(made) if choice == "infer"] == list(range(0, 31, 3))
    assert "still" not in made


def test_a_scene_that_changes_at_once_is_looked_at() -> None:
    rate = AdaptiveRate(MotionOptions())
    choices([None] * 5, "nobody", rate)
    dark = Frame(5, np.zeros((120, 160, 3), np.uint8), Stamp(0.0, 1000.5))
    assert rate.choose(dark, "nobody") == "infer"


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        ({"publish": {"mode": "every_inference"}}, "add `track = {}`"),
        ({"gate": {"kind": "interval", "every_s": 1.0}}, '"always" or "motion"'),
    ],
)
def test_it_is_refused_where_it_has_nothing_to_go_by(stream: dict[str, object], says: str) -> None:
    raw = {
        "device": {"site": "s"},
        "broker": {"url": "mqtt://localhost"},
        "streams": [{"name": "gate", "rate": "adaptive", **stream}],
    }
    with pytest.raises(ConfigError, match=r"streams\[0\].rate") as error:
        parse(raw, Path("edge.toml"))
    assert says in str(error.value)
