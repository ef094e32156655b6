"""Frame to input tensor: crop, one resize, colour, then the tensor's own numbers.

Everything that a pixel's value goes through, (pixel - mean) / std and the tensor's quantisation, is
a function of 256 values, so it is computed once, exactly, as a table. Scratch pictures are kept
from frame to frame: one `Preprocessor` belongs to one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.boxes import FULL_FRAME, Box, InputPlacement, clip
from edge_runtime.errors import PackError
from edge_runtime.manifest import InputSection
from edge_runtime.normalise import Normalisation, real_values, steps
from edge_runtime.raw import Image, Tensor, TensorSpec

PAD_GREY = 114  # what YOLO models are trained to see around a letterboxed picture
DTYPES = ("float32", "uint8", "int8")
CONVERSIONS = {  # (channels of the frame, colour of the model) to OpenCV's code; absent: as it is
    (3, "rgb"): cv2.COLOR_BGR2RGB,
    (3, "gray"): cv2.COLOR_BGR2GRAY,
    (1, "rgb"): cv2.COLOR_GRAY2BGR,
    (1, "bgr"): cv2.COLOR_GRAY2BGR,
}


@dataclass(frozen=True, slots=True)
class FrameFit:
    """How frames of one size reach the tensor: cut `crop`, resize it into `inside` of `canvas`."""

    crop: tuple[slice, slice]
    canvas: Image
    inside: Image
    placement: InputPlacement


class Preprocessor:
    """Fills a model's input tensor, which `check_input` has passed, from frames."""

    def __init__(
        self, spec: InputSection, tensor: TensorSpec, normalisation: Normalisation
    ) -> None:
        self._spec = spec
        self._tensor = tensor
        self._height, self._width, self._channels = tensor.shape[1:]
        self._sign_bit = np.uint8(0x80 if tensor.dtype == "int8" else 0)
        table = pixel_table(normalisation, tensor)
        self._table = None if takes_raw_pixels(table) else table
        self._coloured = self._scratch(self._channels)
        self._canvases = {1: self._scratch(1), 3: self._scratch(3)}
        self._layout_key: tuple[tuple[int, ...], Box] | None = None
        self._layout: FrameFit | None = None

    def new_buffer(self) -> Tensor:
        """Return a tensor to fill, [1, height, width, channels] of the model's dtype."""
        return np.zeros(self._tensor.shape, self._tensor.dtype)

    def fill(self, image: Image, out: Tensor, region: Box = FULL_FRAME) -> InputPlacement:
        """Write a frame, or a region of it, into `out`; return where that lies in the frame.

        `image`: uint8, (height, width, 3) BGR, or (height, width[, 1]) grey. `out`: as `new_buffer`
        gives it. `region`: (x1, y1, x2, y2), fractions of the frame.
        """
        picture = image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image
        layout = self._layout_for(picture, region)
        height, width = layout.inside.shape[:2]
        # Bilinear: a tenth of the cost of area averaging, and what the reference code does.
        cv2.resize(picture[layout.crop], (width, height), dst=layout.inside)
        self._store(layout.canvas, out[0] if self._channels == 3 else out[0, :, :, 0])
        return layout.placement

    def _store(self, canvas: Image, out: Tensor) -> None:
        code = CONVERSIONS.get((channels_of(canvas), self._spec.color))
        if self._table is None:
            raw = out.view(np.uint8)
            recolour(canvas, code, raw)
            if self._sign_bit:  # pixel - 128, as int8
                np.bitwise_xor(raw, self._sign_bit, out=raw)
        elif code is None:
            cv2.LUT(canvas, self._table, dst=out)
        else:
            recolour(canvas, code, self._coloured)
            cv2.LUT(self._coloured, self._table, dst=out)

    def _layout_for(self, picture: Image, region: Box) -> FrameFit:
        key = (picture.shape, region)
        if self._layout is None or key != self._layout_key:
            self._layout = self._plan(picture, region)
            self._layout_key = key
        return self._layout

    def _plan(self, picture: Image, region: Box) -> FrameFit:
        frame_height, frame_width = picture.shape[:2]
        left, right = pixels(region[0], region[2], frame_width)
        top, bottom = pixels(region[1], region[3], frame_height)
        height, width = self._inside_size(bottom - top, right - left)
        y, x = (self._height - height) // 2, (self._width - width) // 2
        canvas = self._canvases[channels_of(picture)]
        canvas[:] = PAD_GREY
        x_share, y_share = (right - left) / frame_width, (bottom - top) / frame_height
        return FrameFit(
            crop=(slice(top, bottom), slice(left, right)),
            canvas=canvas,
            inside=canvas[y : y + height, x : x + width],
            placement=InputPlacement(
                x_offset=left / frame_width - x / width * x_share,
                y_offset=top / frame_height - y / height * y_share,
                x_scale=self._width / width * x_share,
                y_scale=self._height / height * y_share,
            ),
        )

    def _inside_size(self, height: int, width: int) -> tuple[int, int]:
        if self._spec.resize == "stretch":
            return self._height, self._width
        ratio = min(self._height / height, self._width / width)
        return (
            max(1, min(self._height, round(height * ratio))),
            max(1, min(self._width, round(width * ratio))),
        )

    def _scratch(self, channels: int) -> Image:
        size = (self._height, self._width)
        return np.zeros(size if channels == 1 else (*size, channels), np.uint8)


