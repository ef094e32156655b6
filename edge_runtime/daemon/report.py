"""What the device says of itself: birth, will, health, the status line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from edge_runtime import __version__
from edge_runtime.board.throttle import Throttle
from edge_runtime.board.vitals import Board
from edge_runtime.clock import Clock
from edge_runtime.daemon.crash_loop import CrashLoopGuard
from edge_runtime.daemon.mode import ModeSwitch
from edge_runtime.daemon.reopenable import ReopenableOutbox
from edge_runtime.daemon.uplink import HEALTH_EVERY_S, Uplink
from edge_runtime.encode import Encoder, Topics
from edge_runtime.encode.encoder import JSON, offline, stopped
from edge_runtime.errors import EMPTY, Text, wording
from edge_runtime.isolation.sandbox import kept_by
from edge_runtime.outbox import OutboxHealth
from edge_runtime.publish.contract import LinkHealth, LinkState
from edge_runtime.records import Message
from edge_runtime.stream.builder import RunningStream
from edge_runtime.stream.health import LastFault, StreamHealth
from edge_runtime.stream.task import StreamTask
from edge_runtime.text_form import encode_english

LONGEST_REASON = 240  # characters of a reason that cross the link; the log has all
# Every fault stands in one health at least: longer than the longest time between two.
FAULT_TOLD_S = 2.0 * HEALTH_EVERY_S[-1]


def state_of(
    streams: Iterable[StreamTask],
    outbox_state: str,
    uplink: Uplink,
    throttle: Throttle,
    link_state: LinkState,
    config_fault: Text = EMPTY,
) -> str:
    """Return `ok`, or `degraded` where any part has declared itself so."""
    states = [link_state, *(stream.health.state for stream in streams)]
    degraded = "degraded" in states
    less = uplink.step or throttle.step
    return "degraded" if degraded or outbox_state != "ok" or less or config_fault else "ok"


class ReportedDevice(Protocol):
    """What a report is about: the streams of the moment, the outbox and the link. Any thread."""

    outbox: ReopenableOutbox
    uplink: Uplink
    throttle: Throttle
    mode: ModeSwitch

    @property
    def streams(self) -> Mapping[str, RunningStream]:
        """The streams by name; another mapping once one of them changes."""
        ...

    def link(self) -> LinkHealth:
        """Return the state of the link."""
        ...


class HealthReport:
    """Gathers the health of all parts; any thread.

    `config_fault` is what is wrong with the configuration's file while the last good one is at
    work; the supervisor sets it.
    """

    def __init__(
        self, device: ReportedDevice, board: Board, clock: Clock, starts: CrashLoopGuard
    ) -> None:
        self.config_fault = EMPTY
        self._device = device
        self._board = board
        self._clock = clock
        self._starts = starts

    @property
    def _tasks(self) -> dict[str, StreamTask]:
        return {name: stream.task for name, stream in self._device.streams.items()}

    def health(self) -> dict[str, Any]:
        """Return the health record, ready for JSON: it crosses the link."""
        outbox = self._device.outbox.health()
        link = self._device.link()
        fields = self._fields(outbox, link)
        fields["outbox"] = outbox_fields(outbox)
        fields["link"] = link_fields(link)
        if self._device.uplink.step:
            fields["uplink"] = self._device.uplink.fields()
        linked = for_link(fields)
        for stream in linked["streams"].values():
            for key in ("engine", "activity"):  # who asks on the board itself is told
                stream.pop(key, None)  # bytes cost money
        return linked

    def everything(self) -> dict[str, Any]:
        """Return all that is known, for those who ask on the board itself; texts stay `Text`."""
        now_s = self._clock.monotonic()
        outbox, link = self._device.outbox.health(), self._device.link()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "sandbox": kept_by(),
            **self._fields(outbox, link),
            "outbox": msgspec.structs.asdict(outbox),
            "link": {**msgspec.structs.asdict(link), "since_s": round(now_s - link.since_s, 1)},
            "modes": list(self._device.mode.names),
            "uplink": {**self._device.uplink.fields(), "by_kind": self._device.uplink.by_kind()},
        }

    def condition(self) -> tuple[object, ...]:
        """Return how all parts are, without what changes all the time: counters, measures, times.

        Two that differ are worth a message.
        """
        device, link = self._device, self._device.link()
        return (
            device.outbox.health().state,
            wording(link.reason) if link.state == "degraded" else (),
            device.uplink.step,
            device.throttle.step,
            wording(self.config_fault),
            self._clock.now().trusted,
            device.mode.current(),
            *((name, *stream_condition(task.health)) for name, task in self._tasks.items()),
        )

    def config(self) -> dict[str, str]:
        """Return that the last good configuration is at work and why; nothing where all is well."""
        return {"state": "fallback", "reason": self.config_fault} if self.config_fault else {}

    def _fields(self, outbox: OutboxHealth, link: LinkHealth) -> dict[str, Any]:
        stamp = self._clock.now()
        now_s = stamp.monotonic_s
        config, short_starts = self.config(), self._starts.short
        mode = self._device.mode.current()
        return {
            "ts": round(stamp.wall_s, 3),
            "boot": self._device.outbox.boot,
            "state": state_of(
                self._tasks.values(),
                outbox.state,
                self._device.uplink,
                self._device.throttle,
                link.state,
                self.config_fault,
            ),
            "clock": "synced" if stamp.trusted else "unsynced",
            "streams": {n: shown_health(task.health, now_s) for n, task in self._tasks.items()},
            "board": msgspec.to_builtins(self._board.vitals()),
            **({"throttle": self._device.throttle.fields()} if self._device.throttle.step else {}),
            **({"config": config} if config else {}),
            **({"short_starts": short_starts} if short_starts else {}),
            **({"mode": mode} if mode else {}),
        }

    def line(self) -> str:
        """Return one line for `systemctl status`."""
        streams = ", ".join(
            f"{name} {task.health.state}"
            + (f" ({task.health.reason})" if task.health.reason else "")
            for name, task in self._tasks.items()
        )
        text = f"{streams}; link {self._device.link().state}; {self._device.outbox.pending()} to go"
        fault = self.config_fault
        return f"last good configuration at work ({fault}); {text}" if fault else text


def shown_health(health: StreamHealth, now_s: float) -> StreamHealth:
    """Return a stream's health, with the fault that it has recently come back from."""
    fault = health.last_fault
    if fault is None:
        return health
    is_over = health.state != "degraded" and now_s - fault.begun_s <= FAULT_TOLD_S
    shown = LastFault(fault.reason, fault.ts) if is_over else None
    return msgspec.structs.replace(health, last_fault=shown)


