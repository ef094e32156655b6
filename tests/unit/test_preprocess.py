"""Frame to tensor: the numbers of every type, letterbox, regions, and packs that do not fit."""

from __future__ import annotations

import tracemalloc
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.boxes import FULL_FRAME, WHOLE_FRAME
from edge_runtime.errors import PackError
from edge_runtime.manifest import InputSection
from edge_runtime.normalise import Normalisation
from edge_runtime.preprocess import Preprocessor, check_input
from edge_runtime.raw import TensorSpec

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
BGR_RAMP = np.dstack((RAMP, RAMP[::-1], RAMP.T))


def tensor(dtype: str, *, scale: float = 0.0, zero_point: int = 0, channels: int = 3) -> TensorSpec:
    return TensorSpec("in", (1, 16, 16, channels), dtype, scale, zero_point)


def preprocessor_of(spec: InputSection, shape: TensorSpec) -> Preprocessor:
    """Return a preprocessor of the very mean and std that are given: raw pixels where none are."""
    check_input(spec, shape)
    mean = 0.0 if spec.mean is None else spec.mean
    std = 1.0 if spec.std is None else spec.std
    return Preprocessor(spec, shape, Normalisation(mean, std))


def filled(spec: InputSection, shape: TensorSpec, image: NDArray[np.uint8]) -> NDArray[Any]:
    preprocessor = preprocessor_of(spec, shape)
    out = preprocessor.new_buffer()
    assert preprocessor.fill(image, out) == WHOLE_FRAME
    return np.asarray(out[0])


