"""YOLO outputs of every layout and type, made by hand, and their class-wise suppression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_runtime.boxes import WHOLE_FRAME, InputPlacement
from edge_runtime.decode.base import open_decoder
from edge_runtime.errors import PackError
from edge_runtime.manifest import OutputSection
from edge_runtime.raw import TensorSpec
from edge_runtime.records import MAX_OBJECTS, Detection, Detections

LABELS = ("person", "dog", "cart")
INPUT = TensorSpec("in", (1, 320, 640, 3), "uint8")  # taller or wider: axes must not be mixed up
CELLS = 40 * 80 + 20 * 40 + 10 * 20  # of heads of strides 8, 16, 32

# Candidates: cx, cy, w, h in pixels of a 640x320 input, then the scores of three classes.
PERSON = (320.0, 160.0, 320.0, 160.0, 0.75, 0.125, 0.0)
CART = (64.0, 32.0, 128.0, 64.0, 0.0, 0.25, 0.5)
NOTHING = (600.0, 300.0, 10.0, 10.0, 0.125, 0.0625, 0.0)
EXPECTED = Detections(
    (
        Detection(0, 0.75, (0.25, 0.25, 0.75, 0.75)),
        Detection(2, 0.5, (0.0, 0.0, 0.2, 0.2)),
    )
)


def v8(*candidates: tuple[float, ...]) -> np.ndarray[Any, Any]:
    """Return these candidates, and nothing in all further cells."""
    output = np.zeros((1, 7, CELLS), np.float32)
    output[0, :, : len(candidates)] = np.array(candidates, np.float32).T
    return output


def v5(*candidates: tuple[float, ...]) -> np.ndarray[Any, Any]:
    """Add an objectness of 0.5 and double the class scores."""
    output = np.zeros((1, 3 * CELLS, 8), np.float32)
    for row, one in zip(output[0], candidates, strict=False):
        row[:] = (*one[:4], 0.5, *(2.0 * score for score in one[4:]))
    return output


def fractions(output: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    scaled = output.copy()
    scaled[:, :4] /= np.array([640, 320, 640, 320], np.float32)[None, :, None]
    return scaled


def decode(
    output: np.ndarray[Any, Any],
    *,
    min_score: float = 0.3,
    iou: float | None = None,
    placement: InputPlacement = WHOLE_FRAME,
    **quantisation: Any,
) -> Detections:
    spec = TensorSpec("out", output.shape, output.dtype.name, **quantisation)
    decoder = open_decoder(
        OutputSection("yolo", iou=0.45), (spec,), LABELS, input_spec=INPUT, iou=iou
    )
    found = decoder.decode([output], placement, min_score=min_score)
    assert isinstance(found, Detections)
    return found


def assert_close(found: Detections, expected: Detections, tolerance: float = 1e-6) -> None:
    assert [o.class_id for o in found.objects] == [o.class_id for o in expected.objects]
    for one, other in zip(found.objects, expected.objects, strict=True):
        assert one.score == pytest.approx(other.score, abs=tolerance)
        assert one.xyxy == pytest.approx(other.xyxy, abs=tolerance)


ALL = (NOTHING, CART, PERSON, NOTHING)


@pytest.mark.parametrize(
    "output",
    [
        v8(*ALL),
        v8(*ALL).transpose(0, 2, 1),
        v5(*ALL),
        v5(*ALL).transpose(0, 2, 1),
        fractions(v8(*ALL)),
        fractions(v5(*ALL).transpose(0, 2, 1)).transpose(0, 2, 1),
    ],
    ids=["v8", "v8 transposed", "v5", "v5 transposed", "v8 fractions", "v5 fractions"],
)
def test_every_layout_in_pixels_and_fractions(output: np.ndarray[Any, Any]) -> None:
    assert_close(decode(output), EXPECTED)


@pytest.mark.parametrize(("dtype", "zero_point"), [("uint8", 0), ("int8", -128)])
def test_quantised_fractions(dtype: str, zero_point: int) -> None:
    stored = np.rint(fractions(v8(*ALL)) * 256) + zero_point
    limits = np.iinfo(dtype)
    output = np.clip(stored, limits.min, limits.max).astype(dtype)
    assert_close(decode(output, scale=1 / 256, zero_point=zero_point), EXPECTED, 1 / 256)


def test_quantised_pixels_are_told_by_the_scale() -> None:
    # One scale for boxes and scores: 4 pixels a step leave the scores 0 or (clipped) 1.
    output = v8((320.0, 160.0, 320.0, 160.0, 4.0, 0.0, 0.0)) / 4.0
    found = decode(output.astype(np.uint8), scale=4.0)
    assert found == Detections((Detection(0, 1.0, (0.25, 0.25, 0.75, 0.75)),))


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_stored_threshold_keeps_the_value_that_just_reaches_it(dtype: str) -> None:
    zero_point = int(np.iinfo(dtype).min)
    scale = 0.1
    output = v8((4, 4, 4, 4, 7, 0, 0)) + zero_point
    for min_score, kept in ((7 * scale, 1), (np.nextafter(7 * scale, 1.0), 0), (30.0, 0)):
        found = decode(
            output.astype(dtype), min_score=float(min_score), scale=scale, zero_point=zero_point
        )
        assert len(found.objects) == kept


def test_suppression_is_within_a_class() -> None:
    near = (324.0, 160.0, 320.0, 160.0, 0.5, 0.0, 0.0)
    other_class = (324.0, 160.0, 320.0, 160.0, 0.0, 0.625, 0.0)
    found = decode(v8(near, PERSON, other_class))
    assert [(o.class_id, o.score) for o in found.objects] == [(0, 0.75), (1, 0.625)]


def test_stream_s_iou_goes_before_the_pack_s() -> None:
    half = (320.0, 160.0, 320.0, 80.0, 0.5, 0.0, 0.0)  # IoU with PERSON is 0.5
    assert len(decode(v8(PERSON, half)).objects) == 1
    assert len(decode(v8(PERSON, half), iou=0.5).objects) == 2
    assert len(decode(v8(PERSON, half), iou=0.49).objects) == 1


def test_a_suppressed_box_suppresses_nothing() -> None:
    # Each box overlaps the next with IoU 0.6, and the one after with 1/3.
    chain = [(100.0 + 25.0 * i, 100.0, 100.0, 100.0, 0.9 - 0.1 * i, 0.0, 0.0) for i in range(3)]
    found = decode(v8(*chain))
    assert [o.score for o in found.objects] == pytest.approx([0.9, 0.7])


def test_candidates_and_objects_are_bounded_best_first() -> None:
    scores = np.linspace(0.4, 0.9, CELLS)
    grid = np.arange(CELLS)
    output = np.zeros((1, 7, CELLS), np.float32)
    output[0, 0] = grid % 120 * 5 + 3
    output[0, 1] = grid // 120 * 4 + 3
    output[0, 2:4] = 2.0
    output[0, 5] = scores
    found = decode(output)
    assert len(found.objects) == MAX_OBJECTS
    assert [o.score for o in found.objects] == pytest.approx(scores[: -MAX_OBJECTS - 1 : -1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", range(7))
def test_candidate_that_is_no_number_is_left_out(value: float, row: int) -> None:
    broken = list(PERSON)
    broken[row] = value
    assert_close(decode(v8(tuple(broken), CART, PERSON)), EXPECTED)


@pytest.mark.parametrize("size", [(0.0, 50.0), (-10.0, 50.0), (50.0, 0.0), (-50.0, -50.0)])
def test_empty_and_inverted_boxes_are_left_out(size: tuple[float, float]) -> None:
    assert decode(v8((100.0, 100.0, *size, 0.9, 0.0, 0.0))) == Detections()


def test_letterboxed_boxes_come_back_to_the_frame() -> None:
    # A square frame in the 640x320 input: it fills the middle half of the width.
    found = decode(v8(PERSON), placement=InputPlacement(x_offset=-0.5, x_scale=2.0))
    assert_close(found, Detections((Detection(0, 0.75, (0.0, 0.25, 1.0, 0.75)),)))


def test_model_without_a_picture_input_is_refused() -> None:
    with pytest.raises(PackError, match="height, width"):
        open_decoder(
            OutputSection("yolo"),
            (TensorSpec("o", (1, 7, CELLS), "float32"),),
            LABELS,
            input_spec=TensorSpec("in", (1, 640), "int8"),
        )
