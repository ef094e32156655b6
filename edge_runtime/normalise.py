"""Mean and std of a picture model's input: from the pack or the tensor, and whether they fit.

An 8-bit tensor tells by its quantisation which real values it holds. Its calibration saw pictures,
so these are nearly always the values that pixels take with the right mean and std. A float32
tensor tells nothing: there the pack has to.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import EMPTY, PackError, Text, row
from edge_runtime.manifest import InputSection, Manifest, OutputSection, PerChannel
from edge_runtime.raw import TensorSpec

MOST_OUTSIDE = 0.02  # of the pixel values: rounding takes one of 256 out of range, seldom two
LEAST_FILLED = 0.55  # of the tensor's range: half of it, and rounding
FEWEST_LEVELS = 16  # a picture with fewer than this many shades shows nothing
# What calibration on pictures leaves behind of (0, 255), (127.5, 127.5) and (0, 1). A range that
# is none of these tells less: exports of PyTorch models are often calibrated with ImageNet's
# statistics (-2.1 to 2.6) whatever the model takes, and some with noise.
TELLING_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
RANGE_SLACK = 0.02  # as a share of the range


class Normalisation(msgspec.Struct, frozen=True):
    """Real value = (pixel - mean) / std, each one number or one a channel."""

    mean: PerChannel
    std: PerChannel

    def __str__(self) -> str:
        return f"mean = {written(self.mean)}, std = {written(self.std)}"


# Ultralytics' models take 0 to 1; the ranges of their 8-bit exports vary with the exporter.
YOLO = Normalisation(0.0, 255.0)


def normalisation_of(
    said: InputSection, output: OutputSection, tensor: TensorSpec
) -> Normalisation:
    """Return the mean and std of a picture model's input: float32, uint8 or int8.

    What the pack leaves out is the decoder's or the tensor's own. Raises PackError where a float32
    tensor leaves it open, or where pixels would leave an 8-bit tensor's range or hardly use it.
    """
    if tensor.dtype == "float32":
        if said.mean is None or said.std is None:
            raise missing("mean" if said.mean is None else "std")
        return Normalisation(said.mean, said.std)
    is_yolo = output.decoder == "yolo"
    default = YOLO if is_yolo else fitting(tensor)
    chosen = Normalisation(
        default.mean if said.mean is None else said.mean,
        default.std if said.std is None else said.std,
    )
    is_default = said.mean is None and said.std is None
    named = Text("{values} (the defaults of decoder yolo)", values=chosen)
    check_fit(chosen, tensor, named if is_default and is_yolo else Text(str(chosen)))
    return chosen


def fitting(tensor: TensorSpec) -> Normalisation:
    """Return the mean and std with which an 8-bit tensor takes pixels as they are (int8: - 128)."""
    return Normalisation(
        float(tensor.zero_point - np.iinfo(tensor.dtype).min), 1.0 / (tensor.scale or 1.0)
    )


def real_values(normalisation: Normalisation) -> NDArray[np.float64]:
    """Return the real value of each pixel value: float64 (256, 1 or channels)."""
    with np.errstate(over="ignore"):  # a std next to 0: every value is out of range
        return (np.arange(256.0)[:, None] - as_array(normalisation.mean)) / as_array(
            normalisation.std
        )


def steps(reals: NDArray[np.float64], tensor: TensorSpec) -> NDArray[np.float64]:
    """Return real values in an 8-bit tensor's own numbers, whether it holds them or not.

    Float64, whole numbers, of the shape of `reals`.
    """
    return np.asarray(np.rint(reals / (tensor.scale or 1.0)) + tensor.zero_point)


def check_fit(normalisation: Normalisation, tensor: TensorSpec, named: Text) -> None:
    """Raise PackError where an 8-bit tensor does not hold most pixel values, or none apart."""
    outside = share_outside(normalisation, tensor)
    filled = share_filled(normalisation, tensor)
    low, high = held(tensor)
    about = {"given": named, "low": f"{low:.3g}", "high": f"{high:.3g}", "fitting": fitting(tensor)}
    if outside > MOST_OUTSIDE:
        raise PackError(
            "input.mean, input.std: with {given}, {share} % of the pixel values lie outside what "
            "the input tensor holds, {low} to {high}; set {fitting}",
            share=percent(outside),
            **about,
        )
    if filled < LEAST_FILLED and (filled * 255.0 < FEWEST_LEVELS or is_telling(low, high)):
        raise PackError(
            "input.mean, input.std: with {given}, the pixel values fill {share} % of what the "
            "input tensor holds, {low} to {high}; set {fitting}",
            share=percent(filled),
            **about,
        )


def share_outside(normalisation: Normalisation, tensor: TensorSpec) -> float:
    """Return the share of the 256 pixel values that would be clipped: the worst channel's."""
    limits = np.iinfo(tensor.dtype)
    stored = steps(real_values(normalisation), tensor)
    return float(((stored < limits.min) | (stored > limits.max)).mean(axis=0).max())


