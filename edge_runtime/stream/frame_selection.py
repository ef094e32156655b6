"""Which frames of a stream are inferred, and what of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edge_runtime.boxes import Box
from edge_runtime.stream.stream_hours import StreamHours

if TYPE_CHECKING:  # these import OpenCV, which a device without a camera does without
    from edge_runtime.gate import Gate
    from edge_runtime.mask import PrivacyMask
    from edge_runtime.stream.adaptive import AdaptiveRate


class FrameSelection(msgspec.Struct, frozen=True):
    """Which frames are inferred, what of them, and from which score on objects are decoded."""

    gate: Gate
    low_score: float
    adaptive: AdaptiveRate | None = None
    hours: StreamHours | None = None
    mask: PrivacyMask | None = None

    @property
    def region(self) -> Box:
        """The part of the latest frame to infer, in fractions."""
        return (self.adaptive or self.gate).region
