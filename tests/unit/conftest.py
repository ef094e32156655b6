"""A systemd that says of the service what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from support.surroundings import systemctl, tree


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what puts a `systemctl` in place, beside a root on which systemd runs."""
    tree(tmp_path / "root", {"run/systemd/system/.keep": ""})
    program = tmp_path / "bin" / "systemctl"
    monkeypatch.setenv("PATH", str(program.parent))
    return partial(systemctl, program)
