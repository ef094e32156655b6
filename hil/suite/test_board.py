"""The board itself does what the suite asks of it, before anything is blamed on the daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.board import Board

pytestmark = pytest.mark.quick


def test_commands_run_as_root_and_tell_their_status(board: Board) -> None:
    assert board.sh("id -u").out == "0\n"
    assert board.sh("echo said; echo wrong >&2; exit 3").rc == 3
    assert "wrong" in board.sh("echo wrong >&2").out
    assert board.sh("sleep 60", timeout_s=1).rc == 124


def test_files_and_folders_go_there_and_come_back(board: Board, tmp_path: Path) -> None:
    folder = tmp_path / "some folder"
    folder.mkdir()
    (folder / "tool").write_text("#!/bin/sh\necho works\n")
    (folder / "tool").chmod(0o755)
    board.put(folder, "/root/put here")
    assert board.sh("'/root/put here/tool'").out == "works\n"
    board.get("/root/put here/tool", tmp_path / "back")
    assert (tmp_path / "back").read_text() == (folder / "tool").read_text()


def test_a_pulled_plug_ends_everything_and_keeps_what_was_synced(board: Board) -> None:
    assert board.sh("echo kept > /root/kept && sync; touch /run/lost").rc == 0
    before = board.sh("cat /proc/sys/kernel/random/boot_id").out
    assert board.sh("systemd-run --quiet --unit=hil-sleeper sleep 1000").rc == 0
    assert board.sh("echo not synced > /root/forgotten").rc == 0
    board.off()
    board.on()
    assert board.sh("cat /root/kept").out == "kept\n"
    if board.name == "qemu":  # the only one that is sure to forget it
        assert "not synced" not in board.sh("cat /root/forgotten").out
    assert board.sh("test -e /run/lost").rc == 1
    assert board.sh("systemctl is-active hil-sleeper").out == "inactive\n"
    assert board.sh("cat /proc/sys/kernel/random/boot_id").out != before


def test_the_cable_carries_and_is_cut(board: Board) -> None:
    probe = (
        f"python3 -c 'import socket; socket.create_connection((\"{board.office_address}\", 9), 2)'"
    )
    board.wait_until(f"{probe} 2>&1 | grep -q refused", 30)
    board.cut_link()
    board.wait_until(f"! {probe} 2>&1 | grep -q refused", 30)
    board.restore_link()
    board.wait_until(f"{probe} 2>&1 | grep -q refused", 30)


def test_nothing_leads_to_the_internet(board: Board) -> None:
    if board.name == "ssh":
        pytest.skip("ssh: a real board's network is the laboratory's")
    assert "default" not in board.sh("ip route").out


def test_the_sensor_is_there_and_is_pulled(board: Board) -> None:
    sensor = board.plug("serial")
    sensor.insert()
    port = sensor.source.split('url = "')[1].split('"')[0]
    board.wait_until(f"timeout 2 head -c 20 {port} | grep -q '[0-9]'", 10)
    sensor.pull()
    assert board.sh(f"timeout 2 head -c 20 {port} | grep -q '[0-9]'").rc != 0
