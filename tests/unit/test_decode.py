"""Which decoder a pack gets, and what classification and MoveNet outputs become."""

from __future__ import annotations

from math import exp
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from edge_runtime.boxes import WHOLE_FRAME, InputPlacement
from edge_runtime.decode.base import KINDS, Decoder, open_decoder
from edge_runtime.errors import PackError
from edge_runtime.manifest import OutputSection
from edge_runtime.raw import TensorSpec
from edge_runtime.records import MAX_CLASSES, BodyPose, Classification, ClassScore, Pose

PICTURE = TensorSpec("in", (1, 64, 64, 3), "uint8")


def spec(shape: tuple[int, ...], dtype: str = "float32", **quantisation: Any) -> TensorSpec:
    return TensorSpec("out", shape, dtype, **quantisation)


def decoder(kind: Any, *specs: TensorSpec, labels: tuple[str, ...] = ()) -> Decoder:
    return open_decoder(OutputSection(kind), specs, labels, input_spec=PICTURE)


def floats(*values: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(values, np.float32)


# Classification


def classes_of(record: object) -> tuple[ClassScore, ...]:
    assert isinstance(record, Classification)
    return record.classes


def test_classes_best_first_and_none_below_the_threshold() -> None:
    reader = decoder("classification", spec((1, 4)), labels=("a", "b", "c", "d"))
    found = reader.decode([floats([0.125, 0.5, 0.0, 0.375])], WHOLE_FRAME, min_score=0.2)
    assert classes_of(found) == (ClassScore(1, 0.5), ClassScore(3, 0.375))


def test_no_class_at_all_below_the_threshold() -> None:
    reader = decoder("classification", spec((1, 2)), labels=("a", "b"))
    assert classes_of(reader.decode([floats([0.4, 0.45])], WHOLE_FRAME, min_score=0.5)) == ()


def test_at_most_ten_classes_ties_by_class_id() -> None:
    reader = decoder("classification", spec((1, 1000)))
    scores = np.tile(np.array([0.25, 0.5], np.float32), 500)[None]
    found = classes_of(reader.decode([scores], WHOLE_FRAME, min_score=0.1))
    assert [c.class_id for c in found] == list(range(1, 2 * MAX_CLASSES, 2))


@pytest.mark.parametrize(("dtype", "zero_point"), [("uint8", 0), ("int8", -128)])
def test_quantised_probabilities(dtype: str, zero_point: int) -> None:
    output = spec((1, 2), dtype, scale=1 / 256, zero_point=zero_point)
    stored = (np.array([[16, 240]]) + zero_point).astype(dtype)
    found = decoder("classification", output, labels=("no", "yes")).decode(
        [stored], WHOLE_FRAME, min_score=0.0625
    )
    assert classes_of(found) == (ClassScore(1, 0.9375), ClassScore(0, 0.0625))


def test_float_logits_go_through_softmax() -> None:
    reader = decoder("classification", spec((1, 1, 1, 3)))
    found = classes_of(reader.decode([floats([[[-1.0, 3.0, 1.0]]])], WHOLE_FRAME, min_score=0.0))
    total = exp(-1) + exp(3) + exp(1)
    assert [c.class_id for c in found] == [1, 2, 0]
    assert [c.score for c in found] == pytest.approx(
        [exp(3) / total, exp(1) / total, exp(-1) / total]
    )


def test_quantised_logits_are_told_by_their_range_not_by_the_frame() -> None:
    reader = decoder("classification", spec((1, 2), "int8", scale=0.125, zero_point=0))
    found = classes_of(reader.decode([np.array([[0, 8]], np.int8)], WHOLE_FRAME, min_score=0.0))
    assert [c.score for c in found] == pytest.approx([exp(1) / (1 + exp(1)), 1 / (1 + exp(1))])


def test_sigmoid_scores_stay_as_they_are() -> None:
    reader = decoder("classification", spec((1, 3)))
    found = classes_of(reader.decode([floats([0.75, 1.0, 0.5])], WHOLE_FRAME, min_score=0.0))
    assert [c.score for c in found] == [1.0, 0.75, 0.5]


def test_classes_that_are_not_numbers_are_left_out() -> None:
    reader = decoder("classification", spec((1, 3)))
    outputs = [floats([float("nan"), 0.5, float("inf")])]
    assert classes_of(reader.decode(outputs, WHOLE_FRAME, min_score=0.0)) == (ClassScore(1, 0.5),)


def test_float_scores_of_a_known_operator_are_not_judged_by_the_frame() -> None:
    low = [floats([0.25, 0.75])]  # as well logits as probabilities
    for operator, expected in (("FULLY_CONNECTED", 1 / (1 + exp(-0.5))), ("SOFTMAX", 0.75)):
        reader = decoder("classification", spec((1, 2), operator=operator))
        assert classes_of(reader.decode(low, WHOLE_FRAME, min_score=0.5)) == (
            ClassScore(1, pytest.approx(expected)),
        )


@pytest.mark.parametrize("operator", ["LOGISTIC", ""])
@pytest.mark.parametrize(("dtype", "zero_point"), [("uint8", 0), ("int8", -128)])
def test_one_quantised_probability_is_the_second_label_s(
    dtype: str, zero_point: int, operator: str
) -> None:
    output = spec((1, 1), dtype, scale=1 / 256, zero_point=zero_point, operator=operator)
    stored = np.array([[64 + zero_point]]).astype(dtype)
    reader = decoder("classification", output, labels=("no", "yes"))
    found = reader.decode([stored], WHOLE_FRAME, min_score=0.0)
    assert classes_of(found) == (ClassScore(0, 0.75), ClassScore(1, 0.25))
    reader = decoder("classification", output, labels=("yes",))
    assert classes_of(reader.decode([stored], WHOLE_FRAME, min_score=0.0)) == (ClassScore(0, 0.25),)


# MoveNet

BODY = np.stack(
    (np.linspace(0.0, 0.8, 17), np.linspace(0.1, 0.9, 17), np.full(17, 0.625)), axis=1
).astype(np.float32)


def test_movenet_keypoints_are_x_y_score_in_the_frame() -> None:
    reader = decoder("movenet", spec((1, 1, 17, 3)))
    found = reader.decode([BODY[None, None]], InputPlacement(0.5, 0.0, 0.5, 1.0), min_score=0.5)
    assert isinstance(found, Pose)
    (person,) = found.people
    assert person.score == 0.625
    assert person.keypoints == tuple(
        (0.5 + 0.5 * x, y, score) for y, x, score in BODY.astype(float).tolist()
    )


def test_movenet_sees_no_person_below_the_threshold() -> None:
    reader = decoder("movenet", spec((1, 1, 17, 3)))
    assert reader.decode([BODY[None, None]], WHOLE_FRAME, min_score=0.63) == Pose()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_movenet_body_with_a_keypoint_that_is_no_number_is_none(value: float, column: int) -> None:
    body = BODY.copy()
    body[3, column] = value
    reader = decoder("movenet", spec((1, 1, 17, 3)))
    assert reader.decode([body[None, None]], WHOLE_FRAME, min_score=0.0) == Pose()


def test_movenet_quantised() -> None:
    output = spec((1, 1, 17, 3), "uint8", scale=1 / 128, zero_point=0)
    reader = decoder("movenet", output)
    found = reader.decode([np.full((1, 1, 17, 3), 96, np.uint8)], WHOLE_FRAME, min_score=0.5)
    assert found == Pose((BodyPose(0.75, ((0.75, 0.75, 0.75),) * 17),))


# What does not fit


def test_every_decoder_that_a_pack_may_name_is_there() -> None:
    assert set(KINDS) == set(get_args(get_type_hints(OutputSection)["decoder"]))


@pytest.mark.parametrize(
    ("kind", "specs", "labels"),
    [
        ("ssd", (spec((1, 10, 4)), spec((1, 10)), spec((1, 10))), ()),
        ("ssd", (spec((1, 10, 5)), spec((1, 10)), spec((1, 10)), spec((1,))), ()),
        ("ssd", (spec((1, 10, 4)), spec((1, 10)), spec((1, 9)), spec((1,))), ()),
        ("ssd", (spec((1, 10, 4), "int32"), spec((1, 10)), spec((1, 10)), spec((1,))), ()),
        ("classification", (spec((1, 3)), spec((1, 3))), ("a", "b", "c")),
        ("classification", (spec((1, 3)),), ("a", "b")),
        ("classification", (spec((2, 3)),), ()),
        ("classification", (spec((1, 3), "uint8"),), ()),
        ("classification", (spec((1, 1)),), ("yes",)),
        ("classification", (spec((1, 1), operator="LOGISTIC"),), ()),
        ("classification", (spec((1, 1), operator="LOGISTIC"),), ("a", "b", "c")),
        ("classification", (spec((1, 1), "int8", scale=0.5),), ("yes",)),
        ("classification", (spec((1, 1), "uint8", scale=1 / 256, operator="SOFTMAX"),), ("yes",)),
        (
            "classification",
            (spec((1, 1), "uint8", scale=1 / 256, operator="FULLY_CONNECTED"),),
            ("yes",),
        ),
        ("classification", (spec((1, 12, 12, 3)),), ("a", "b", "c")),
        ("classification", (spec((1, 3), "int64"),), ()),
        ("movenet", (spec((1, 6, 56)),), ()),
        ("movenet", (spec((1, 1, 17, 3)), spec((1,))), ()),
    ],
)
def test_outputs_that_do_not_fit_are_refused(
    kind: str, specs: tuple[TensorSpec, ...], labels: tuple[str, ...]
) -> None:
    with pytest.raises(PackError) as refusal:
        decoder(kind, *specs, labels=labels)
    assert str(refusal.value).startswith(f'output.decoder: "{kind}" reads')
    assert "\n" not in str(refusal.value)
