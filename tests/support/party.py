"""One who takes part in an office's MQTT, with a certificate; for tests of who may do what."""

from __future__ import annotations

import queue
import ssl
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from support.certificates import Pair
from support.office import OfficeMosquitto


class Party:
    """An MQTT 5 client with a certificate. Use as a context manager; raises OSError if refused."""

    def __init__(
        self,
        broker: OfficeMosquitto,
        ca: Path,
        identity: Pair | None,
        client_id: str = "",
        will: str = "",
    ) -> None:
        self.heard: queue.Queue[str] = queue.Queue()
        self._codes: dict[int, int] = {}
        self._changed = threading.Condition()
        self._state = ""
        self._granted = -1
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        if will:
            self._client.will_set(will)
        context = ssl.create_default_context(cafile=ca)
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        self._client.tls_set_context(context)
        self._client.on_connect = lambda *_: self._now("connected")
        self._client.on_disconnect = lambda *_: self._now("disconnected")
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = lambda _c, _d, m: self.heard.put(
            f"{m.topic} {m.payload.decode()}"
        )
        self._port = broker.port
        self._client_id = client_id

    def __enter__(self) -> Party:
        keep = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        keep.SessionExpiryInterval = 60 if self._client_id else 0
        self._client.connect(
            "127.0.0.1", self._port, clean_start=not self._client_id, properties=keep
        )
        self._client.loop_start()
        if self._wait("connected", "disconnected") == "disconnected":
            self._client.loop_stop()
            raise ConnectionRefusedError
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def writes(self, topic: str, payload: str = "x", *, retain: bool = False) -> int:
        """Publish; return the broker's reason code."""
        mid = self._client.publish(topic, payload, qos=1, retain=retain).mid
        with self._changed:
            assert self._changed.wait_for(lambda: mid in self._codes, 20)
            return self._codes[mid] & ~0x10  # 0x10: no subscriber had it, still a success

    def reads(self, topic: str) -> int:
        """Subscribe; return the broker's reason code, 0x80 and above where it refuses."""
        with self._changed:
            self._granted = -1
            self._client.subscribe(topic, qos=1)
            assert self._changed.wait_for(lambda: self._granted >= 0, 20)
            return self._granted

    @property
    def is_cut_off(self) -> bool:
        """Whether the broker has ended the connection."""
        with self._changed:
            return self._state == "disconnected"

    def _wait(self, *states: str) -> str:
        with self._changed:
            assert self._changed.wait_for(lambda: self._state in states, 20)
            return self._state

    def _now(self, state: str) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()

    def _on_subscribe(self, _c: Any, _d: Any, _mid: int, codes: Any, _p: Any) -> None:
        with self._changed:
            self._granted = codes[0].value
            self._changed.notify_all()

    def _on_publish(self, _c: Any, _d: Any, mid: int, code: Any, _p: Any) -> None:
        with self._changed:
            self._codes[mid] = code.value
            self._changed.notify_all()
