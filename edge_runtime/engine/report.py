"""What the device says of itself: birth, will, health, the status line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from edge_runtime.board.vitals import Board
from edge_runtime.clock import Clock
from edge_runtime.encode import Encoder, Topics
from edge_runtime.encode.encoder import JSON, offline, stopped
from edge_runtime.engine.capture import Running
from edge_runtime.outbox import Outbox, OutboxHealth
from edge_runtime.publish.contract import LinkHealth
from edge_runtime.records import Message


def state_of(streams: Sequence[Running], outbox_state: str) -> str:
    """Return `ok`, or `degraded` where any part has declared itself so."""
    degraded = any(stream.task.health.state == "degraded" for stream in streams)
    return "degraded" if degraded or outbox_state != "ok" else "ok"


class Report:
    """Gathers the health of all parts; any thread."""

    def __init__(
        self,
        streams: Sequence[Running],
        outbox: Outbox,
        board: Board,
        clock: Clock,
        link: Callable[[], LinkHealth],
    ) -> None:
        self._streams = streams
        self._outbox = outbox
        self._board = board
        self._clock = clock
        self._link = link

    def health(self) -> dict[str, Any]:
        """Return the health record, ready for JSON."""
        stamp = self._clock.now()
        outbox = self._outbox.health()
        return {
            "ts": round(stamp.wall_s, 3),
            "boot": self._outbox.boot,
            "state": state_of(self._streams, outbox.state),
            "clock": "synced" if stamp.trusted else "unsynced",
            "streams": {s.task.name: msgspec.to_builtins(s.task.health) for s in self._streams},
            "outbox": outbox_fields(outbox),
            "link": link_fields(self._link()),
            "board": msgspec.to_builtins(self._board.vitals()),
        }

    def line(self) -> str:
        """Return one line for `systemctl status`."""
        streams = ", ".join(
            f"{s.task.name} {s.task.health.state}"
            + (f" ({s.task.health.reason})" if s.task.health.reason else "")
            for s in self._streams
        )
        return f"{streams}; link {self._link().state}; {self._outbox.pending()} to go"


def outbox_fields(outbox: OutboxHealth) -> dict[str, Any]:
    """Return how the outbox stands; what is nothing is left out, for health crosses the link."""
    fields: dict[str, Any] = {"state": outbox.state, "pending": outbox.pending}
    optional = {
        "reason": outbox.reason,
        "oldest_ts": outbox.oldest_pending_ts,
        "dropped": outbox.dropped,
        "summarised": outbox.summarised,
        "rejected": outbox.rejected,
    }
    fields.update({key: value for key, value in optional.items() if value})
    fields["bytes"] = outbox.bytes_used
    return fields


def link_fields(link: LinkHealth) -> dict[str, Any]:
    """Return what an office wants to know of a link, no more: health crosses it too."""
    fields: dict[str, Any] = {
        "sent": link.sent,
        "acknowledged": link.acknowledged,
        "bytes_out": link.bytes_out,
        "attempts": link.attempts,
    }
    if link.rejected:
        fields["rejected"] = link.rejected
    return fields


class DeviceStatus:
    """The device's retained messages, made afresh at each call."""

    def __init__(self, topics: Topics, encoder: Encoder, boot: int, report: Report) -> None:
        self._topics = topics
        self._boot = boot
        self._report = report
        self.encoder = encoder

    def birth(self) -> Message:
        """What runs here, and the names that its records refer to."""
        return self._retained(self._topics.status, self.encoder.birth(self._boot))

    def will(self) -> Message:
        """What the broker says when the device falls silent."""
        return self._retained(self._topics.status, offline(self._boot))

    def stopped(self) -> Message:
        """What a clean stop leaves behind."""
        return self._retained(self._topics.status, stopped(self._boot))

    def health(self) -> Message:
        """How all parts are."""
        return self._retained(self._topics.health, msgspec.json.encode(self._report.health()))

    def _retained(self, topic: str, payload: bytes) -> Message:
        return Message(topic, payload, JSON, retain=True)
