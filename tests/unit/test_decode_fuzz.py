"""Whatever a model's outputs hold, what a decoder gives is finite, in the frame and bounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_runtime.boxes import InputPlacement
from edge_runtime.decode.base import open_decoder
from edge_runtime.manifest import OutputSection
from edge_runtime.raw import TensorSpec
from edge_runtime.records import MAX_MODEL_LABELS, Classification, Decoded, Detections, Pose

INPUT = TensorSpec("in", (1, 32, 32, 3), "uint8")
MODELS: dict[str, tuple[Any, tuple[TensorSpec, ...]]] = {
    "ssd": (
        "ssd",
        tuple(
            TensorSpec(f"Post:{place}", shape, "float32")
            for place, shape in enumerate([(1, 5, 4), (1, 5), (1, 5), (1,)])
        ),
    ),
    "yolo v8": ("yolo", (TensorSpec("out", (1, 7, 21), "float32"),)),
    "yolo v5": ("yolo", (TensorSpec("out", (1, 63, 8), "float32"),)),
    "yolo int8": ("yolo", (TensorSpec("out", (1, 63, 8), "int8", 0.005, -100),)),
    "yolo uint8 pixels": ("yolo", (TensorSpec("out", (1, 7, 21), "uint8", 0.5, 10),)),
    "yolo end-to-end": ("yolo", (TensorSpec("out", (1, 12, 6), "float32"),)),
    "yolo end-to-end int8": ("yolo", (TensorSpec("out", (1, 12, 6), "int8", 0.02, -120),)),
    "classes": ("classification", (TensorSpec("out", (1, 3), "float32"),)),
    "classes int8": ("classification", (TensorSpec("out", (1, 3), "int8", 0.1, 3),)),
    "movenet": ("movenet", (TensorSpec("out", (1, 1, 17, 3), "float32"),)),
}
WILD = st.builds(InputPlacement, *(st.floats(-1.0, 2.0) for _ in range(4)))
PLACEMENTS = st.just(InputPlacement()) | WILD
SPECIAL = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 100.0], np.float32)


def noise(spec: TensorSpec, seed: int, broken: float) -> np.ndarray[Any, Any]:
    """Return plausible numbers, of which a share is broken."""
    random = np.random.default_rng(seed)
    most = 6.0 if spec.shape == (1,) else 1.5  # an SSD's count of its objects
    values = random.uniform(-0.5, most, spec.shape).astype(np.float32)
    return np.where(random.random(spec.shape) < broken, random.choice(SPECIAL, spec.shape), values)


def plausible(spec: TensorSpec) -> st.SearchStrategy[Any]:
    if spec.dtype != "float32":
        return anything(spec)
    shares = st.sampled_from((0.0, 0.02, 0.3))
    return st.builds(noise, st.just(spec), st.integers(0, 2**32 - 1), shares)


def anything(spec: TensorSpec) -> st.SearchStrategy[Any]:
    return arrays.arrays(spec.dtype, spec.shape)


def numbers(record: Decoded) -> list[float]:
    """Return every score and coordinate of a record."""
    if isinstance(record, Detections):
        return [number for o in record.objects for number in (o.score, *o.xyxy)]
    if isinstance(record, Pose):
        points = [point for person in record.people for point in person.keypoints]
        return [p.score for p in record.people] + [number for point in points for number in point]
    assert isinstance(record, Classification)
    return [c.score for c in record.classes]


@pytest.mark.parametrize("name", MODELS)
def test_any_output_decodes_to_numbers_within_bounds(name: str) -> None:
    kind, specs = MODELS[name]
    decoder = open_decoder(OutputSection(kind), specs, ("a", "b", "c"), input_spec=INPUT)
    blank = [np.zeros(spec.shape, spec.dtype) for spec in specs]
    decoder.decode(blank, InputPlacement(), min_score=0.5)  # what a YOLO's first output is held to
    seen = 0

    @settings(max_examples=200, derandomize=True)
    @given(
        outputs=st.tuples(*map(plausible, specs)) | st.tuples(*map(anything, specs)),
        placement=PLACEMENTS,
        min_score=st.floats(0.0, 1.0),
    )
    def check(outputs: Any, placement: InputPlacement, min_score: float) -> None:
        nonlocal seen
        record = decoder.decode(outputs, placement, min_score=min_score)
        found = numbers(record)
        assert all(type(number) is float and 0.0 <= number <= 1.0 for number in found)
        if isinstance(record, Detections):
            assert all(o.score >= min_score for o in record.objects)
            assert all(0 <= o.class_id < MAX_MODEL_LABELS for o in record.objects)
            assert all(o.xyxy[0] < o.xyxy[2] and o.xyxy[1] < o.xyxy[3] for o in record.objects)
        seen += len(found)

    check()
    assert seen > 0, "no example gave a result: the strategy shows nothing"
