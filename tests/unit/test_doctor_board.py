"""The doctor's look at the board, on trees that stand in for /sys and /proc."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.board.limits import memory_is_limited, warn_unlimited
from edge_runtime.board.power import power
from edge_runtime.board.vitals import Board
from edge_runtime.clock import ManualClock
from edge_runtime.doctor.disk import advice_on_read_only
from support.surroundings import ROAD, configuration, only, surroundings, tree

MEMINFO = {"proc/meminfo": "MemAvailable:   524288 kB\n"}
CGROUPS = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t9\t1\nmemory\t0\t9\t{}\n"
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
ALARM = "sys/class/hwmon/hwmon2/in0_lcrit_alarm"
ZONE = "sys/class/thermal/thermal_zone0/temp"
RTC = "sys/class/rtc/rtc0/since_epoch"


# Memory


@pytest.mark.parametrize(
    ("files", "limited"),
    [
        ({"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n"}, True),
        ({"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n"}, False),
        ({"proc/cgroups": CGROUPS.format(1)}, True),
        ({"proc/cgroups": CGROUPS.format(0)}, False),
        ({}, None),
    ],
)
def test_a_kernel_that_limits_no_memory_is_noticed(
    files: dict[str, str], limited: bool | None, tmp_path: Path
) -> None:
    root = tree(tmp_path / "root", {**files, **MEMINFO})
    assert memory_is_limited(root) is limited
    assert Board(tmp_path, root).vitals().memory_limit == ("off" if limited is False else None)
    finding = only("memory", surroundings(tmp_path))
    assert finding.state == ("warning" if limited is False else "ok")
    assert ("MemoryMax" in finding.text) == (limited is False)
    assert ("cgroup_enable=memory" in finding.advice) == (limited is False)


def test_the_daemon_says_so_once_in_its_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tree(tmp_path, {"sys/fs/cgroup/cgroup.controllers": "cpu"})
    with caplog.at_level(logging.WARNING):
        warn_unlimited(root)
    assert "MemoryMax and MemoryHigh do nothing" in caplog.text
    caplog.clear()
    warn_unlimited(tree(tmp_path, {"sys/fs/cgroup/cgroup.controllers": "memory"}))
    warn_unlimited(tmp_path / "nothing")
    assert caplog.text == ""


def test_little_memory_is_a_warning(tmp_path: Path) -> None:
    tree(tmp_path / "root", {"proc/meminfo": "MemAvailable: 30720 kB\n"})
    finding = only("memory", surroundings(tmp_path))
    assert (finding.state, finding.text) == ("warning", "only 30 MB of memory are free")


# Power and heat


@pytest.mark.parametrize(
    ("files", "state", "text"),
    [
        ({}, "skipped", "does not measure"),
        ({THROTTLED: "0\n"}, "ok", "high enough"),
        ({THROTTLED: "50005\n"}, "failed", "too low now"),
        ({THROTTLED: "50000\n"}, "warning", "too low at some time"),
        ({THROTTLED: "80000\n"}, "warning", "heat"),
        ({THROTTLED: "2\n"}, "warning", "heat"),
        ({ALARM: "1\n"}, "failed", "too low now"),
        ({ALARM: "0\n"}, "ok", "high enough"),
        ({THROTTLED: "n/a", ALARM: "?"}, "skipped", "does not measure"),
    ],
)
def test_low_voltage(files: dict[str, str], state: str, text: str, tmp_path: Path) -> None:
    tree(tmp_path / "root", files)
    finding = only("power", surroundings(tmp_path))
    assert finding.state == state
    assert text in finding.text
    assert bool(finding.advice) == (state in ("failed", "warning"))


def test_flags_of_the_firmware_are_hexadecimal(tmp_path: Path) -> None:
    seen = power(tree(tmp_path, {THROTTLED: "10008"}))
    assert seen is not None
    assert (seen.low_now, seen.low_before, seen.slow_now, seen.slow_before) == (
        False, True, True, False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("milli", "state"), [("48312", "ok"), ("72000", "warning"), ("86000", "failed")]
)
def test_heat(milli: str, state: str, tmp_path: Path) -> None:
    assert only("heat", surroundings(tmp_path)).state == "skipped"
    tree(tmp_path / "root", {ZONE: milli})
    finding = only("heat", surroundings(tmp_path))
    assert finding.state == state
    assert f"{int(milli) / 1000:.0f} °C" in finding.text
    assert ("shade" in finding.advice) == (state != "ok")


# Card


def card(tmp_path: Path, files: dict[str, str]) -> Path:
    """Make a tree in which an SD card holds the state folder."""
    device = tmp_path.stat().st_dev
    root = tmp_path / "root"
    disk = root / "sys/devices/platform/mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0"
    tree(disk, {"mmcblk0p2/partition": "2"})
    (disk / "device").symlink_to("../..")
    number = root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    number.parent.mkdir(parents=True)
    number.symlink_to(disk / "mmcblk0p2")
    return tree(root, {**files, "sys/fs/ext4/mmcblk0p2/errors_count": files.get("errors", "0\n")})


LIFE = "sys/devices/platform/mmc/mmc_host/mmc0/mmc0:aaaa/life_time"
BUS = "sys/kernel/debug/mmc0/err_stats"


@pytest.mark.parametrize(
    ("files", "state", "text"),
    [
        ({}, "ok", "mmcblk0p2: no errors"),
        ({"errors": "3\n"}, "failed", "3 errors of the file system"),
        ({LIFE: "0x02 0x01\n"}, "ok", "no errors"),
        ({LIFE: "0x01 0x09\n"}, "warning", "about 90 %"),
        ({LIFE: "0x0b 0x0b\n"}, "warning", "about 100 %"),
        ({LIFE: "0x00 0x00\n"}, "ok", "no errors"),
        ({BUS: "# Command Timeout Occurred:\t 7\n# Data CRC Errors Occurred:\t 0\n"}, "ok", ""),
        ({BUS: "# Command CRC Errors Occurred:\t 2\n# Data Timeout Occurred:\t 3\n"}, "warning",
         "5 on the card's bus"),
    ],
)  # fmt: skip
def test_a_card_that_fails_or_wears_out(
    files: dict[str, str], state: str, text: str, tmp_path: Path
) -> None:
    card(tmp_path, files)
    finding = only("card", surroundings(tmp_path))
    assert finding.state == state
    assert text in finding.text
    assert bool(finding.advice) == (state != "ok")


def test_frequent_commits_wear_the_card(tmp_path: Path) -> None:
    card(tmp_path, {})
    config = configuration(tmp_path, "[outbox]\ncommit_interval_s = 0.5\n" + ROAD)
    finding = only("card", surroundings(tmp_path, config=config))
    assert finding.state == "warning"
    assert "outbox.commit_interval_s" in finding.advice


def test_a_state_folder_on_no_device_is_skipped(tmp_path: Path) -> None:
    assert only("card", surroundings(tmp_path)).state == "skipped"


# Disk


def test_room_for_the_outbox(tmp_path: Path) -> None:
    config = configuration(tmp_path, "[outbox]\nmax_mb = 1\n" + ROAD)
    outbox = tmp_path / "state" / "outbox"
    outbox.mkdir(parents=True)
    (outbox / "outbox.db").write_bytes(bytes(400_000))
    finding = only("disk", surroundings(tmp_path, config=config))
    assert finding.state == "ok"
    assert finding.text.endswith("the outbox may need 1 MB more")


def test_an_outbox_that_is_larger_than_the_disk(tmp_path: Path) -> None:
    config = configuration(tmp_path, "[outbox]\nmax_mb = 1000000\n" + ROAD)
    finding = only("disk", surroundings(tmp_path, config=config))
    assert finding.state == "warning"
    assert "outbox.max_mb" in finding.advice


def test_a_state_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    context = surroundings(tmp_path, state_dir=tmp_path / "a" / "b")
    finding = only("disk", context)
    assert finding.state == "ok"
    assert finding.text.startswith(f"{tmp_path}: ")
    assert not (tmp_path / "a").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 1 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk, and not in every container")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_and_one_that_is_read_only(tmp_path: Path, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(900_000))
    finding = only("disk", surroundings(tmp_path, state_dir=small_disk))
    assert finding.state == "failed"
    assert "0 MB free" in finding.text
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    finding = only("disk", surroundings(tmp_path, state_dir=small_disk))
    assert (finding.state, finding.text) == (
        "failed", f"{small_disk}: the file system is read-only",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("errors", "said"),
    [("3\n", "mmcblk0p2 counts 3 errors"), ("0\n", "The kernel tells of no error")],
)
def test_the_cause_of_a_read_only_disk_is_measured(errors: str, said: str, tmp_path: Path) -> None:
    card(tmp_path, {"errors": errors})
    context = surroundings(tmp_path)
    assert said in advice_on_read_only(context, tmp_path)
    assert ("replace it" in advice_on_read_only(context, tmp_path)) == (errors != "0\n")


def test_a_folder_that_another_user_owns(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    context = surroundings(tmp_path)
    # As root the service's user is the folder's owner: nobody may write here.
    context.state_dir.chmod(0o500)
    os.chown(context.state_dir, 65534, 65534)
    finding = only("disk", context)
    assert (finding.state, finding.text) == ("failed", f"{context.state_dir} cannot be written")
    context.state_dir.chmod(0o700)
    assert only("disk", context).state == "ok"
    assert list(context.state_dir.iterdir()) == []


# Clock


@pytest.mark.parametrize(
    ("files", "keeper"),
    [
        ({"run/systemd/timesync/synchronized": ""}, "systemd-timesyncd"),
        ({"run/chrony/chronyd.pid": "7"}, "chrony"),
        ({}, "NTP"),
    ],
)
def test_a_clock_that_is_set(files: dict[str, str], keeper: str, tmp_path: Path) -> None:
    tree(tmp_path / "root", {**files, RTC: "1800000000\n"})
    finding = only("clock", surroundings(tmp_path))
    assert (finding.state, finding.text) == ("ok", f"2027-01-15 08:00 UTC, kept by {keeper}")


def test_a_board_without_a_clock_of_its_own(tmp_path: Path) -> None:
    finding = only("clock", surroundings(tmp_path))
    assert finding.state == "ok"
    assert "after a power cut it asks the network" in finding.text


@pytest.mark.parametrize(
    ("wall_s", "trusted", "rtc", "state", "text"),
    [
        (1_800_000_000.0, False, "1800000000", "warning", "nothing has set it"),
        (1_600_000_000.0, True, "1600000000", "failed", "2020-09-13 12:26 UTC, which cannot be"),
        (1_800_000_000.0, True, "17", "warning", "the board's own clock lost the time"),
    ],
)
def test_a_clock_that_is_wrong(
    wall_s: float, trusted: bool, rtc: str, state: str, text: str, tmp_path: Path
) -> None:
    tree(tmp_path / "root", {RTC: rtc})
    context = surroundings(tmp_path, clock=ManualClock(wall_s, trusted=trusted))
    finding = only("clock", context)
    assert finding.state == state
    assert text in finding.text
    assert finding.advice
