"""`edge-runtime doctor` as a technician runs it: beside a daemon, without one, in Vietnamese."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_runtime.daemon.status_socket import ask
from edge_runtime.doctor import CHECKS
from edge_runtime.language import Language
from support.broker import Mosquitto, free_port, tls_settings
from support.certificates import Authority
from support.daemon import Daemon, Ear, command
from support.paths import ROOT
from support.serial_device import SerialDevice
from support.waiting import until

STREAM = f"""
[[streams]]
name = "road"
source = {{ kind = "synthetic", width = 320, height = 180 }}
model = {{ pack = "{ROOT / "models" / "village-road"}" }}
publish = {{ mode = "every_inference" }}
"""


def doctor(run: Daemon, *options: str) -> subprocess.CompletedProcess[str]:
    return command("doctor", "--config", str(run.config), "--state-dir", str(run.state), *options)


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    assert "Traceback" not in done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout)
    assert all(set(one) == {"check", "state", "text", "advice"} for one in told)
    return {one["check"]: one for one in told}


def test_a_board_that_works(daemon: Callable[..., Daemon], ear: Ear) -> None:
    run = daemon(STREAM)
    run.start()
    ear.wait_for(lambda heard: len(heard.of("detections")) > 2)
    done = doctor(run, "--json", "--lang", "en")
    told = findings(done)
    assert done.returncode == 0, done.stdout
    assert {name.partition("/")[0] for name in told} == {*CHECKS, "tls", "message"}
    assert told["message"]["state"] == told["outbox"]["state"] == "ok"
    assert "was acknowledged" in told["outbox"]["text"]
    assert f"(pid {run.process.pid})" in told["service"]["text"] if run.process else False
    for one in told.values():
        assert bool(one["advice"]) == (one["state"] in ("warning", "failed")), one
    assert run.stop() == 0


def test_a_board_with_a_link_by_tls_and_without_a_daemon(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    server = authority.sign("broker", "DNS:localhost")
    device = authority.sign("hill", "DNS:device")
    broker = Mosquitto(
        tmp_path,
        tls_settings(
            authority, server, "require_certificate true\nuse_identity_as_username true\n"
        ),
    )
    broker.start()
    head = f"""
[device]
site = "hill"
name = "gate"
[broker]
url = "mqtts://localhost:{broker.port}"
ca_file = "{authority.certificate}"
cert_file = "{device.certificate}"
key_file = "{device.key}"
"""
    try:
        done = doctor(Daemon(tmp_path, head + STREAM), "--json")
    finally:
        broker.stop()
    told = findings(done)
    assert done.returncode == 0, done.stdout
    assert [told[name]["state"] for name in ("tls", "message", "certificate")] == ["ok"] * 3
    assert not (tmp_path / "state").exists(), "a look changes nothing"


def test_what_fails_is_told_in_vietnamese_and_no_secret_is(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("quite-secret")
    head = f"""
[device]
site = "hill"
name = "gate"
[broker]
url = "mqtt://127.0.0.1:{free_port()}"
username = "gate"
password_file = "password"
"""
    camera = f'kind = "camera", device = "rtsp://guard:quite-secret@127.0.0.1:{free_port()}/yard"'
    run = Daemon(tmp_path, head + STREAM.replace('kind = "synthetic"', camera))
    done = doctor(run, "--lang", "vi")
    assert done.returncode == 1
    assert done.stderr == ""
    vietnamese = Language("vi")
    failed = vietnamese.text("FAILED")
    lines = done.stdout.splitlines()
    assert failed != "FAILED"
    assert [line.split()[1] for line in lines if line.startswith(failed)] == [
        "camera/road:",
        "broker:",
    ]
    assert f"-> {vietnamese.text('Is the broker running? Is the port in broker.url right?')}" in (
        done.stdout
    )
    assert "quite-secret" not in done.stdout
    # The terminal's language, where none is asked for, and in the help too.
    help_text = command("doctor", "--lang", "vi", "--help").stdout
    assert vietnamese.text("Show this message and exit.") in help_text


def test_a_wrong_configuration_is_status_2_and_the_board_is_looked_at(tmp_path: Path) -> None:
    run = Daemon(tmp_path, '[device]\nsite = "HILL"\n')
    done = doctor(run, "--json")
    told = findings(done)
    assert done.returncode == 2
    assert told["configuration"]["state"] == "failed"
    assert "device.site" in told["configuration"]["text"]
    assert told["disk"]["state"] == "ok"
    assert told["broker"]["state"] == "skipped"


def test_a_camera_that_the_daemon_holds(daemon: Callable[..., Daemon], ear: Ear) -> None:
    run = daemon(STREAM + STREAM.replace("road", "gate", 1).replace(
        'kind = "synthetic", width = 320, height = 180', 'kind = "camera", device = "/dev/video63"'
    ))  # fmt: skip
    run.start()
    until(
        lambda: (
            run.state.is_dir()
            and (told := ask(run.state))
            and told["streams"]["gate"]["state"] == "degraded"
        ),
        "the stream without a camera is degraded",
        within_s=60,
        every_s=0.1,
    )
    done = doctor(run, "--json", "--lang", "en")
    finding = findings(done)["camera/gate"]
    assert done.returncode == 1
    assert finding["state"] == "failed"
    assert finding["text"].startswith("the running daemon has it: degraded")
    assert "/dev/video63: no such camera" in finding["text"]
    assert run.stop() == 0


def test_a_sensor_that_has_not_sent_anything_yet(
    daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    framing = '{ kind = "lines", columns = [{ name = "level" }] }'
    with SerialDevice(tmp_path) as device:
        run = daemon(
            '[[streams]]\nname = "well"\nsource = { kind = "serial", stale_after_s = 60.0, '
            f'url = "{device.path}", framing = {framing} }}\n'
        )
        run.start()
        until(lambda: run.state.is_dir() and ask(run.state), "the daemon answers", every_s=0.1)
        finding = findings(doctor(run, "--json", "--lang", "en"))["serial/well"]
        assert (finding["state"], finding["advice"]) == ("skipped", "")
        assert finding["text"].endswith("is still starting: ask again in 60 s")
        assert run.stop() == 0
