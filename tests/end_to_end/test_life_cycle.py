"""Starting, stopping, reloading, dying: what a supervisor and a subscriber see of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from support.broker import Mosquitto
from support.daemon import STOP_S, Daemon, Ear, command, without_duplicates
from support.manager import Manager
from support.road import head, stream, synthetic
from support.waiting import until

ENDLESS = synthetic("rate_fps = 20")


def statuses(ear: Ear) -> list[str]:
    return [one["state"] for one in ear.of("status")]


def seqs(ear: Ear) -> list[int]:
    return sorted({one["seq"] for one in ear.of("detections")})


# Ends


@pytest.mark.parametrize(
    ("sent", "exit_status", "state"),
    [
        (signal.SIGTERM, 0, "stopped"),
        (signal.SIGINT, 0, "stopped"),
        (signal.SIGKILL, -signal.SIGKILL, "offline"),
    ],
)
def test_the_last_status_says_how_it_ended(
    sent: signal.Signals,
    exit_status: int,
    state: str,
    daemon: Callable[..., Daemon],
    ear: Ear,
    mosquitto: Mosquitto,
) -> None:
    run = daemon(stream(source=ENDLESS))
    process = run.start()
    ear.wait_for(lambda heard: bool(heard.of("detections")))
    process.send_signal(sent)
    assert process.wait(STOP_S) == exit_status
    ear.wait_for(lambda heard: statuses(heard)[-1] == state)
    assert statuses(ear) == ["online", state]
    assert "Traceback" not in run.text()
    # It is retained: who comes later is told as well.
    later = Ear(mosquitto.port)
    later.wait_for(lambda heard: bool(heard.of("status")) and bool(heard.of("health")))
    later.close()
    assert statuses(later) == [state]
    assert all(m.retain for m in later.raw)
    assert all(len(m.payload) < 1024 for m in later.raw if m.topic.endswith("/health"))


def test_what_was_made_survives_a_stop_and_comes_late(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    # Media time soon over: what bears a time before the first connection is late.
    source = synthetic("frames = 10, rate_fps = 1000, realtime = false")
    run = Daemon(tmp_path, head(broker.url) + stream(source=source))
    run.start()
    until(lambda: "10 results to deliver" in run.text(), "all results in the outbox")
    assert run.stop() == 0
    broker.start()
    ear = Ear(broker.port)
    try:
        run.start()
        assert run.wait(STOP_S) == 0, run.text()
        ear.wait_for(lambda heard: len(without_duplicates(heard.of("detections"))) == 20)
    finally:
        ear.close()
        broker.stop()
    records = without_duplicates(ear.of("detections"))
    assert sorted((r["boot"], r["seq"]) for r in records) == [
        (boot, seq) for boot in (1, 2) for seq in range(1, 11)
    ]
    assert all(r["late"] for r in records if r["boot"] == 1)
    assert ear.of("status")[0]["boot"] == 2


def test_a_second_daemon_on_the_same_state_says_who_is_in_its_way(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(stream(source=ENDLESS))
    run.start()
    ear.wait_for(lambda heard: bool(heard.of("detections")))
    second = command("run", "--config", str(run.config), "--state-dir", str(run.state))
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "held by another process" in second.stderr
    assert run.stop() == 0


# Reloads


def test_a_reload_brings_the_changed_stream_in_a_new_birth(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(stream("road", ENDLESS))
    process = run.start()
    ear.wait_for(lambda heard: bool(heard.of("detections")))
    run.config.write_text(run.config.read_text().replace('name = "road"', 'name = "yard"'))
    process.send_signal(signal.SIGHUP)
    ear.wait_for(lambda heard: heard.raw[-1].topic.split("/")[4] == "yard")
    # What was on its way when the old streams ended may come after the first of the new ones.
    ear.wait_for(lambda heard: seqs(heard) == list(range(1, len(seqs(heard)) + 1)))
    assert run.stop() == 0
    births = [one for one in ear.of("status") if one["state"] == "online"]
    assert [list(birth["streams"]) for birth in births] == [["road"], ["yard"]]
    assert [birth["boot"] for birth in births] == [1, 1]


def test_a_broken_file_leaves_the_old_configuration_at_work(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(stream(source=ENDLESS))
    process = run.start()
    ear.wait_for(lambda heard: bool(heard.of("detections")))
    run.config.write_text(run.config.read_text().replace("rate_fps", "rate_fsp"))
    process.send_signal(signal.SIGHUP)
    until(lambda: "the configuration stays as it was" in run.text(), "a line in the log")
    assert "streams[0].source.rate_fsp" in run.text()
    seen = len(ear.of("detections"))
    ear.wait_for(lambda heard: len(heard.of("detections")) > seen + 5)
    assert run.stop() == 0
    # The old streams were never interrupted; a second birth says why they are still there.
    births = [one for one in ear.of("status") if one["state"] == "online"]
    assert ["config" in birth for birth in births] == [False, True]
    assert births[0] == {k: v for k, v in births[1].items() if k != "config"}
    assert births[1]["config"]["state"] == "fallback"
    assert "streams[0].source.rate_fsp" in births[1]["config"]["reason"]
    assert seqs(ear) == list(range(1, len(seqs(ear)) + 1))


# Sources that misbehave


def test_a_source_that_fails_is_opened_again_and_the_others_go_on(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    fault = 'faults = [{ at = 5, kind = "fail" }]'
    run = daemon(
        stream("gate", synthetic(f"frames = 12, realtime = false, {fault}"))
        + stream("road", synthetic("frames = 30, realtime = false"))
    )
    run.start()
    assert run.wait(STOP_S) == 0, run.text()
    ear.wait_for(lambda heard: len(heard.of("detections")) == 42)
    topics = [m.topic.split("/")[4] for m in ear.raw if m.topic.endswith("/detections")]
    assert (topics.count("gate"), topics.count("road")) == (12, 30)
    assert "stream gate: degraded: the scripted fault at frame 5" in run.text()
    assert "stream gate: back" in run.text()
    assert "stream road: degraded" not in run.text()


def test_pictures_that_freeze_or_change_their_size_are_pictures_all_the_same(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    faults = (
        'faults = [{ at = 3, kind = "freeze", frames = 3 }, '
        '{ at = 8, kind = "resize", frames = 3 }]'
    )
    run = daemon(stream(source=synthetic(f"frames = 14, realtime = false, {faults}")))
    run.start()
    assert run.wait(STOP_S) == 0, run.text()
    ear.wait_for(lambda heard: len(heard.of("detections")) == 14)
    records = ear.of("detections")
    assert [r["objects"] for r in records[3:6]] == [records[2]["objects"]] * 3
    assert "degraded" not in run.text()


# The service manager


def test_the_service_manager_is_told_of_every_turn(
    tmp_path: Path, mosquitto: Mosquitto, manager: Manager
) -> None:
    run = Daemon(tmp_path, head(mosquitto.url) + stream(source=ENDLESS))
    process = run.start(**manager.environment, WATCHDOG_USEC="1000000")
    try:
        # A model's first trial may take longer than a start: it asks for the time, and is fed.
        trial = {"EXTEND_TIMEOUT_USEC=180000000", "WATCHDOG=1"}
        assert first_lines(manager, "READY=1") == {"READY=1", *trial}
        assert first_lines(manager, "WATCHDOG=1") == {"WATCHDOG=1"}
        process.send_signal(signal.SIGHUP)
        assert first_lines(manager, "READY=1") <= {"WATCHDOG=1", "RELOADING=1", "READY=1"}
        process.send_signal(signal.SIGTERM)
        assert first_lines(manager, "STOPPING=1") <= {"WATCHDOG=1", "STOPPING=1"}
        assert process.wait(STOP_S) == 0
    finally:
        process.kill()
        process.wait()


def first_lines(manager: Manager, wanted: str) -> set[str]:
    """Return the first lines of what the manager is told up to one that begins so."""
    firsts = {text.partition("\n")[0] for text in manager.told_until(wanted)}
    return {line for line in firsts if not line.startswith("STATUS=")}
