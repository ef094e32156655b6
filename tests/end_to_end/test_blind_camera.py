"""A camera that is covered, seen by a real daemon: events once each, marks, health, and its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.daemon.status_socket import ask
from edge_runtime.errors import EdgeError
from support.daemon import Daemon, Ear, command
from support.localized import in_vietnamese
from support.paths import ROOT
from support.waiting import until

COVERED_FROM = 240  # frames, two a second: by then two minutes of the scene are learnt

# The pictures come as fast as they are worked off; time is that of their stamps.
STREAM = f"""
[[streams]]
name = "road"
camera_health = true
source = {{ kind = "synthetic", width = 320, height = 180, rate_fps = 2.0, realtime = false, \
faults = [{{ at = {COVERED_FROM}, kind = "cover", frames = 1000000 }}] }}
model = {{ pack = "{ROOT / "models" / "village-road"}" }}
publish = {{ mode = "every_inference" }}
rules = [{{ kind = "count", name = "all", every_s = 30 }}]
"""


def told(run: Daemon) -> dict[str, Any]:
    answer = ask(run.state) if run.state.is_dir() else None
    return answer["streams"]["road"] if answer is not None else {}


def camera_events(ear: Ear) -> list[tuple[str, str]]:
    return [(e["reason"], e["state"]) for e in ear.of("event") if e["event"] == "camera"]


def marks(payloads: list[Any], begin: float, end: float) -> set[bool]:
    return {one.get("doubtful", False) for one in payloads if begin <= one["ts"] < end}


@pytest.mark.parametrize("encoding", ["json", "cbor"])
def test_a_covered_camera_is_told_once_over_a_restart_and_cleared(
    encoding: str, daemon: Callable[..., Daemon], ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = daemon(STREAM.replace('every_inference"', f'every_inference", encoding = "{encoding}"'))
    run.start()
    ear.wait_for(lambda heard: camera_events(heard) == [("covered", "on")], 120)
    on = next(e for e in ear.of("event") if e["event"] == "camera")
    began_ts = min(d["ts"] for d in ear.of("detections")) + COVERED_FROM / 2
    assert began_ts <= on["since"] <= on["ts"] <= began_ts + 120.0  # within two minutes
    assert on["model"] == "00000000"

    degraded = until(lambda: told(run).get("state") == "degraded" and told(run), "degraded")
    assert "take away what hangs or lies before the lens" in degraded["reason"]
    monkeypatch.setenv("LANGUAGE", "vi")
    assert (
        in_vietnamese(EdgeError(degraded["reason"]))
        in command("status", "--state-dir", str(run.state)).stdout
    )
    monkeypatch.delenv("LANGUAGE")
    ear.wait_for(
        lambda heard: any(h["streams"]["road"]["state"] == "degraded" for h in heard.of("health"))
    )
    later = on["ts"] + 60.0
    ear.wait_for(lambda heard: any(d["ts"] > later for d in heard.of("detections")), 120)
    assert marks(ear.of("detections"), 0.0, on["ts"]) == {False}
    assert marks(ear.of("detections"), on["ts"], later) == {True}
    counted = {(on["ts"] < c["to"], c.get("doubtful", False)) for c in ear.of("counts")}
    assert counted == {(False, False), (True, True)}

    # The camera of the next start is not covered: what was told before ends, and is not told again.
    assert run.stop() == 0
    ear.wait_for_the_end()
    run.start()
    ear.wait_for(lambda heard: camera_events(heard)[1:2] == [("covered", "off")], 120)
    off = [e for e in ear.of("event") if e["event"] == "camera"][1]
    assert "since" not in off  # a restart lies between
    again = [one for one in ear.of("detections") if one["boot"] == off["boot"]]
    assert marks(again, 0.0, off["ts"]) == {True}
    kept = run.state / "cameras" / "road.edges"
    until(kept.exists, "what was learnt is kept")
    assert (kept.stat().st_mode & 0o777, kept.stat().st_size < 16_384) == (0o600, True)
    assert run.stop() == 0


def test_a_technician_accepts_what_a_camera_sees(daemon: Callable[..., Daemon], ear: Ear) -> None:
    run = daemon(STREAM)
    arguments = ("--config", str(run.config), "--state-dir", str(run.state))
    run.start()
    ear.wait_for(lambda heard: len(camera_events(heard)) == 1, 120)
    done = command("camera", "accept", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "road: accepted" in done.stdout
    # It sees nothing at all, which nobody's word makes right: it is declared anew.
    expected = [("covered", "on"), ("covered", "off"), ("covered", "on")]
    ear.wait_for(lambda heard: camera_events(heard) == expected, 120)
    assert run.stop() == 0
    noted = command("camera", "accept", "road", *arguments)
    assert (noted.returncode, "road: noted" in noted.stdout) == (0, True)
    wrong = command("camera", "accept", "yard", *arguments)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "there are: road" in wrong.stderr


def test_no_camera_is_watched_unless_it_is_one_or_that_is_asked_for(
    daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    run = daemon(STREAM.replace("camera_health = true\n", ""))
    done = command("camera", "accept", "--config", str(run.config), "--state-dir", str(tmp_path))
    assert done.returncode == 2
    assert "there are: none" in done.stderr
