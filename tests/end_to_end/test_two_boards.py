"""Boards whose names read alike when they are written one after the other: each keeps its link."""

from __future__ import annotations

from pathlib import Path

from support.broker import Mosquitto
from support.daemon import Daemon, Ear, command
from support.road import stream, synthetic

BOARDS = (("ha", "giang-gate"), ("ha-giang", "gate"), ("ha-giang", "gate-doctor"))


def board(folder: Path, broker: Mosquitto, site: str, name: str) -> Daemon:
    folder = folder / site / name
    folder.mkdir(parents=True)
    head = f'[device]\nsite = "{site}"\nname = "{name}"\n[broker]\nurl = "{broker.url}"\n'
    often = "[outbox]\ncommit_interval_s = 0.1\n"
    return Daemon(folder, head + often + stream("road", synthetic("rate_fps = 10")))


def of(ear: Ear, site: str, name: str) -> int:
    root = f"edge/v1/{site}/{name}/"
    return sum(one.topic == f"{root}road/detections" for one in ear.raw)


def test_boards_with_names_alike_and_a_doctor_never_throw_each_other_out(
    tmp_path: Path, mosquitto: Mosquitto, ear: Ear
) -> None:
    boards = [board(tmp_path, mosquitto, *who) for who in BOARDS]
    for one in boards:
        one.start()
    try:
        ear.wait_for(lambda heard: all(of(heard, *who) > 10 for who in BOARDS))
        ran = boards[1]
        told = command("doctor", "--config", str(ran.config), "--state-dir", str(ran.state)).stdout
        before = {who: of(ear, *who) for who in BOARDS}
        ear.wait_for(lambda heard: all(of(heard, *who) > before[who] + 10 for who in BOARDS))
    finally:
        ended = [one.stop() for one in boards]
    assert ended == [0, 0, 0]
    assert "was acknowledged after" in told
    log = (mosquitto.folder / "mosquitto.log").read_text()
    assert "already connected" not in log  # what Mosquitto says when one throws the other out
    for site, name in BOARDS:
        assert log.count(f" as edge:{site}:{name} (") == 1
    assert " as edge:ha-giang:gate:doctor (" in log
