"""Where samples come from: one file a kind, named in one table, imported only when it is used."""

from __future__ import annotations

from importlib import import_module

from edge_runtime.clock import Clock
from edge_runtime.options import SourceOptions
from edge_runtime.sources.base import Source
from edge_runtime.sources.bus_registry import BusRegistry

KINDS = {
    "camera": "edge_runtime.sources.camera:CameraSource",
    "video": "edge_runtime.sources.video:VideoSource",
    "images": "edge_runtime.sources.images:ImagesSource",
    "recording": "edge_runtime.sources.recording:RecordingSource",
    "serial": "edge_runtime.sources.serial_port:SerialSource",
    "synthetic": "edge_runtime.sources.synthetic:SyntheticSource",
    "vibration": "edge_runtime.sources.vibration:VibrationSource",
}


def open_source(options: SourceOptions, clock: Clock, buses: BusRegistry | None = None) -> Source:
    """Make the source that the options describe; it is not opened yet.

    `buses`: ports that streams of this process share; None: whatever it opens it has alone.
    """
    module, _, name = KINDS[options.kind].partition(":")
    shared = {"buses": buses} if options.shares_port else {}
    source: Source = getattr(import_module(module), name)(options, clock, **shared)
    return source