def share_filled(normalisation: Normalisation, tensor: TensorSpec) -> float:
    """Return the share of an 8-bit tensor's range that the pixel values take, over all channels."""
    limits = np.iinfo(tensor.dtype)
    return float(np.ptp(steps(real_values(normalisation), tensor))) / (limits.max - limits.min)


def held(tensor: TensorSpec) -> tuple[float, float]:
    """Return the least and the greatest real value that an 8-bit tensor holds."""
    limits, scale = np.iinfo(tensor.dtype), tensor.scale or 1.0
    return (limits.min - tensor.zero_point) * scale, (limits.max - tensor.zero_point) * scale


def is_telling(low: float, high: float) -> bool:
    """Say whether a range is one that a usual mean and std give."""
    return any(
        max(abs(low - first), abs(high - last)) <= RANGE_SLACK * (last - first)
        for first, last in TELLING_RANGES
    )


def missing(key: str) -> PackError:
    """Return the error for a float32 input of which the pack does not say mean or std."""
    return PackError(
        "input.{key}: missing, and a float32 input does not tell it; set mean = 0, std = 255 for "
        "0 to 1 (YOLO, most PyTorch exports), mean = 127.5, std = 127.5 for -1 to 1 (MobileNet, "
        "Teachable Machine), mean = 0, std = 1 for raw pixels, or the training's own numbers: see "
        "the model's page, or the script that trained or converted it",
        key=key,
    )


def untold(manifest: Manifest, tensor: TensorSpec) -> Text:
    """Return a line about what of `[input]` the weights cannot confirm; empty where nothing."""
    said = manifest.input
    points = [] if said.color == "gray" else [f"color {said.color}"]
    normalisation = normalisation_of(said, manifest.output, tensor)
    filled = 1.0
    if tensor.dtype == "float32" or (filled := share_filled(normalisation, tensor)) < LEAST_FILLED:
        points.append(str(normalisation))
    if not points:
        return EMPTY
    advice = Text("try a picture whose result you know, and keep it as [golden]")
    listed = ", ".join(points)
    if filled >= LEAST_FILLED:
        return row([Text("the weights cannot confirm {points} of [input]", points=listed), advice])
    low, high = held(tensor)
    doubt = Text(
        "the weights cannot confirm {points} of [input] (pixels fill {share} % of the input's "
        "range, {low:.3g} to {high:.3g})",
        points=listed,
        share=percent(filled),
        low=low,
        high=high,
    )
    return row([doubt, advice])


def as_array(values: PerChannel) -> NDArray[np.float64]:
    """Return one number, or one a channel, as an array: float64 (1,) or (channels,)."""
    return np.atleast_1d(np.asarray(values, np.float64))


def written(values: PerChannel) -> str:
    """Return one number, or one a channel, as `pack.toml` has it."""
    if isinstance(values, tuple):
        return f"[{', '.join(f'{value:.6g}' for value in values)}]"
    return f"{values:.6g}"


def percent(share: float) -> str:
    """Return a share as a whole percentage."""
    return f"{100.0 * share:.0f}"
