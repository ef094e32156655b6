"""What a configuration needs child processes for, and what they import."""

from __future__ import annotations

from edge_runtime.infer.engines import preload_modules
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.options import Config
from edge_runtime.sources import KINDS

CAPTURE = "edge_runtime.sources.capture_process"


def prepare_children(children: ChildFactory, config: Config) -> None:
    """Start the template of the children that a configuration needs, where it needs any.

    What it does not import each child imports for itself, in memory of its own: 5 MiB each.
    """
    has_frames = any(stream.sensor is None for stream in config.streams)
    foreign = {one.source.kind for one in config.streams if one.source.is_foreign}
    shared = ("numpy", "cv2") if has_frames else ("numpy",)
    sources = [KINDS[kind].partition(":")[0] for kind in sorted(foreign)]
    capture = (CAPTURE, *sources) if foreign else ()
    model = (*preload_modules(config.inference.engine), "edge_runtime.infer.process")
    children.preload(shared, (*capture, *model))
    if foreign or any(stream.has_model for stream in config.streams):
        children.prepare()
