"""What the running daemon says of a stream: it holds cameras and ports, so that nobody else can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from edge_runtime.doctor.base import Finding, State, Surroundings
from edge_runtime.language import mark
from edge_runtime.options import Camera, Serial

S = TypeVar("S", Camera, Serial)

# The state of a stream: what it means for the check, and how it is said.
STATES: dict[str, tuple[State, str]] = {
    "starting": ("warning", mark("starting")),
    "running": ("ok", mark("running")),
    "degraded": ("failed", mark("degraded")),
    "ended": ("ok", mark("ended")),
}


def of_each_stream(
    around: Surroundings,
    check: str,
    kind: type[S],
    *,
    none: str,
    plugged_in: Callable[[Surroundings], Finding],
    look_at: Callable[[Surroundings, str, S], Finding],
    advice: str,
) -> Iterator[Finding]:
    """Look at the source of each stream of a kind, or at what the running daemon says of it.

    Without a configuration, at what is plugged in; `none`: no stream uses such a source.
    """
    if around.config is None:
        yield plugged_in(around)
        return
    found = [(s.name, s.source) for s in around.config.streams if isinstance(s.source, kind)]
    if not found:
        yield Finding(check, "skipped", none)
    for name, options in found:
        told = told_of_stream(around, name)
        one = f"{check}/{name}"
        if told is not None:
            yield finding_of_stream(around, one, told, advice)
        else:
            yield look_at(around, one, options)


def told_of_stream(around: Surroundings, name: str) -> dict[str, Any] | None:
    """Return what the daemon says of a stream; None where it does not run it."""
    if around.daemon is None:
        return None
    told: dict[str, Any] | None = around.daemon.get("streams", {}).get(name)
    return told


def finding_of_stream(
    around: Surroundings, check: str, told: dict[str, Any], advice: str
) -> Finding:
    """Return the daemon's words on a stream as a finding; `advice` where it has trouble."""
    why = told.get("reason") or told.get("notice") or ""
    state, word = STATES[told.get("state", "starting")]
    if state == "ok" and why:
        state = "warning"
    text = around.text(
        "the running daemon has it: {state}, {captured} samples taken, started again {restarts} "
        "times",
        state=around.text(word),
        captured=told.get("captured", 0),
        restarts=told.get("restarts", 0),
    )
    return Finding(check, state, f"{text}: {why}" if why else text, "" if state == "ok" else advice)
