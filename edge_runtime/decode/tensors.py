"""What the decoders share: quantised numbers made real, checks, boxes made records."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.boxes import Box, Placement, area
from edge_runtime.errors import PackError, Text, row
from edge_runtime.raw import Tensor, TensorSpec
from edge_runtime.records import MAX_OBJECTS, Detection, Detections

Reals = NDArray[np.float64]


def dequantise(stored: Tensor, spec: TensorSpec) -> Reals:
    """Return real values. In double precision: garbage from a model must not overflow."""
    reals = stored.astype(np.float64)
    return (reals - spec.zero_point) * spec.scale if spec.scale else reals


def levels(spec: TensorSpec) -> Reals:
    """Return the real value of every number that an 8-bit tensor can store, rising."""
    limits = np.iinfo(spec.dtype)
    return dequantise(np.arange(limits.min, limits.max + 1), spec)


def at_least(stored: Tensor, spec: TensorSpec, real: float) -> NDArray[np.bool_]:
    """Say where values reach `real`, without making them real first."""
    if not spec.scale:
        return np.asarray(stored >= real)
    first = int(np.searchsorted(levels(spec), real))
    if first > 255:
        return np.zeros(stored.shape, bool)
    return np.asarray(stored >= first + int(np.iinfo(spec.dtype).min))


def the_output(decoder: str, specs: tuple[TensorSpec, ...]) -> TensorSpec:
    """Return the one output of a model, of a type that can be read; else PackError."""
    if len(specs) != 1:
        text = Text(
            'output.decoder: "{decoder}" reads one output, the model has {count}: {shapes}',
            decoder=decoder,
            count=len(specs),
            shapes=shapes_of(specs),
        )
        raise PackError(row([text, unreadable(specs) or Text("take an export of one output")]))
    check_type(decoder, specs[0])
    return specs[0]


def check_type(decoder: str, spec: TensorSpec) -> None:
    """Raise PackError where an output is neither float32 nor quantised to 8 bits."""
    quantised = spec.dtype in ("uint8", "int8") and spec.scale > 0.0
    if spec.dtype != "float32" and not quantised:
        raise PackError(
            'output.decoder: "{decoder}" reads float32, or uint8 and int8 with a scale; the '
            'model\'s output "{name}" is {dtype} with scale {scale:g}',
            decoder=decoder,
            name=spec.name,
            dtype=spec.dtype,
            scale=spec.scale,
        )


def shape_error(decoder: str, expected: str, specs: Iterable[TensorSpec]) -> PackError:
    """Return the error for outputs of the wrong shape."""
    text = Text(
        'output.decoder: "{decoder}" reads {expected}; the model has {shapes}',
        decoder=decoder,
        expected=expected,
        shapes=shapes_of(specs),
    )
    known = unreadable(tuple(specs))
    return PackError(row([text, known]) if known else text)


def unreadable(specs: tuple[TensorSpec, ...]) -> Text | None:
    """Say what outputs are that no decoder here reads, where their shapes tell."""
    shapes = [spec.shape for spec in specs]
    if any(len(shape) == 4 and shape[1] > 1 < shape[2] for shape in shapes):
        return Text("a map over the picture (segmentation, FOMO) is read by no decoder")
    places = {shape[:2] for shape in shapes if len(shape) == 3}
    if len(shapes) > 1 and len(places) == 1 and all(len(shape) == 3 for shape in shapes):
        return Text(
            "boxes and scores of anchors (BlazeFace, SSD heads) are read by no decoder; take an "
            "export with its post-processing in the graph"
        )
    return None


def shapes_of(specs: Iterable[TensorSpec]) -> str:
    """Return outputs' shapes for people."""
    return ", ".join(str(list(spec.shape)) for spec in specs)


def to_detections(
    found: Iterable[tuple[int, float, Box]], placement: Placement, *, min_score: float
) -> Detections:
    """Return objects in the frame, best first, without what is not finite, empty or too weak."""
    objects = [
        Detection(class_id, min(score, 1.0), box)
        for class_id, score, in_input in found
        if isfinite(score) and score >= min_score and all(map(isfinite, in_input))
        if area(box := placement.to_frame(in_input)) > 0.0
    ]
    objects.sort(key=lambda detection: -detection.score)
    return Detections(tuple(objects[:MAX_OBJECTS]))


def unit(value: Any) -> float:
    """Return a score as a float in [0, 1]: quantisation may go a step beyond."""
    return min(1.0, max(0.0, float(value)))
