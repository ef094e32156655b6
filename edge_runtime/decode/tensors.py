"""What the decoders share: quantised numbers made real, checks, boxes made records."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.boxes import Box, InputPlacement, area
from edge_runtime.errors import PackError, Text, located
from edge_runtime.raw import Tensor, TensorSpec
from edge_runtime.records import MAX_OBJECTS, Detection, Detections

Reals = NDArray[np.float64]

# Centres and corners cover the whole input. In fractions they end at about 1, in pixels at the
# input's width; sizes would not tell: a v5 box of a background cell may be over twice the input's.
LARGEST_FRACTION = 2.0
COARSE = 0.05  # a step of a quantised output that scores and boxes suffer from


class ShapeError(PackError):
    """The outputs are not those that a decoder reads: what they may be is added by who knows."""


def dequantise(stored: Tensor, spec: TensorSpec) -> Reals:
    """Return real values, float64 of the same shape; `stored` as the model gives it.

    In double precision: garbage from a model must not overflow.
    """
    reals = stored.astype(np.float64)
    return (reals - spec.zero_point) * spec.scale if spec.scale else reals


def levels(spec: TensorSpec) -> Reals:
    """Return the real value of every number that an 8-bit tensor can store, rising, (256,)."""
    limits = np.iinfo(spec.dtype)
    return dequantise(np.arange(limits.min, limits.max + 1), spec)


def at_least(stored: Tensor, spec: TensorSpec, real: float) -> NDArray[np.bool_]:
    """Say where values reach `real`, in their shape, without making them real first."""
    if not spec.scale:
        return np.asarray(stored >= real)
    first = int(np.searchsorted(levels(spec), real))
    if first > 255:
        return np.zeros(stored.shape, bool)
    return np.asarray(stored >= first + int(np.iinfo(spec.dtype).min))


def the_output(decoder: str, specs: tuple[TensorSpec, ...]) -> TensorSpec:
    """Return the one output of a model, of a type that can be read; else PackError."""
    if len(specs) != 1:
        raise shape_error(decoder, Text("one output"), specs)
    check_type(decoder, specs[0])
    return specs[0]


def check_type(decoder: str, spec: TensorSpec) -> None:
    """Raise PackError where an output is neither float32 nor quantised to 8 bits."""
    quantised = spec.dtype in ("uint8", "int8") and spec.scale > 0.0
    if spec.dtype != "float32" and not quantised:
        text = Text(
            '"{decoder}" reads float32, or uint8 and int8 with a scale; the model\'s output '
            '"{name}" is {dtype} with scale {scale:g}',
            decoder=decoder,
            name=spec.name,
            dtype=spec.dtype,
            scale=spec.scale,
        )
        raise PackError(located("output.decoder", text))


def shape_error(decoder: str, expected: str, specs: Iterable[TensorSpec]) -> ShapeError:
    """Return the error for outputs of the wrong shape."""
    text = Text(
        '"{decoder}" reads {expected}; the model has {shapes}',
        decoder=decoder,
        expected=expected,
        shapes=", ".join(str(list(spec.shape)) for spec in specs),
    )
    return ShapeError(located("output.decoder", text))


def coarse(spec: TensorSpec) -> tuple[Text, ...]:
    """Return the note that an output is stored in steps that boxes and scores suffer from."""
    if spec.scale <= COARSE:
        return ()
    text = Text(
        "the output is stored in steps of {step:.2g}, boxes and scores are no finer than that; an "
        "export with float outputs is better",
        step=spec.scale,
    )
    return (text,)


def to_detections(
    found: Iterable[tuple[int, float, Box]], placement: InputPlacement, *, min_score: float
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
