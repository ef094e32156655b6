"""Raw data, and the tensors of models: what never leaves the device.

Nothing past decode (rules, encode, outbox, publish) may import this; import-linter holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_runtime.clock import Stamp
from edge_runtime.errors import Text

Image: TypeAlias = NDArray[np.uint8]
Signal: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Tensor: TypeAlias = NDArray[Any]


class Frame(msgspec.Struct, frozen=True):
    """Raw picture, BGR or grey, uint8, (height, width[, 3]); never leaves the device."""

    index: int
    image: Image
    stamp: Stamp


class Samples(msgspec.Struct, frozen=True):
    """Raw rows of a sensor, float64 (n, channels), n >= 1; never leaves the device.

    A value that is missing is NaN, all others are finite; `missing` says why, by channel, as far as
    that is known. Each row has at least one value.

    Float64: 1e-7 degrees of a position and the twelfth digit of a counter are lost in float32.

    `stamp` and `index` are those of the first row; the others follow at `rate_hz` (0: it has no
    fixed rate, and each block is one row). `gap`: data is missing between this block and the last.
    """

    index: int
    values: Doubles
    stamp: Stamp
    rate_hz: float
    channels: tuple[str, ...]
    gap: bool = False
    missing: Mapping[str, Text] = {}


class SignalWindow(msgspec.Struct, frozen=True):
    """Raw window of a signal without a gap, float32 (n, channels); never leaves the device.

    `stamp` is the moment of its last sample, `index` its number in the stream.
    """

    values: Signal
    stamp: Stamp
    rate_hz: float
    index: int


class TensorSpec(msgspec.Struct, frozen=True):
    """One tensor of a model: real value = (stored - zero_point) * scale; scale 0: not quantised.

    `operator`: what computes it, in TensorFlow Lite's names, such as SOFTMAX; empty: not told.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0
    operator: str = ""


class ModelFacts(msgspec.Struct, frozen=True):
    """What a model's file says of itself besides its tensors.

    `classes`: how many it tells apart; None: it does not say. `task`: its trainer's word, such as
    detect, segment, pose or obb; empty: it does not say. `picks_best`: the graph itself picks the
    best of its boxes, by suppression or as the top few.
    """

    classes: int | None = None
    task: str = ""
    picks_best: bool = False


NO_FACTS = ModelFacts()
