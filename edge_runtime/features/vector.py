"""A window to a model's input tensor, as the pack's `[input]` says."""

from __future__ import annotations

from math import prod

import numpy as np

from edge_runtime.errors import PackError, SourceError
from edge_runtime.features.levels import extractor
from edge_runtime.features.signals import Reals, Signal
from edge_runtime.manifest import FeatureOptions, InputSection
from edge_runtime.raw import Tensor, TensorSpec


class FeatureVector:
    """All features of a pack, one after the other. Keeps no state: any thread may call it."""

    def __init__(self, features: tuple[FeatureOptions, ...], rate_hz: float, size: int) -> None:
        self._extract = [extractor(options, rate_hz, size) for options in features]

    def of(self, windows: Signal, shaft_hz: float | None = None) -> Reals:
        """Return float32 (..., features) of windows (..., samples).

        `shaft_hz`: None, the pack's own. Raises PackError where the features' orders leave the
        spectrum at that speed.
        """
        return np.concatenate([extract(windows, shaft_hz) for extract in self._extract], axis=-1)


class WindowInput:
    """Fills a model's input tensor from windows. PackError where the two do not fit.

    `spec` is of windows, as it was checked where the pack was read.
    """

    def __init__(self, spec: InputSection, tensor: TensorSpec) -> None:
        assert spec.rate_hz is not None
        assert spec.size is not None
        assert isinstance(spec.mean, float | None)
        assert isinstance(spec.std, float | None)
        self._size, self._tensor = spec.size, tensor
        # Not said: the features, or the samples, as they are.
        self._mean = 0.0 if spec.mean is None else spec.mean
        self._std = 1.0 if spec.std is None else spec.std
        self._vector: FeatureVector | None = None
        values = spec.size
        if spec.features:
            self._vector = FeatureVector(spec.features, spec.rate_hz, spec.size)
            values = self._vector.of(np.zeros(spec.size)).size
        self._channels, left = divmod(prod(tensor.shape), values)
        if left or self._channels < 1:
            raise PackError(
                "input: {values} values a channel; the model's input has shape {shape}; correct "
                "features or size",
                values=values,
                shape=list(tensor.shape),
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and channels of a window."""
        return self._size, self._channels

    def new_buffer(self) -> Tensor:
        """Return a tensor to fill, of the model's shape and dtype."""
        return np.zeros(self._tensor.shape, self._tensor.dtype)

    def fill(self, values: Signal, out: Tensor, shaft_hz: float | None = None) -> None:
        """Write a window (samples, channels), of `shape`, into `out`, a tensor of `new_buffer`.

        Raises SourceError for a window that a working sensor does not give: a dead one must not
        be taken for a quiet machine.
        """
        if values.shape != self.shape:
            raise SourceError(
                "a window of {given} samples and channels; the model takes {wanted}: choose that "
                "many channels in the source",
                given=values.shape,
                wanted=self.shape,
            )
        if not np.isfinite(values).all() or (np.ptp(values, axis=0) == 0.0).any():
            raise SourceError(
                "the signal does not change, or is not a number; check the sensor and its cable"
            )
        reals = values if self._vector is None else self._vector.of(values.T, shaft_hz)
        out[...] = self._stored((reals - self._mean) / self._std).reshape(out.shape)

    def _stored(self, reals: Signal) -> Tensor:
        if not self._tensor.scale:
            return reals
        limits = np.iinfo(self._tensor.dtype)
        steps = np.rint(reals / self._tensor.scale) + self._tensor.zero_point
        return np.asarray(np.clip(steps, limits.min, limits.max))
