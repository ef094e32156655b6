"""Proof that it works: the broker has acknowledged what the daemon sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.daemon.status_socket import ask
from edge_runtime.errors import EMPTY, EdgeError, Text

LOOK_EVERY_S = 0.5


class Proof(msgspec.Struct, frozen=True):
    """What the daemon says of its link. `reason`: why nothing was acknowledged yet."""

    acknowledged: bool
    broker: str = ""
    reason: Text = EMPTY


def await_proof(state_dir: Path, clock: Clock, longest_s: float) -> Proof:
    """Wait until a message of the daemon is acknowledged, or the time is over."""
    ends_s = clock.monotonic() + longest_s
    while True:
        proof = proof_of(told(state_dir))
        if proof.acknowledged or clock.monotonic() >= ends_s:
            return proof
        clock.sleep(LOOK_EVERY_S)


def told(state_dir: Path) -> dict[str, Any] | None:
    """Return what the daemon says; None where there is none, or none that answers yet."""
    try:
        return ask(state_dir)
    except EdgeError:
        return None


def proof_of(status: dict[str, Any] | None) -> Proof:
    """Judge what the daemon says: a broker that refuses all acknowledges nothing."""
    if status is None:
        return Proof(False, reason=Text("the daemon does not run"))
    link = status["link"]
    sound = link["state"] == "connected" and link["reason"].startswith("connected to ")
    acknowledged = sound and link["last_ack_s"] is not None
    return Proof(acknowledged, link["broker"], EMPTY if acknowledged else link["reason"])
