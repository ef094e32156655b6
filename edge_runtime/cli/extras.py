"""What only some commands need is an extra: said in one line where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge_runtime.errors import EdgeError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import a command's own modules in this block. Raises EdgeError where the extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("edge_runtime"):
            raise
        raise EdgeError(
            "{package} is not installed: pip install 'edge-runtime[{name}]'",
            package=error.name,
            name=name,
        ) from None
