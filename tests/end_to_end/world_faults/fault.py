"""What a fault of the world is: how it is planted, and which cause is to be named where."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from support.broker import free_port
from support.owners import OWNER, python_for_all

STATE = "state"


@dataclass
class Site:
    """The folder of one fault, into which other users may look, and the port of a good broker."""

    folder: Path
    broker_port: int = field(default_factory=free_port)


@dataclass(frozen=True)
class Planted:
    """A board beside its fault.

    `broker`: the lines of `[broker]` where the broker is the fault, else there is one that works.
    `outbox`: lines of that table. `strike`: what happens once the stream runs; the doctor is then
    asked beside the daemon. `restarts`: it happens while the daemon is down, which then tells
    nothing but over the link: no socket can be made.
    `environment`, `is_other_user`: how the daemon and the doctor are started.
    `holder`: a process that must be named.
    """

    streams: str = ""
    broker: str = ""
    outbox: str = ""
    strike: Callable[[], None] | None = None
    restarts: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    is_other_user: bool = False
    holder: int = 0

    @property
    def program(self) -> list[str]:
        """How `edge-runtime` is started."""
        if not self.is_other_user:
            return [sys.executable, "-m", "edge_runtime"]
        user = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"]
        return [*user, *python_for_all(), "-m", "edge_runtime"]


Plant = Callable[[Site], AbstractContextManager[Planted]]


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    `causes`: pieces of templates of the catalogue, one of which must be told in health, at `place`
    (`stream`, `link`, `outbox`, `config`, `log`: of a daemon that ends) and by the doctor's
    `check`; `doctor`: those of the doctor where it has words of its own. `before`: what is rightly
    said until the cause is known. `beside`: other checks that rightly fail as well.
    `is_quick`: it belongs to the plain suite.
    """

    name: str
    plant: Plant
    check: str
    place: str
    causes: Sequence[str]
    doctor: Sequence[str] = ()
    before: Sequence[str] = ()
    beside: Sequence[str] = ()
    is_quick: bool = False

    @property
    def told_by_doctor(self) -> tuple[str, ...]:
        """What the doctor must say."""
        return tuple(self.doctor or self.causes)

    @property
    def all_causes(self) -> set[str]:
        """All that may be said of it."""
        return {*self.causes, *self.doctor, *self.before}


def names(text: str, cause: str) -> bool:
    """Say whether a text names a cause: its template's words, with any values."""
    return pattern(cause).search(text) is not None


def pattern(cause: str) -> re.Pattern[str]:
    """Return what finds a piece of a template in what was made of it."""
    pieces = re.split(r"\{[^}]*\}", cause)
    return re.compile(".+?".join(map(re.escape, pieces)))
