"""The board's vitals from a kernel's files, and the service manager's socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edge_runtime.board.notify import Notifier
from edge_runtime.board.vitals import Board, Vitals


def kernel(root: Path, **files: str) -> Path:
    """Write files of /proc and /sys below a root; `__` stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_vitals_are_the_kernel_s(tmp_path: Path) -> None:
    root = kernel(
        tmp_path,
        proc__loadavg="0.42 0.30 0.20 1/100 4242\n",
        proc__uptime="86400.55 100.00\n",
        proc__meminfo="MemTotal:  948304 kB\nMemFree: 10240 kB\nMemAvailable:   524288 kB\n",
        proc__self__status="Name:\tpython\nVmPeak:\t 99999 kB\nVmRSS:\t  102400 kB\n",
        sys__class__thermal__thermal_zone0__temp="48312\n",
    )
    space = os.statvfs(tmp_path)
    vitals = Board(tmp_path, root).vitals()
    assert (vitals.load_1m, vitals.uptime_s) == (0.42, 86400)
    assert (vitals.memory_free_mb, vitals.rss_mb) == (512.0, 100.0)
    assert vitals.temperature_c == 48.312
    assert vitals.disk_free_mb is not None
    assert 0.0 <= vitals.disk_free_mb <= space.f_blocks * space.f_frsize / 1e6


def test_the_hottest_zone_counts_and_a_broken_sensor_does_not(tmp_path: Path) -> None:
    root = kernel(
        tmp_path,
        sys__class__thermal__thermal_zone0__temp="41000",
        sys__class__thermal__thermal_zone1__temp="62500\n",
        sys__class__thermal__thermal_zone2__temp="",
        sys__class__thermal__thermal_zone3__temp="n/a",
        sys__class__thermal__thermal_zone10__temp="-5000",
    )
    (root / "sys/class/thermal/thermal_zone4").mkdir()
    assert Board(tmp_path, root).vitals().temperature_c == 62.5


def test_frost_is_a_temperature(tmp_path: Path) -> None:
    root = kernel(tmp_path, sys__class__thermal__thermal_zone0__temp="-12500\n")
    assert Board(tmp_path, root).vitals().temperature_c == -12.5


def test_what_a_kernel_does_not_tell_is_absent(tmp_path: Path) -> None:
    assert Board(tmp_path / "gone", tmp_path / "empty").vitals() == Vitals()


@pytest.mark.parametrize("text", ["", "nonsense", "MemAvailable:", "MemAvailable: x kB"])
def test_files_that_are_not_as_expected_are_absent_values(text: str, tmp_path: Path) -> None:
    root = kernel(tmp_path, proc__meminfo=text, proc__loadavg=text, proc__uptime=text)
    vitals = Board(tmp_path, root).vitals()
    assert (vitals.memory_free_mb, vitals.load_1m, vitals.uptime_s) == (None, None, None)


def test_this_machine_has_vitals(tmp_path: Path) -> None:
    vitals = Board(tmp_path).vitals()
    assert vitals.rss_mb is not None
    assert vitals.rss_mb > 1.0
    assert vitals.uptime_s is not None
    assert vitals.disk_free_mb is not None


# The service manager


def listening(address: str) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(address)
    channel.settimeout(5.0)
    return channel


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_every_turn_is_one_datagram(abstract: bool, tmp_path: Path) -> None:
    name = f"edge-runtime-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    notifier = Notifier({"NOTIFY_SOCKET": f"@{name}" if abstract else name})
    with listening(f"\0{name}" if abstract else name) as manager:
        notifier.ready("gate running")
        notifier.alive()
        notifier.status("gate degraded")
        notifier.reloading(17)
        notifier.stopping()
        heard = [manager.recv(4096) for _ in range(5)]
    assert heard == [
        b"READY=1\nSTATUS=gate running",
        b"WATCHDOG=1",
        b"STATUS=gate degraded",
        b"RELOADING=1\nMONOTONIC_USEC=17",
        b"STOPPING=1",
    ]


def test_without_a_manager_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready("ok")
    notifier.alive()
    assert notifier.watchdog_s == 0.0


def test_a_manager_that_went_away_kills_nobody(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive()


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "120000000"}, 120.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())}, 120.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_the_watchdog_is_this_process_s_own(environment: dict[str, str], watchdog_s: float) -> None:
    assert Notifier(environment).watchdog_s == watchdog_s
