"""Tells the decision log how the device is: what kept results from being made, or from arriving."""

from __future__ import annotations

from edge_runtime.board.throttle import Throttle
from edge_runtime.clock import Stamp
from edge_runtime.daemon.mode import ModeSwitch
from edge_runtime.daemon.uplink import Uplink
from edge_runtime.decision_log.log import DecisionLog
from edge_runtime.errors import EMPTY, RawText, Text
from edge_runtime.publish.contract import LinkHealth
from edge_runtime.stream.health import StreamHealth

CLOCK_WRONG = Text("no clock had set this one yet")


def note_device(
    log: DecisionLog,
    now: Stamp,
    link: LinkHealth,
    uplink: Uplink,
    throttle: Throttle,
    mode: ModeSwitch,
) -> None:
    """Note the states of the device; what did not change costs nothing on disk."""
    is_up = link.state in ("connected", "degraded")
    log.state("link", "", EMPTY if is_up else link.reason)
    log.state("refused", "", link.reason if link.state == "degraded" else EMPTY)
    log.state("uplink", "", uplink.reason)
    log.state("throttle", "", throttle.reason)
    log.state("clock", "", EMPTY if now.trusted else CLOCK_WRONG)
    if mode.names:
        log.state("mode", "", RawText(mode.current()))


def note_stream(log: DecisionLog, name: str, health: StreamHealth, doubt: Text) -> None:
    """Note whether a stream's source gives anything; `doubt`: what is wrong with its picture."""
    gives_nothing = health.state == "degraded" and health.reason != doubt
    log.state("stream", name, health.reason if gives_nothing else EMPTY)
    log.state("camera", name, doubt)
