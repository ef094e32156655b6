"""`source`: where a stream's samples come from. One file a kind, or two that are alike.

Each kind's options answer for it (`base.BaseSourceOptions`): how long it may hang, whether it is a
file, whether strangers feed it, its pace, what it gives, how it is described, which of doctor's
checks looks at it. Nobody else asks of which kind a source is.
"""

from __future__ import annotations

from typing import TypeAlias

from edge_runtime.options.sources.base import BaseSourceOptions, SensorOptions
from edge_runtime.options.sources.camera import CameraOptions
from edge_runtime.options.sources.files import ImagesOptions, VideoOptions
from edge_runtime.options.sources.recording import RecordingOptions, SensorRecordingOptions
from edge_runtime.options.sources.serial_port import SerialOptions
from edge_runtime.options.sources.simulated import (
    FaultOptions,
    SyntheticOptions,
    VibrationOptions,
)

__all__ = [
    "BaseSourceOptions",
    "CameraOptions",
    "FaultOptions",
    "ImagesOptions",
    "RecordingOptions",
    "SensorOptions",
    "SensorRecordingOptions",
    "SerialOptions",
    "SourceOptions",
    "SyntheticOptions",
    "VibrationOptions",
    "VideoOptions",
]

SourceOptions: TypeAlias = (
    CameraOptions
    | VideoOptions
    | ImagesOptions
    | SyntheticOptions
    | SerialOptions
    | VibrationOptions
    | RecordingOptions
)
