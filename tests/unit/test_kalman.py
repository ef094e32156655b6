"""Where a tracked box is expected, and how large: by its sightings, without their noise."""

from __future__ import annotations

import random

import pytest

from edge_runtime.boxes import Box
from edge_runtime.track.kalman import BoxFilter

WHOLE, FPS = (0.4, 0.2, 0.6, 0.8), 10.0


def box_of(width: float, height: float) -> Box:
    return 0.5 - width / 2, 0.5 - height / 2, 0.5 + width / 2, 0.5 + height / 2


def after(*boxes: Box) -> BoxFilter:
    """Return a filter that was given a box a frame."""
    one = BoxFilter(boxes[0], 0.0)
    for number, box in enumerate(boxes[1:], start=1):
        one.see(box, number / FPS)
    return one


def test_one_box_that_is_cut_in_half_does_not_halve_what_is_expected() -> None:
    one = after(*[WHOLE] * 20, box_of(0.1, 0.3))
    assert 0.12 < one.width < 0.18
    assert 0.36 < one.height < 0.54


def test_a_size_that_stays_is_believed() -> None:
    one = after(*[WHOLE] * 20, *[box_of(0.1, 0.3)] * 20)
    assert (one.width, one.height) == pytest.approx((0.1, 0.3), rel=0.02)


def test_an_expected_size_wavers_less_than_its_sightings() -> None:
    noise = random.Random(1)
    drawn = [(noise.uniform(0.16, 0.24), noise.uniform(0.48, 0.72)) for _ in range(200)]
    one, widths, heights = after(*[WHOLE] * 20), [], []
    for number, (width, height) in enumerate(drawn, start=20):
        one.see(box_of(width, height), number / FPS)
        widths.append(one.width)
        heights.append(one.height)
    assert max(widths) - min(widths) < 0.75 * 0.08
    assert max(heights) - min(heights) < 0.75 * 0.24
