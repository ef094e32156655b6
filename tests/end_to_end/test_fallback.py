"""A configuration that goes bad: the last good one goes on, and everybody is told."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_runtime.daemon.last_good import FILE, LastGoodConfig
from edge_runtime.errors import ConfigError
from support.daemon import STOP_S, Daemon, Ear, command
from support.manager import Manager
from support.road import copy_pack, stream, synthetic
from support.waiting import until

ENDLESS = synthetic("rate_fps = 20")
SCHEMA = json.loads((files("edge_runtime") / "encode" / "schema-v1.json").read_text())
STATUS = {"$defs": SCHEMA["$defs"], **SCHEMA["$defs"]["status"]}


def births(ear: Ear) -> list[dict[str, Any]]:
    return [one for one in ear.of("status") if one["state"] == "online"]


def make_good(run: Daemon, ear: Ear) -> None:
    """Let a configuration prove itself: after that it is kept."""
    run.start()
    ear.wait_for(lambda heard: bool(heard.of("detections")))
    assert run.stop() == 0
    assert (run.state / FILE).read_bytes().endswith(run.config.read_bytes())


def spoil(run: Daemon) -> str:
    """Misspell a key; return the text that was right."""
    good = run.config.read_text()
    run.config.write_text(good.replace("rate_fps", "rate_fsp"))
    return good


def test_what_was_last_good_runs_and_says_why(
    daemon: Callable[..., Daemon], ear: Ear, manager: Manager
) -> None:
    said = "no such file"
    run = daemon(stream(source=ENDLESS))
    make_good(run, ear)
    run.config.unlink()
    process = run.start(**manager.environment)
    ready = manager.told_until("READY=1")[-1]
    assert "STATUS=last good configuration at work" in ready
    assert said in ready
    ear.wait_for(lambda heard: heard.raw[-1].topic.endswith("/detections") and boots(heard) == 2)
    birth = births(ear)[-1]
    jsonschema.validate(birth, STATUS)
    assert birth["config"]["state"] == "fallback"
    assert str(run.config) in birth["config"]["reason"]
    assert said in birth["config"]["reason"]
    assert "config" not in births(ear)[0]
    health = ear.of("health")[-1]
    assert (health["state"], health["config"]) == ("degraded", birth["config"])
    assert "the last good configuration is at work: " in run.text()
    words = command("status", "--state-dir", str(run.state)).stdout
    assert f"config    fallback: {run.config}: " in words
    process.terminate()
    assert process.wait(STOP_S) == 0


def boots(ear: Ear) -> int:
    return max((one["boot"] for one in ear.of("detections")), default=0)


def test_a_good_file_at_a_reload_ends_it(
    tmp_path: Path, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    copy_pack(tmp_path)  # a relative path starts at the file that was good, not at its copy
    run = daemon(stream(source=ENDLESS, model='pack = "pack"'))
    make_good(run, ear)
    good = spoil(run)
    process = run.start()
    ear.wait_for(lambda heard: "config" in births(heard)[-1] and boots(heard) == 2)
    assert "streams[0].source.rate_fsp: unknown key" in births(ear)[-1]["config"]["reason"]
    run.config.write_text(good.replace('name = "road"', 'name = "yard"'))
    process.send_signal(signal.SIGHUP)
    ear.wait_for(lambda heard: list(births(heard)[-1]["streams"]) == ["yard"])
    assert "config" not in births(ear)[-1]
    ear.wait_for(lambda heard: heard.of("health")[-1]["state"] == "ok")
    # What is kept now is the new one.
    until(lambda: b'"yard"' in (run.state / FILE).read_bytes(), "the new one is kept")
    assert run.stop() == 0


def test_without_a_last_good_one_a_wrong_file_ends_the_daemon(
    daemon: Callable[..., Daemon],
) -> None:
    run = daemon(stream(source=ENDLESS))
    spoil(run)
    run.start()
    assert run.wait(STOP_S) == 2
    assert run.text().count("\n") == 1
    assert not (run.state / FILE).exists()


def test_neither_another_file_nor_one_without_its_pack_is_stood_in_for(
    tmp_path: Path, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    pack = copy_pack(tmp_path)
    run = daemon(stream(source=ENDLESS, model='pack = "pack"'))
    make_good(run, ear)
    good, run.config = run.config, tmp_path / "mistyped.toml"
    run.start()
    assert run.wait(STOP_S) == 2
    assert "mistyped.toml: no such file" in run.text()
    run.config = good
    run.log.write_text("")
    shutil.rmtree(pack)
    run.start()
    assert run.wait(STOP_S) == 2
    error = run.text()
    assert error.count("\n") == 1
    assert error.startswith(f"edge-runtime: {run.config}: line ")
    assert "streams[0].model.pack: " in error
    assert f"the last good configuration, {run.state / FILE}, no longer holds" in error


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        ("[device", "the header ends with ]"),
        ('file = "FILE"\n[device]\n', "missing"),
        ('file = "FILE"\nfolder = "/"\n', "unknown key"),
        ('file = "/another/file.toml"\n', ""),
        ("", ""),
    ],
)
def test_a_kept_file_that_is_damaged_is_said(kept: str, text: str, tmp_path: Path) -> None:
    config = tmp_path / "edge-runtime.toml"
    (tmp_path / FILE).write_text(kept.replace("FILE", str(config)))
    last_good = LastGoodConfig(tmp_path, config)
    if not text:
        assert last_good.load() is None
    else:
        with pytest.raises(ConfigError, match=text):
            last_good.load()


def test_only_a_file_that_is_still_as_it_was_read_is_kept(tmp_path: Path) -> None:
    config = tmp_path / "edge-runtime.toml"
    config.write_text("[device]\n")
    last_good = LastGoodConfig(tmp_path, config)
    last_good.save(b"[other]\n")
    assert not last_good.path.exists()
    last_good.save(b"[device]\n")
    assert last_good.path.read_text() == f'file = "{config}"\n[device]\n'
    before = last_good.path.stat()
    assert before.st_mode & 0o777 == 0o600
    last_good.save(b"[device]\n")
    assert last_good.path.stat().st_mtime_ns == before.st_mtime_ns
