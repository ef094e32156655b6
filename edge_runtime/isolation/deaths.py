"""Why a child process is gone: found out in one place, said in the words of what it did."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Literal, TypeAlias

from edge_runtime.errors import Text
from edge_runtime.isolation.children import Child, signal_name
from edge_runtime.isolation.limits import MIB
from edge_runtime.isolation.template import OUT_OF_MEMORY

CauseOfDeath: TypeAlias = Literal["template", "memory", "killed", "crashed", "ended"]
# Templates: `memory` may name the {limit} in MiB, `crashed` the {signal}, `ended` the {status}.
DeathTexts: TypeAlias = Mapping[CauseOfDeath, str]


def cause_of(child: Child, status: int | None) -> CauseOfDeath:
    """Return why a child ended that has this exit status (None: it is not known)."""
    if child.lost_template:
        return "template"
    if status == OUT_OF_MEMORY:
        return "memory"
    if status == -signal.SIGKILL:
        return "killed"
    return "crashed" if status is not None and status < 0 else "ended"


def death_text(child: Child, timeout_s: float, limit_bytes: int, texts: DeathTexts) -> Text:
    """Wait for the end of a child that hung up, and return why it ended."""
    status = child.ended(timeout_s)
    return Text(
        texts[cause_of(child, status)],
        limit=limit_bytes / MIB,
        signal=signal_name(status) if status is not None and status < 0 else "",
        status=status,
    )
