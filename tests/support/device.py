"""A device without a camera: a real outbox, encoder, publisher and commands, in this process."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from edge_runtime.clock import Clock, SystemClock
from edge_runtime.daemon.commands import Commands, ReplayCommand
from edge_runtime.encode import Encoder, StreamNames, Topics
from edge_runtime.encode.encoder import JSON, offline, stopped
from edge_runtime.options import BrokerOptions, OutboxOptions
from edge_runtime.outbox import Outbox, Pacing
from edge_runtime.publish.contract import Identity, PublisherSettings
from edge_runtime.publish.mqtt import MqttPublisher
from edge_runtime.records import Detection, Detections, Event, Message, ModelRef, Result

SITE, NAME, STREAM = "hill", "gate", "yard"
TOPICS = Topics(SITE, NAME)
MODEL = ModelRef("coco-ssd", "9f3c1a2b" * 8, ("person", "bicycle", "car"))
NAMES = StreamNames(MODEL, "synthetic")


class Status:
    """The device's own messages."""

    def __init__(self, encoder: Encoder, boot: int) -> None:
        self._encoder = encoder
        self._boot = boot

    def birth(self) -> Message:
        return Message(TOPICS.status, self._encoder.birth(self._boot), JSON, retain=True)

    def will(self) -> Message:
        return Message(TOPICS.status, offline(self._boot), JSON, retain=True)

    def stopped(self) -> Message:
        return Message(TOPICS.status, stopped(self._boot), JSON, retain=True)

    def health(self) -> Message:
        return Message(TOPICS.health, b'{"state":"ok"}', JSON, retain=True)


class Device:
    """Publishes what is added to it. Use as a context manager."""

    def __init__(
        self,
        port: int,
        folder: Path,
        *,
        commit_interval_s: float = 0.0,
        max_mb: float = 64.0,
        pacing: Pacing | None = None,
        names: StreamNames = NAMES,
        **broker: Any,
    ) -> None:
        self.clock: Clock = SystemClock()
        self.publisher: MqttPublisher | None = None
        self.outbox = Outbox.open(
            folder,
            OutboxOptions(max_mb=max_mb, commit_interval_s=commit_interval_s),
            self.clock,
            on_ready=self._results_ready,
            pacing=pacing,
        )
        encoder = Encoder(TOPICS, {STREAM: names})
        self.commands = Commands({"replay": ReplayCommand(self.outbox)})
        self.publisher = MqttPublisher(
            PublisherSettings(
                BrokerOptions(
                    url=f"mqtt://127.0.0.1:{port}",
                    **{"retry_max_s": 0.05, "connect_timeout_s": 5.0, **broker},
                ),
                Identity.of(SITE, NAME),
                self.outbox,
                encoder.encode,
                Status(encoder, self.outbox.boot),
            ),
            clock=self.clock,
            on_command=self.commands.take,
            jitter=random.Random(1),
        )

    def add(self, count: int, first: int = 1) -> None:
        """Make plain results, numbered by their track, and commit them."""
        for number in range(first, first + count):
            self.append(number)
        assert self.outbox.flush(10.0)

    def append(self, number: int) -> None:
        """Make one plain result."""
        seen = Detections((Detection(number % 3, 0.75, (0.125, 0.25, 0.5, 0.75), number),))
        self.outbox.append(Result(STREAM, self.clock.now(), seen, MODEL))

    def alarm(self, number: int) -> None:
        """Make an event, which goes first."""
        event = Event("enter", Detection(0, 0.9, (0.0, 0.0, 1.0, 1.0), number))
        self.outbox.append(Result(STREAM, self.clock.now(), event, MODEL))

    def _results_ready(self) -> None:
        if self.publisher is not None:
            self.publisher.wake()

    def __enter__(self) -> Device:
        assert self.publisher is not None
        self.commands.start()
        self.publisher.start()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self.publisher is not None
        self.commands.stop()
        self.publisher.stop(2.0)
        self.outbox.close()
