"""Mosquitto on the configuration that `office init` wrote: who may do what, who is let in."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.revoking import revoke
from support.certificates import Authority, Pair
from support.office import OfficeMosquitto, enrolled, new_office
from support.waiting import until

ALLOWED, DENIED = 0x00, 0x87  # MQTT 5 reason codes


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that Mosquitto's own user can pass through: pytest's are shut to it."""
    with tempfile.TemporaryDirectory(prefix="office-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def office(place: Path) -> OfficeFolder:
    return new_office(place / "office")


@pytest.fixture(scope="module")
def broker(office: OfficeFolder, place: Path) -> Iterator[OfficeMosquitto]:
    broker = OfficeMosquitto(office, place)
    broker.start()
    yield broker
    broker.stop()


class Party:
    """An MQTT 5 client with a certificate. Use as a context manager; raises OSError if refused."""

    def __init__(
        self, broker: OfficeMosquitto, ca: Path, identity: Pair | None, client_id: str = ""
    ) -> None:
        self.heard: queue.Queue[str] = queue.Queue()
        self._codes: dict[int, int] = {}
        self._changed = threading.Condition()
        self._state = ""
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        context = ssl.create_default_context(cafile=ca)
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        self._client.tls_set_context(context)
        self._client.on_connect = lambda *_: self._now("connected")
        self._client.on_disconnect = lambda *_: self._now("disconnected")
        self._client.on_subscribe = lambda *_: self._now("subscribed")
        self._client.on_publish = self._on_publish
        self._client.on_message = lambda _c, _d, m: self.heard.put(
            f"{m.topic} {m.payload.decode()}"
        )
        self._port = broker.port
        self._client_id = client_id

    def __enter__(self) -> Party:
        keep = Properties(PacketTypes.CONNECT)
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

    def reads(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)
        self._wait("subscribed")

    def _wait(self, *states: str) -> str:
        with self._changed:
            assert self._changed.wait_for(lambda: self._state in states, 20)
            return self._state

    def _now(self, state: str) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()

    def _on_publish(self, _c: Any, _d: Any, mid: int, code: Any, _p: Any) -> None:
        with self._changed:
            self._codes[mid] = code.value
            self._changed.notify_all()


def device(office: OfficeFolder, broker: OfficeMosquitto, place: Path, name: str) -> Party:
    return Party(broker, office.ca, enrolled(office, name, place))


def the_office(office: OfficeFolder, broker: OfficeMosquitto) -> Party:
    return Party(broker, office.ca, Pair(office.office, office.office_key))


def test_the_broker_runs_as_its_own_user_and_keeps_its_data(
    office: OfficeFolder, broker: OfficeMosquitto
) -> None:
    assert broker.process is not None
    status = Path(f"/proc/{broker.process.pid}/status").read_text()
    uid = int(next(line for line in status.splitlines() if line.startswith("Uid")).split()[2])
    assert uid == office.data.stat().st_uid
    assert uid != 0 or os.geteuid() != 0
    assert office.broker_key.stat().st_mode & 0o077 == 0


def test_a_device_writes_its_own_topics_alone(
    office: OfficeFolder, broker: OfficeMosquitto, place: Path
) -> None:
    with device(office, broker, place, "a") as a:
        assert a.writes("edge/v1/site/a/gate/event") == ALLOWED
        assert a.writes("edge/v1/site/a/status") == ALLOWED
        for topic in (
            "edge/v1/site/b/gate/event", "edge/v1/site/b/cmd/replay", "edge/v1/site/ab/status",
            "edge/v1/other/a/status", "edge/v1/office/x", "edge/v1/site/status",
            "edge/v2/site/a/x", "$SYS/x", "x",
        ):  # fmt: skip
            assert a.writes(topic) == DENIED, topic


def test_a_device_reads_its_own_commands_alone(
    office: OfficeFolder, broker: OfficeMosquitto, place: Path
) -> None:
    with (
        device(office, broker, place, "a") as a,
        device(office, broker, place, "b") as b,
        the_office(office, broker) as boss,
    ):
        b.writes("edge/v1/site/b/status", "retained", retain=True)
        for topic in ("edge/v1/#", "#", "edge/v1/site/b/cmd/#", "$SYS/#"):
            a.reads(topic)
        b.writes("edge/v1/site/b/gate/event")
        assert boss.writes("edge/v1/site/b/cmd/replay", "not for a") == ALLOWED
        assert boss.writes("edge/v1/site/a/cmd/replay", "for a") == ALLOWED
        assert a.heard.get(timeout=20) == "edge/v1/site/a/cmd/replay for a"
        # One may subscribe by several filters: the same message can come once for each.
        rest = {a.heard.get_nowait() for _ in range(a.heard.qsize())}
        assert rest <= {"edge/v1/site/a/cmd/replay for a"}


def test_the_office_reads_all_and_writes_commands_alone(
    office: OfficeFolder, broker: OfficeMosquitto, place: Path
) -> None:
    with the_office(office, broker) as boss, device(office, broker, place, "c") as c:
        boss.reads("edge/v1/site/c/gate/#")
        assert c.writes("edge/v1/site/c/gate/event", "seen") == ALLOWED
        assert boss.heard.get(timeout=20) == "edge/v1/site/c/gate/event seen"
        for topic in ("edge/v1/site/c/gate/event", "edge/v1/site/c/status", "x"):
            assert boss.writes(topic) == DENIED


def test_who_takes_anothers_client_id_gets_none_of_its_messages(
    office: OfficeFolder, broker: OfficeMosquitto, place: Path
) -> None:
    victim, thief = enrolled(office, "victim", place), enrolled(office, "taker", place)
    with Party(broker, office.ca, victim, "device-victim") as party:
        party.reads("edge/v1/site/victim/cmd/#")
    with the_office(office, broker) as boss:
        assert boss.writes("edge/v1/site/victim/cmd/replay", "waits for the victim") == ALLOWED
        with Party(broker, office.ca, thief, "device-victim") as party:
            party.reads("edge/v1/site/taker/cmd/#")
            boss.writes("edge/v1/site/victim/cmd/replay", "comes meanwhile")
            boss.writes("edge/v1/site/taker/cmd/replay", "its own")
            assert party.heard.get(timeout=20) == "edge/v1/site/taker/cmd/replay its own"


def test_without_a_certificate_of_the_office_nobody_is_let_in(
    office: OfficeFolder, broker: OfficeMosquitto, place: Path, tmp_path: Path
) -> None:
    foreign = Authority(tmp_path / "foreign", "Another CA").sign("office", "DNS:x")
    server = Pair(office.broker, office.broker_key)  # ours, but no client's
    for identity in (None, foreign, server):
        with pytest.raises(OSError), Party(broker, office.ca, identity):  # noqa: PT011
            pass


def test_a_revoked_device_is_out_after_a_reload_and_cut_off_by_a_restart(
    office: OfficeFolder, broker: OfficeMosquitto, place: Path
) -> None:
    identity = enrolled(office, "thief", place)
    assert broker.process is not None
    with Party(broker, office.ca, identity) as living:
        revoke(office, "site", "thief", time.time())
        broker.process.send_signal(signal.SIGHUP)
        until(lambda: not let_in(broker, office, identity), "the device shut out")
        with device(office, broker, place, "honest"):
            pass
        # Mosquitto looks at the list when a connection begins: the README says to restart it.
        assert living.writes("edge/v1/site/thief/x") == ALLOWED
        broker.stop()
        broker.start()
        assert not let_in(broker, office, identity)


def let_in(broker: OfficeMosquitto, office: OfficeFolder, identity: Pair) -> bool:
    with contextlib.suppress(OSError), Party(broker, office.ca, identity):
        return True
    return False
