"""What the running daemon says of a stream: it holds cameras and ports, so that nobody else can."""

from __future__ import annotations

from typing import Any

from edge_runtime.doctor.base import Finding, State, Surroundings
from edge_runtime.language import mark

# The state of a stream: what it means for the check, and how it is said.
STATES: dict[str, tuple[State, str]] = {
    "starting": ("warning", mark("starting")),
    "running": ("ok", mark("running")),
    "degraded": ("failed", mark("degraded")),
    "ended": ("ok", mark("ended")),
}


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
