"""What only some commands need is an extra: said in one line where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge_runtime.errors import EdgeError, Text

# No index has this package: each part comes from its checkout or a bundle.
HOW = {
    "provision": Text(
        "`sudo scripts/install` installs it for a board; in a checkout of your own, `pip install "
        "-e '.[provision]'`"
    ),
    "office": Text(
        "`sudo scripts/install --office` installs it for an office; in a checkout of your own, "
        "`pip install -e '.[office]'`"
    ),
}


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import a command's own modules in this block. Raises EdgeError where the extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("edge_runtime"):
            raise
        raise EdgeError(
            "{package} is not installed: {how}", package=error.name, how=HOW[name]
        ) from None