def stream_condition(health: StreamHealth) -> tuple[object, ...]:
    """Return how a stream is; a fault that it is already back from is part of it."""
    fault = health.last_fault if health.state != "degraded" else None
    return (
        health.state,
        wording(health.reason),
        wording(health.notice),
        wording(health.baseline),
        wording(health.schedule),
        bool(health.tracking),
        tuple((name, wording(why)) for name, why in health.channels.items()),
        fault.begun_s if fault is not None else None,
    )


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
    if not link.retains:
        fields["retained"] = False
    if link.state == "degraded":
        fields |= {"state": link.state, "reason": link.reason}
    return fields


def for_link(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what crosses the link, ready for JSON: texts in English, and short."""
    shown: dict[str, Any] = msgspec.to_builtins(facts, enc_hook=shortened)
    return shown


def shortened(value: Any) -> str:
    """Encode a text as the beginning of its English rendering: msgspec's `enc_hook`."""
    return encode_english(value)[:LONGEST_REASON]


class DeviceMessages:
    """The device's retained messages, made afresh at each call."""

    def __init__(self, topics: Topics, encoder: Encoder, boot: int, report: HealthReport) -> None:
        self._topics = topics
        self._boot = boot
        self._report = report
        self.encoder = encoder

    def birth(self) -> Message:
        """What runs here, and the names that its records refer to."""
        return self._retained(
            self._topics.status, self.encoder.birth(self._boot, for_link(self._report.config()))
        )

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
