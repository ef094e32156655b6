"""Masks: what lies inside is black before anything looks at it; all else is as it was."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.clock import Stamp
from edge_runtime.mask import PrivacyMask
from edge_runtime.raw import Frame

CORNER = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.25), (0.0, 0.25))
TRIANGLE = ((1.0, 1.0), (1.0, 0.5), (0.5, 1.0))


def frame(shape: tuple[int, ...]) -> Frame:
    image = np.full(shape, 200, np.uint8)
    image.flags.writeable = False  # as what a child process decoded
    return Frame(3, image, Stamp(1.0, 2.0))


@pytest.mark.parametrize("shape", [(720, 1280, 3), (9, 16, 3), (480, 640)])
def test_the_inside_is_black_and_the_rest_as_it_was(shape: tuple[int, ...]) -> None:
    given = frame(shape)
    masked = PrivacyMask([CORNER, TRIANGLE]).apply(given)
    height, width = shape[:2]
    black = masked.image.reshape(height, width, -1).max(axis=2) == 0
    assert black[: int(height * 0.25), : width // 2].all()
    assert black[-1, -1]
    kept = masked.image.reshape(height, width, -1)[~black]
    assert (kept == 200).all()
    # A quarter of half the frame, and half of a quarter; the edges' pixels are inside.
    assert 0.25 <= black.mean() <= 0.25 + 4.0 * (1 / width + 1 / height)
    assert (given.image == 200).all()
    assert (masked.index, masked.stamp) == (given.index, given.stamp)


def test_the_whole_frame_can_be_masked() -> None:
    everything = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert not PrivacyMask([everything]).apply(frame((48, 64, 3))).image.any()
