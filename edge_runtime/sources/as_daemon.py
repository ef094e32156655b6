"""One source, opened as the daemon opens it, for commands that look at it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edge_runtime.clock import Clock
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.options import SourceOptions
from edge_runtime.raw import Frame, Samples
from edge_runtime.sources import open_source
from edge_runtime.sources.base import Source
from edge_runtime.sources.isolated import IsolatedSource

CAPTURE = "edge_runtime.sources.capture_process"
SLOTS = 4


@contextlib.contextmanager
def opened_as_daemon(options: SourceOptions, clock: Clock) -> Iterator[Source]:
    """Open a source, in a process of its own where strangers feed it. Raises SourceError."""
    with contextlib.ExitStack() as stack:
        source: Source
        if options.is_foreign:
            children = ChildFactory(("numpy", "cv2"), (CAPTURE,))
            stack.callback(children.close)
            source = IsolatedSource(options, clock, children, slots=SLOTS)
        else:
            source = open_source(options, clock)
        stack.callback(source.close)
        source.open()
        yield source


def read_size(source: Source) -> tuple[int, int]:
    """Read one picture and return its width and height, in pixels. Raises SourceError."""
    return size_of(source.read())


def size_of(frame: Frame | Samples | None) -> tuple[int, int]:
    """Return the width and height, in pixels, of what a camera gave."""
    assert isinstance(frame, Frame)
    height, width = frame.image.shape[:2]
    return width, height
