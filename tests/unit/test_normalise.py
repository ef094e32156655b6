"""Mean and std of pictures: what a tensor tells, what does not fit it, and what cannot be told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import PackError
from edge_runtime.manifest import (
    InputSection,
    Manifest,
    ModelSection,
    OutputSection,
    PackSection,
)
from edge_runtime.normalise import Normalisation, normalisation_of, untold
from edge_runtime.preprocess import pixel_table
from edge_runtime.raw import TensorSpec

AROUND_ZERO = TensorSpec("in", (1, 8, 8, 3), "uint8", 1 / 128, 128)
TO_ONE = TensorSpec("in", (1, 8, 8, 3), "int8", 1 / 255, -128)
RAW = TensorSpec("in", (1, 8, 8, 3), "uint8")  # not quantised
# PyTorch exports that were calibrated with ImageNet's statistics: -2.1 to 2.6.
BY_IMAGENET = TensorSpec("in", (1, 8, 8, 3), "int8", 0.018631116, -14)
BY_NOISE = TensorSpec("in", (1, 8, 8, 3), "uint8", 0.031, 130)
FLOAT = TensorSpec("in", (1, 8, 8, 3), "float32")
IMAGENET: dict[str, Any] = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}


def chosen(tensor: TensorSpec, decoder: Any = "ssd", **said: Any) -> Normalisation:
    return normalisation_of(InputSection(**said), OutputSection(decoder), tensor)


@given(
    dtype=st.sampled_from(("uint8", "int8")),
    scale=st.one_of(st.just(0.0), st.floats(1e-6, 100.0)),
    place=st.integers(0, 255),
)
def test_what_is_left_out_is_told_by_the_tensor_and_takes_pixels_as_they_are(
    dtype: str, scale: float, place: int
) -> None:
    least = int(np.iinfo(dtype).min)
    tensor = TensorSpec("in", (1, 8, 8, 3), dtype, scale, place + least)
    table = pixel_table(chosen(tensor), tensor)
    assert table.ravel().tolist() == list(range(least, least + 256))


@given(
    tensor=st.sampled_from((AROUND_ZERO, TO_ONE, RAW, BY_IMAGENET, BY_NOISE)),
    decoder=st.sampled_from(("ssd", "yolo")),
    mean=st.floats(-300.0, 300.0),
    std=st.floats(-300.0, 300.0).filter(lambda std: abs(std) > 1e-3),
)
def test_what_is_taken_keeps_pixel_values_in_range_and_apart(
    tensor: TensorSpec, decoder: str, mean: float, std: float
) -> None:
    try:
        taken = chosen(tensor, decoder, mean=mean, std=std)
    except PackError:
        return
    stored = pixel_table(taken, tensor).ravel()
    meant = (np.arange(256) - mean) / std
    held = (stored.astype(float) - tensor.zero_point) * (tensor.scale or 1.0)
    assert (abs(held - meant) > 1.001 * (tensor.scale or 1.0)).sum() <= 0.02 * 256
    assert len(np.unique(stored)) >= 15


@pytest.mark.parametrize(
    ("tensor", "decoder", "said", "refusal"),
    [
        (AROUND_ZERO, "ssd", {"mean": 0.0, "std": 1.0}, "100 % of the pixel values lie outside"),
        (AROUND_ZERO, "ssd", {"mean": 0.0, "std": 255.0}, "the pixel values fill 50 % of what"),
        (AROUND_ZERO, "ssd", IMAGENET, "55 % of the pixel values lie outside what the input"),
        (AROUND_ZERO, "yolo", {}, "with mean = 0, std = 255 (the defaults of decoder yolo), the"),
        (TO_ONE, "ssd", {"mean": 127.5, "std": 127.5}, "50 % of the pixel values lie outside"),
        (RAW, "movenet", {"mean": 0.0, "std": 255.0}, "fill 0 % of what the input tensor holds"),
        (BY_NOISE, "ssd", {"mean": 0.0, "std": 2550.0}, "the pixel values fill 1 % of what"),
        (FLOAT, "yolo", {}, "input.mean: missing, and a float32 input does not tell it; set"),
        (FLOAT, "ssd", {"mean": 0.0}, "input.std: missing, and a float32 input does not tell it"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(
    tensor: TensorSpec, decoder: str, said: dict[str, Any], refusal: str
) -> None:
    with pytest.raises(PackError) as caught:
        chosen(tensor, decoder, **said)
    assert refusal in str(caught.value)
    assert "set mean = " in str(caught.value)


@pytest.mark.parametrize(
    ("tensor", "decoder", "said"),
    [
        (AROUND_ZERO, "ssd", {"mean": 127.5, "std": 127.5}),
        (AROUND_ZERO, "yolo", {"mean": 127.5, "std": 127.5}),
        (BY_IMAGENET, "yolo", {}),
        (BY_IMAGENET, "classification", IMAGENET),
        (BY_NOISE, "classification", {"mean": 0.0, "std": 255.0}),
        (FLOAT, "classification", IMAGENET),
    ],
)
def test_what_fits_is_taken_as_the_pack_says_it(
    tensor: TensorSpec, decoder: str, said: dict[str, Any]
) -> None:
    expected = said or {"mean": 0.0, "std": 255.0}
    assert chosen(tensor, decoder, **said) == Normalisation(**expected)


def line(tensor: TensorSpec, decoder: Any = "ssd", **said: Any) -> str:
    manifest = Manifest(
        PackSection("gate", "1", "detection", "none"),
        ModelSection("a.tflite", "0" * 64),
        InputSection(**said),
        OutputSection(decoder),
    )
    return untold(manifest, tensor)


def test_what_the_weights_cannot_tell_is_said_in_a_line_a_model() -> None:
    assert line(TO_ONE) == (
        "the weights cannot confirm color rgb of [input]; try a picture whose result you "
        "know, and keep it as [golden]"
    )
    assert "cannot confirm color bgr, mean = 0, std = 255 of [input]; try a" in line(
        FLOAT, color="bgr", mean=0.0, std=255.0
    )
    assert (
        "std = 255 of [input] (pixels fill 21 % of the input's range, -2.12 to 2.63); try"
        in line(BY_IMAGENET, "yolo")
    )
    assert line(TensorSpec("in", (1, 8, 8, 1), "int8", 1 / 255, -128), color="gray") == ""
