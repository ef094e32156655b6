"""A camera and a broker that are not there: a declared state, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.broker import Mosquitto, free_port
from support.certificates import Authority
from support.daemon import Daemon, Ear
from support.road import head, stream, synthetic
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


def test_health_names_the_camera_that_is_not_there(
    daemon: Callable[..., Daemon], ear: Ear, mosquitto: Mosquitto
) -> None:
    run = daemon(stream("gate", '{ kind = "camera", device = "/dev/video63" }'))
    run.start()
    until(lambda: "degraded" in run.text(), "a declared state")
    # Health follows each birth.
    mosquitto.stop()
    mosquitto.start()
    again = Ear(mosquitto.port)
    again.wait_for(lambda heard: bool(heard.of("health")))
    health = again.of("health")[-1]
    again.close()
    assert run.stop() == 0
    assert health["state"] == "degraded"
    assert health["streams"]["gate"]["state"] == "degraded"
    assert "/dev/video63" in health["streams"]["gate"]["reason"]
    assert len(json.dumps(health, separators=(",", ":"))) < 1024


USERS = "me:$7$101$AAAAAAAAAAAAAAAA$" + "A" * 86 + "==\n"


def refusing(kind: str, folder: Path) -> tuple[str, str, Callable[[], Mosquitto]]:
    """Return `[broker]` lines that fail, what the log will say, and what mends the broker."""
    port = free_port()

    def open_broker(settings: str = "allow_anonymous true\n") -> Mosquitto:
        broker = Mosquitto(folder, settings)
        broker.port = port
        broker.config.write_text(f"listener {port} 127.0.0.1\nuser root\n{settings}")
        broker.start()
        return broker

    if kind == "nothing listens":
        return f'url = "mqtt://127.0.0.1:{port}"', "nothing listens", open_broker
    (folder / "word").write_text("wrong\n")
    (folder / "users").write_text(USERS)
    closed = open_broker(f"allow_anonymous false\npassword_file {folder / 'users'}\n")

    def reopen() -> Mosquitto:
        closed.stop()
        return open_broker()

    lines = f'url = "mqtt://127.0.0.1:{port}"\nusername = "me"\npassword_file = "word"'
    return lines, "broker.password_file", reopen


@pytest.mark.parametrize("kind", ["nothing listens", "bad password"])
def test_a_broker_that_refuses_gets_everything_once_it_takes_it(kind: str, tmp_path: Path) -> None:
    lines, said, mend = refusing(kind, tmp_path)
    text = head("X").replace('url = "X"', lines)
    # Media time soon over: what bears a time before the first connection is late.
    source = synthetic("frames = 10, rate_fps = 1000, realtime = false")
    run = Daemon(tmp_path, text + stream(source=source))
    run.start()
    until(lambda: "10 results to deliver" in run.text(), "all results in the outbox")
    until(lambda: said in run.text(), "the reason in the log")
    broker = mend()
    ear = Ear(broker.port)
    try:
        assert run.wait(30) == 0
        ear.wait_for(lambda heard: len(heard.of("detections")) == 10)
    finally:
        ear.close()
        broker.stop()
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
