"""A camera and a broker that are not there: a declared state, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from edge_runtime.daemon.status_socket import ask
from edge_runtime.practice.brokers import BrokerAccount, password_line
from support.broker import Mosquitto, free_port
from support.certificates import Authority
from support.daemon import Daemon, Ear
from support.proxy import Proxy
from support.road import head, stream, synthetic
from support.rtsp_camera import RtspCamera
from support.waiting import until


def test_a_camera_that_is_not_there_degrades_its_stream_alone(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(
        stream("gate", '{ kind = "camera", device = "/dev/video63" }')
        + stream("road", synthetic("rate_fps = 20"))
    )
    run.start()
    ear.wait_for(lambda heard: len(heard.of("detections")) > 20)
    until(lambda: run.text().count("degraded") and "/dev/video63" in run.text(), "a log line")
    assert run.stop() == 0
    assert "Traceback" not in run.text()
    assert run.text().count("stream gate: degraded") == 1  # each reason once, not each try
    assert {m.topic.split("/")[4] for m in ear.raw if m.topic.endswith("detections")} == {"road"}


def test_health_names_the_camera_that_is_not_there(daemon: Callable[..., Daemon], ear: Ear) -> None:
    run = daemon(stream("gate", '{ kind = "camera", device = "/dev/video63" }'))
    run.start()
    ear.wait_for(lambda heard: [one["state"] for one in heard.of("health")][-1:] == ["degraded"])
    health = ear.of("health")[-1]
    assert run.stop() == 0
    assert health["state"] == "degraded"
    assert health["streams"]["gate"]["state"] == "degraded"
    assert "/dev/video63" in health["streams"]["gate"]["reason"]
    assert len(json.dumps(health, separators=(",", ":"))) < 1024


def test_a_refused_login_is_left_alone_for_long_and_a_corrected_one_is_tried_at_once(
    daemon: Callable[..., Daemon], mosquitto: Mosquitto
) -> None:
    with RtspCamera() as camera:
        camera.login, camera.password = "digest", "other"
        run = daemon(stream("gate", f'{{ kind = "camera", device = "{camera.url}" }}'))
        process = run.start()
        until(lambda: "the daemon tries every 5 minutes only" in run.text(), "the reason")
        refused = camera.refused_logins
        run.config.write_text(run.config.read_text().replace("secret", "other"))
        process.send_signal(signal.SIGHUP)
        until(lambda: state_of_gate(run) == "running", "pictures", within_s=60)
        assert run.stop() == 0
    assert camera.refused_logins == refused


def state_of_gate(run: Daemon) -> str:
    told = ask(run.state)
    return str(told["streams"].get("gate", {}).get("state")) if told else ""


Closing = contextlib.ExitStack


class Refused(NamedTuple):
    """`[broker]` lines that fail, what the log will say, and what mends it."""

    lines: str
    said: str
    mend: Callable[[], object]


def nothing_listens(broker: Mosquitto, _folder: Path, closing: Closing) -> Refused:
    """Nothing stands at the address that the daemon has, until a way to the broker does."""
    port = free_port()
    return Refused(
        f'url = "mqtt://127.0.0.1:{port}"',
        "nothing listens",
        lambda: closing.enter_context(Proxy(broker.port, port=port)),
    )


def bad_password(broker: Mosquitto, folder: Path, _closing: Closing) -> Refused:
    """Another password stands in the broker's file than in the daemon's, until it is set right."""
    users, word = folder / "users", folder / "word"
    word.write_text("right\n")
    users.write_text(password_line(BrokerAccount("me", "another")))

    def mend() -> None:
        users.write_text(password_line(BrokerAccount("me", "right")))
        broker.reload()

    lines = f'url = "{broker.url}"\nusername = "me"\npassword_file = "word"'
    return Refused(lines, "broker.password_file", mend)


@pytest.mark.parametrize("refuse", [nothing_listens, bad_password])
def test_a_broker_that_refuses_gets_everything_once_it_takes_it(
    refuse: Callable[[Mosquitto, Path, Closing], Refused], tmp_path: Path
) -> None:
    (tmp_path / "users").touch()
    broker = Mosquitto(
        tmp_path, f"user root\nallow_anonymous true\npassword_file {tmp_path / 'users'}\n"
    )
    with Closing() as closing:
        refused = refuse(broker, tmp_path, closing)
        broker.start()
        closing.callback(broker.stop)
        # There from the beginning: what is delivered before it subscribes it would never hear.
        ear = Ear(broker.port)
        closing.callback(ear.close)
        # Media time soon over: what bears a time before the first connection is late.
        source = synthetic("frames = 10, rate_fps = 1000, realtime = false")
        text = head("X").replace('url = "X"', refused.lines)
        run = Daemon(tmp_path, text + stream(source=source))
        run.start()
        until(lambda: "10 results to deliver" in run.text(), "all results in the outbox")
        until(lambda: refused.said in run.text(), "the reason in the log")
        assert ear.heard == []
        refused.mend()
        assert run.wait(30) == 0
        ear.wait_for(lambda heard: len(heard.of("detections")) == 10)
    assert [one["seq"] for one in ear.of("detections")] == list(range(1, 11))
    assert all(one["late"] for one in ear.of("detections"))
    assert "Traceback" not in run.text()


@pytest.mark.parametrize(
    ("ca", "name", "said"),
    [("other", "DNS:localhost,IP:127.0.0.1", "ca_file"), ("right", "DNS:elsewhere", "name")],
    ids=["other CA", "other host name"],
)
def test_a_broker_that_is_not_the_right_one_gets_nothing(
    ca: str, name: str, said: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "right")
    Authority(tmp_path / "other", "Other CA")
    pair = authority.sign("broker", name)
    broker = Mosquitto(
        tmp_path,
        f"allow_anonymous true\nuser root\ncertfile {pair.certificate}\nkeyfile {pair.key}\n",
    )
    broker.start()
    url = f'url = "mqtts://127.0.0.1:{broker.port}"\nca_file = "{ca}/ca.pem"'
    run = Daemon(tmp_path, head("X").replace('url = "X"', url) + stream())
    run.start()
    try:
        until(lambda: "10 results to deliver" in run.text(), "all results in the outbox")
        until(lambda: said in run.text(), "the reason in the log")
        assert run.process is not None
        assert run.process.poll() is None
        assert run.stop() == 0
    finally:
        broker.stop()
    assert "Traceback" not in run.text()
