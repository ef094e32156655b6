"""What a check is given, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from edge_runtime.clock import Clock, SystemClock
from edge_runtime.language import Language
from edge_runtime.options import Config

State: TypeAlias = Literal["ok", "warning", "failed", "skipped"]


class Finding(msgspec.Struct, frozen=True):
    """What came of a check, in the person's language; a check of a stream is `camera/NAME`.

    `advice` is what to do, empty where all is well.
    """

    check: str
    state: State
    text: str
    advice: str = ""


class CheckContext(msgspec.Struct, frozen=True, kw_only=True):
    """What checks look at. `root` is a tree that stands in for / in tests.

    `config` None: there is none yet, and a check takes what it finds on the board; `problem` says
    why where it should be there, `pack_at_fault` that a pack's weights are all that is wrong.
    `daemon` is what the running daemon says of itself (None: none
    runs), which holds cameras and ports; `silence` why one that is there does not answer.
    """

    language: Language
    state_dir: Path
    config: Config | None = None
    config_file: Path | None = None
    problem: str = ""
    pack_at_fault: bool = False
    daemon: dict[str, Any] | None = None
    silence: str = ""
    clock: Clock = msgspec.field(default_factory=SystemClock)
    root: Path = Path("/")

    def text(self, english: str, **values: Any) -> str:
        """Return a text in the person's language; `scripts/messages` collects it."""
        return self.language.text(english, **values)


# Yields at least one finding; says nothing that is secret, and changes nothing on the board.
Check: TypeAlias = Callable[[CheckContext], Iterator[Finding]]
