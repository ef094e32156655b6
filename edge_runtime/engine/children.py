"""What a configuration needs child processes for, and what they import."""

from __future__ import annotations

from edge_runtime.errors import BackendError
from edge_runtime.infer.litert import MODULES, installed
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.options import Config, SensorOptions
from edge_runtime.sources.isolated import is_foreign


def prepare_children(children: ChildFactory, config: Config) -> None:
    """Start the template of the children that a configuration needs, where it needs any."""
    has_pictures = any(not isinstance(one.source, SensorOptions) for one in config.streams)
    shared = ("numpy", "cv2") if has_pictures else ("numpy",)
    children.preload(shared, (*interpreter_module(config), "edge_runtime.infer.process"))
    if any(stream.has_model or is_foreign(stream.source) for stream in config.streams):
        children.prepare()


def interpreter_module(config: Config) -> tuple[str, ...]:
    """Return the module of the configured runtime; none where it is not installed (told later)."""
    try:
        return (f"{MODULES[installed(config.engine.runtime)]}.interpreter",)
    except BackendError:
        return ()