def picture(height: int, width: int, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("mean", [127.5, 128.0])
def test_uint8_detector_gets_what_the_bare_reference_feeds(mean: float) -> None:
    frame = picture(432, 768)
    spec = TensorSpec("in", (1, 300, 300, 3), "uint8", 1 / 128, 128)
    bare = cv2.cvtColor(cv2.resize(frame, (300, 300)), cv2.COLOR_BGR2RGB)
    assert np.array_equal(filled(InputSection(mean=mean, std=mean), spec, frame), bare)


def test_unquantised_uint8_takes_raw_pixels() -> None:
    out = filled(InputSection(color="bgr"), tensor("uint8"), BGR_RAMP)
    assert np.array_equal(out, BGR_RAMP)


def test_int8_identity_is_pixel_less_128() -> None:
    spec = tensor("int8", scale=0.003921568859368563, zero_point=-128)
    out = filled(InputSection(std=255.0), spec, BGR_RAMP)
    assert out.dtype == np.int8
    assert np.array_equal(out, BGR_RAMP[:, :, ::-1].astype(np.int16) - 128)


def test_int8_mapping_rounds_and_clips() -> None:
    spec = tensor("int8", scale=0.05, zero_point=-10)
    out = filled(InputSection(mean=100.0, std=20.0, color="bgr"), spec, BGR_RAMP)
    # real = (pixel - 100) / 20, one step of 0.05 is one pixel: stored = pixel - 110, up to 127
    assert np.array_equal(out, np.minimum(BGR_RAMP.astype(np.int16) - 110, 127))


def test_uint8_mapping_per_channel() -> None:
    spec = tensor("uint8", scale=0.5, zero_point=3)
    out = filled(InputSection(mean=(0.0, 10.0, 255.0), std=(1.0, 2.0, -1.0)), spec, BGR_RAMP)
    red, green, blue = (BGR_RAMP[:, :, c].astype(float) for c in (2, 1, 0))
    assert np.array_equal(out[:, :, 0], np.minimum(2 * red + 3, 255))
    assert np.array_equal(out[:, :, 1], np.maximum(green - 10 + 3, 0))
    assert np.array_equal(out[:, :, 2], np.minimum(2 * (255 - blue) + 3, 255))


def test_float32_is_the_correctly_rounded_formula() -> None:
    out = filled(InputSection(mean=127.5, std=127.5), tensor("float32"), BGR_RAMP)
    pixels = BGR_RAMP[:, :, ::-1].astype(np.float32)
    assert out.dtype == np.float32
    assert np.array_equal(out, (pixels - np.float32(127.5)) / np.float32(127.5))


def test_float32_per_channel_in_the_model_s_order() -> None:
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    out = filled(InputSection(mean=mean, std=std), tensor("float32"), BGR_RAMP)
    expected = (BGR_RAMP[:, :, ::-1] - np.array(mean)) / np.array(std)
    assert np.array_equal(out, expected.astype(np.float32))


def test_gray_model_of_a_coloured_frame() -> None:
    out = filled(InputSection(color="gray"), tensor("uint8", channels=1), BGR_RAMP)
    assert np.array_equal(out[:, :, 0], cv2.cvtColor(BGR_RAMP, cv2.COLOR_BGR2GRAY))


@pytest.mark.parametrize("frame", [RAMP, RAMP[:, :, None]], ids=["plane", "one channel"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_gray_frame_for_gray_and_coloured_models(frame: NDArray[np.uint8], dtype: str) -> None:
    gray = filled(InputSection(color="gray"), tensor(dtype, channels=1), frame)
    rgb = filled(InputSection(color="rgb"), tensor(dtype), frame)
    assert np.array_equal(gray[:, :, 0], RAMP)
    assert np.array_equal(rgb, np.dstack((RAMP, RAMP, RAMP)))


def test_letterbox_pads_with_grey_and_maps_back() -> None:
    wide = picture(8, 32)
    preprocessor = preprocessor_of(InputSection(resize="letterbox", color="bgr"), tensor("uint8"))
    out = preprocessor.new_buffer()
    placement = preprocessor.fill(wide, out)
    assert (out[0, :6] == 114).all()
    assert (out[0, 10:] == 114).all()
    assert np.array_equal(out[0, 6:10], cv2.resize(wide, (16, 4)))
    assert placement.to_frame((0.25, 6 / 16, 0.5, 8 / 16)) == pytest.approx((0.25, 0.0, 0.5, 0.5))
    assert placement.to_frame((0.0, 0.0, 1.0, 1.0)) == FULL_FRAME


def test_letterbox_passes_the_pad_through_mean_and_std() -> None:
    spec = InputSection(resize="letterbox", mean=114.0, std=2.0)
    preprocessor = preprocessor_of(spec, tensor("float32"))
    out = preprocessor.new_buffer()
    preprocessor.fill(picture(32, 8), out)
    assert (out[0, :, :6] == 0.0).all()
    assert (out[0, :, 10:] == 0.0).all()
    assert (out[0, :, 6:10] != 0.0).any()


def test_letterbox_of_a_new_frame_size_leaves_nothing_of_the_old() -> None:
    spec = InputSection(resize="letterbox")
    used = preprocessor_of(spec, tensor("uint8"))
    buffer = used.new_buffer()
    for frame in (picture(8, 32), picture(32, 8), picture(9, 31)[:, :, 0]):
        fresh = preprocessor_of(spec, tensor("uint8"))
        expected = fresh.new_buffer()
        assert used.fill(frame, buffer) == fresh.fill(frame, expected)
        assert np.array_equal(buffer, expected)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_region_is_cut_before_the_resize_and_maps_back(resize: Any) -> None:
    frame = picture(100, 200)
    preprocessor = preprocessor_of(InputSection(color="bgr", resize=resize), tensor("uint8"))
    out = preprocessor.new_buffer()
    placement = preprocessor.fill(frame, out, (0.25, 0.5, 0.5, 1.0))
    assert np.array_equal(out[0], cv2.resize(frame[50:100, 50:100], (16, 16)))
    assert placement.point_to_frame(0.0, 0.0) == (0.25, 0.5)
    assert placement.to_frame((0.5, 0.5, 1.0, 1.0)) == (0.375, 0.75, 0.5, 1.0)
    assert preprocessor.fill(frame, out) != placement


def test_letterboxed_region_maps_back_through_its_pad() -> None:
    frame = picture(100, 200)
    preprocessor = preprocessor_of(InputSection(color="bgr", resize="letterbox"), tensor("uint8"))
    out = preprocessor.new_buffer()
    for region, corner in (
        ((0.5, 0.0, 0.75, 1.0), (0.25, 0.0)),
        ((0.0, 0.25, 1.0, 0.75), (0, 3 / 8)),
    ):
        placement = preprocessor.fill(frame, out, region)
        assert placement.point_to_frame(*corner) == pytest.approx(region[:2])
        assert placement.point_to_frame(0.5, 0.5) == pytest.approx(
            ((region[0] + region[2]) / 2, (region[1] + region[3]) / 2)
        )


@pytest.mark.parametrize("region", [(0.5, 0.5, 0.5, 0.5), (1.0, 1.0, 1.0, 1.0), (-1, -1, 2, 2)])
def test_region_without_area_or_outside_is_made_to_fit(region: Any) -> None:
    preprocessor = preprocessor_of(InputSection(resize="letterbox"), tensor("uint8"))
    placement = preprocessor.fill(picture(9, 13), preprocessor.new_buffer(), region)
    x1, y1, x2, y2 = placement.to_frame(FULL_FRAME)
    assert 0.0 <= x1 < x2 <= 1.0
    assert 0.0 <= y1 < y2 <= 1.0


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_steady_frames_allocate_no_pictures(dtype: str) -> None:
    frame = picture(120, 160)
    spec = TensorSpec("in", (1, 96, 96, 3), dtype, 1 / 255 if dtype == "int8" else 0.0, -128)
    preprocessor = preprocessor_of(InputSection(std=255.0), spec)
    out = preprocessor.new_buffer()
    preprocessor.fill(frame, out)
    tracemalloc.start()
    preprocessor.fill(frame, out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 96 * 96


@pytest.mark.parametrize(
    ("spec", "shape", "dtype", "says"),
    [
        (InputSection(kind="window"), (1, 16, 16, 3), "uint8", "input.kind"),
        (InputSection(), (1, 640), "int8", "[1, height, width, channels]"),
        (InputSection(), (2, 16, 16, 3), "uint8", "[1, height, width, channels]"),
        (InputSection(), (1, 3, 16, 32), "float32", r"channels first (NCHW), pictures come with"),
        (InputSection(), (1, 3, 16, 32), "float32", r"convert the model to [1, 16, 32, 3] (NHWC)"),
        (InputSection(), (1, 16, 16, 1), "uint8", "input.color"),
        (InputSection(color="gray"), (1, 16, 16, 3), "uint8", "input.color"),
        (InputSection(), (1, 16, 16, 3), "int16", "int16"),
    ],
)
def test_tensor_that_does_not_fit_is_refused(
    spec: InputSection, shape: tuple[int, ...], dtype: str, says: str
) -> None:
    with pytest.raises(PackError) as refusal:
        preprocessor_of(spec, TensorSpec("in", shape, dtype))
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)