def check_input(spec: InputSection, tensor: TensorSpec) -> None:
    """Raise PackError where the model's input tensor takes no pictures such as `[input]` says."""
    if spec.kind != "image":
        raise PackError(
            'input.kind: "{kind}" is no picture; this stream gives pictures', kind=spec.kind
        )
    channels = 1 if spec.color == "gray" else 3
    shape = list(tensor.shape)
    if len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
        raise PackError(
            "the model's input has shape {shape}; pictures need [1, height, width, channels]",
            shape=shape,
        )
    if shape[1] in (1, 3) and shape[3] not in (1, 3):
        raise PackError(
            "the model's input has shape {shape}: channels first (NCHW), pictures come with "
            "channels last; convert the model to [1, {height}, {width}, {channels}] (NHWC), as "
            "onnx2tf does",
            shape=shape,
            height=shape[2],
            width=shape[3],
            channels=shape[1],
        )
    if shape[3] != channels:
        raise PackError(
            'input.color: "{color}" gives {channels} channel(s) in the last place, the model\'s '
            "input has shape {shape}",
            color=spec.color,
            channels=channels,
            shape=shape,
        )
    if tensor.dtype not in DTYPES:
        raise PackError(
            "the model's input is {dtype}; known are {known}",
            dtype=tensor.dtype,
            known=", ".join(DTYPES),
        )


def pixel_table(normalisation: Normalisation, tensor: TensorSpec) -> NDArray[Any]:
    """Return what each pixel value is stored as, in its dtype: (1, 256, 1 or channels)."""
    reals = real_values(normalisation)
    if tensor.dtype == "float32":
        return reals.astype(np.float32)[None]
    limits = np.iinfo(tensor.dtype)
    stored = np.clip(steps(reals, tensor), limits.min, limits.max)
    table: NDArray[Any] = stored.astype(tensor.dtype)[None]
    return table


def takes_raw_pixels(table: NDArray[Any]) -> bool:
    """Say whether an 8-bit tensor is meant to take pixels as they are (int8: less 128).

    `table`: as `pixel_table` gives it.
    Within one step: of a tensor of scale 1/128 and zero point 128, a mean and std of 127.5 make
    pixel * 1.004; its publishers, who trained with those, feed it raw pixels.
    """
    if table.dtype == np.float32:
        return False
    raw = np.arange(256)[None, :, None] + np.iinfo(table.dtype).min
    return bool(np.abs(table - raw).max() <= 1)


def recolour(picture: Image, code: int | None, out: Image) -> None:
    """Convert a frame's colours into `out`, or copy it where there is nothing to convert.

    Both uint8, (height, width[, 3]), of one size. `code`: OpenCV's.
    """
    if code is None:
        np.copyto(out, picture)
    else:
        cv2.cvtColor(picture, code, dst=out)


def channels_of(picture: Image) -> int:
    """Return 1 for a grey frame (height, width), 3 for a coloured one (height, width, 3)."""
    return 1 if picture.ndim == 2 else 3


def pixels(start: float, end: float, size: int) -> tuple[int, int]:
    """Return a span given in fractions as pixels, at least one."""
    first = min(round(clip(start) * size), size - 1)
    return first, max(first + 1, round(clip(end) * size))
