"""A real daemon in a process of its own, and a real subscriber beside it."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge_runtime.encode.reader import Decoded, Reader

STOP_S = 30.0
RUN = (sys.executable, "-m", "edge_runtime", "run")


class Daemon:
    """`edge-runtime run` on a configuration text; its log is kept."""

    def __init__(
        self, folder: Path, config: str, *options: str, program: Sequence[str] = RUN
    ) -> None:
        self.folder = folder
        self._program = program
        self.config = folder / "edge-runtime.toml"
        self.config.write_text(config)
        self.state = folder / "state"
        self.log = folder / "daemon.log"
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self._program,
                    "--config",
                    self.config,
                    "--state-dir",
                    self.state,
                    *self._options,
                ],
                env={**os.environ, **environment},
                stderr=log,
                stdout=log,
            )
        return self.process

    def wait(self, timeout_s: float) -> int:
        assert self.process is not None
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def text(self) -> str:
        return self.log.read_text(errors="replace")


class Ear:
    """A subscriber to everything; keeps what it hears, decoded, and counts payload bytes."""

    def __init__(
        self,
        port: int,
        topic: str = "edge/v1/#",
        *,
        address: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.heard: list[Decoded] = []
        self.raw: list[mqtt.MQTTMessage] = []
        self._changed = threading.Condition()
        self._reader = Reader()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.connect(address, port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def wait_for(self, condition: Callable[[Ear], bool], timeout_s: float = 60.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout_s), self.kinds()

    def wait_for_the_end(self) -> None:
        """Wait for what a clean stop says last: all that was sent before has come."""
        self.wait_for(lambda ear: [one["state"] for one in ear.of("status")][-1:] == ["stopped"])

    def kinds(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for one in self.heard:
            counts[one.kind] = counts.get(one.kind, 0) + 1
        return counts

    def of(self, kind: str) -> list[Any]:
        return [one.payload for one in self.heard if one.kind == kind]

    def upstream_bytes(self) -> int:
        """Topic and payload of every message."""
        return sum(len(one.topic) + len(one.payload) for one in self.raw)

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        decoded = self._reader.decode(message.topic, message.payload)
        with self._changed:
            self.raw.append(message)
            if decoded is not None:
                self.heard.append(decoded)
            self._changed.notify_all()


def command(*arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run `edge-runtime …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "edge_runtime", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def without_duplicates(payloads: list[Any]) -> list[Any]:
    """Drop what was delivered twice, by (boot, seq), as the contract asks of subscribers."""
    seen: set[tuple[int, int]] = set()
    return [
        p
        for p in payloads
        if (key := (p["boot"], p["seq"])) not in seen and not seen.add(key)  # type: ignore[func-returns-value]
    ]


def json_lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]
