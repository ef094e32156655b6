"""Which devices the service's unit lets it open, and what brings the drop-in that is missing."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.doctor import Finding
from edge_runtime.doctor.unit import lets_open, loaded_unit
from support.paths import ROOT
from support.serial_device import SerialDevice
from support.surroundings import (
    ROAD,
    VILLAGE_ROAD,
    configuration,
    only,
    surroundings,
    tree,
)

DROP_INS = "systemd/edge-runtime.service.d"
CAMERA, CORAL_USB = os.makedev(81, 0), os.makedev(189, 3)
USB_SERIAL, MODEM, BOARD_SERIAL, OLD_SERIAL = (os.makedev(n, 0) for n in (188, 166, 204, 4))
KERNEL = """Character devices:
  4 /dev/vc/0
  4 tty
  4 ttyS
 81 video4linux
188 ttyUSB

Block devices:
 81 sd
"""
FRAMING = '{ kind = "lines", columns = [{ name = "t" }] }'


def rules_of(drop_in: str) -> tuple[str, ...]:
    text = (ROOT / DROP_INS / drop_in).read_text()
    return tuple(re.findall(r"^DeviceAllow=(.+)$", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("policy", "rules", "device", "may"),
    [
        ("auto", (), CAMERA, True),
        ("auto", ("char-188 rw",), CAMERA, False),
        ("closed", (), CAMERA, False),
        ("closed", ("char-188 rw", "char-81 rw"), CAMERA, True),
        ("closed", ("char-81 r",), CAMERA, False),
        ("closed", ("block-81 rw",), CAMERA, False),
        ("closed", ("char-8 rw",), CAMERA, False),
        ("closed", ("char-video4linux rwm",), CAMERA, True),
        ("closed", ("char-sd rw",), CAMERA, False),
        ("closed", ("char-tty* rw",), USB_SERIAL, True),
        ("closed", ("char-* rw",), CORAL_USB, True),
        ("closed", ("/dev/null rw",), Path("/dev/null").stat().st_rdev, True),
        ("closed", ("/dev/null rw", "/dev/no-such rw"), CAMERA, False),
        ("closed", (), os.makedev(136, 5), True),  # pseudo-terminals
        ("strict", (), os.makedev(136, 5), False),
    ],
)
def test_rules_are_read_as_systemd_means_them(
    policy: str, rules: tuple[str, ...], device: int, may: bool, tmp_path: Path
) -> None:
    root = tree(tmp_path, {"proc/devices": KERNEL})
    unit = {"DevicePolicy": policy, "DeviceAllow": "\n".join(rules)}
    assert lets_open(unit, device, root) is may


@pytest.mark.parametrize(
    ("drop_in", "devices"),
    [
        ("camera.conf", [CAMERA]),
        ("serial.conf", [USB_SERIAL, MODEM, BOARD_SERIAL, OLD_SERIAL]),
        ("coral.conf", [CORAL_USB]),
    ],
)
def test_each_drop_in_opens_its_kind_alone(
    drop_in: str, devices: list[int], tmp_path: Path, systemd: Callable[..., None]
) -> None:
    systemd(policy="closed", allows=rules_of(drop_in))
    unit = loaded_unit(tmp_path / "root")
    every = [CAMERA, USB_SERIAL, MODEM, BOARD_SERIAL, OLD_SERIAL, CORAL_USB]
    assert [one for one in every if lets_open(unit, one, tmp_path)] == devices


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Path]:
    with SerialDevice(tmp_path) as made:
        yield made.path


def look_at_port(tmp_path: Path, port: Path, **given: Any) -> Finding:
    stream = f"""
[[streams]]
name = "level"
source = {{ kind = "serial", url = "{port}", stale_after_s = 0.1, framing = {FRAMING} }}
"""
    config = configuration(tmp_path, stream)
    return only("serial", surroundings(tmp_path, config=config, clock=SystemClock(), **given))


DEGRADED = {"streams": {"level": {"state": "degraded", "reason": "permission denied"}}}
RUNNING = {"streams": {"level": {"state": "running", "captured": 7}}}


@pytest.mark.parametrize("daemon", [None, DEGRADED])
def test_a_missing_drop_in_is_named_with_the_commands_that_bring_it(
    daemon: dict[str, Any] | None, tmp_path: Path, port: Path, systemd: Callable[..., None]
) -> None:
    systemd(policy="strict", drop_ins="/etc/systemd/system/edge-runtime.service.d/camera.conf")
    finding = look_at_port(tmp_path, port, daemon=daemon)
    assert (finding.check, finding.state, finding.text) == (
        "serial/level",
        "failed",
        f"{port}: the service may not open it: its unit is without serial.conf",
    )
    typed = re.search("`(.+)`", finding.advice)
    assert typed is not None
    assert typed[1].split(" && ") == [
        f"sudo install -D -m 644 /opt/edge-runtime/current/{DROP_INS}/serial.conf "
        "/etc/systemd/system/edge-runtime.service.d/serial.conf",
        "sudo systemctl daemon-reload",
        "sudo systemctl restart edge-runtime",
    ]
    assert (ROOT / DROP_INS / "serial.conf").is_file()


def test_a_device_that_the_drop_in_does_not_know(
    tmp_path: Path, port: Path, systemd: Callable[..., None]
) -> None:
    facts = {"policy": "strict", "drop_ins": "/a/camera.conf /b/serial.conf"}
    systemd(**facts, allows=rules_of("serial.conf"))
    finding = look_at_port(tmp_path, port)
    assert finding.state == "failed"
    assert "no DeviceAllow" in finding.text
    rule = f"char-{os.major(port.stat().st_rdev)} rw"
    typed = f"sudo systemctl set-property edge-runtime 'DeviceAllow={rule}'"
    assert f"`{typed}`" in finding.advice
    systemd(**facts, allows=(*rules_of("serial.conf"), rule))
    assert look_at_port(tmp_path, port).text.endswith("not one byte")


def test_what_works_may_be_opened(tmp_path: Path, port: Path, systemd: Callable[..., None]) -> None:
    systemd(policy="strict")
    assert look_at_port(tmp_path, port, daemon=RUNNING).state == "ok"


@pytest.mark.parametrize("facts", [{"load": "not-found", "policy": "strict"}, {}])
def test_without_the_unit_or_its_limits_nothing_is_said_of_it(
    facts: dict[str, str], tmp_path: Path, port: Path, systemd: Callable[..., None]
) -> None:
    systemd(**facts)
    assert look_at_port(tmp_path, port).text.endswith("not one byte")


def test_a_group_that_only_the_drop_in_would_give(
    tmp_path: Path, port: Path, systemd: Callable[..., None]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", 65534, 65534)
    port.chmod(0o600)
    systemd(policy="closed")
    assert "its unit is without serial.conf" in look_at_port(tmp_path, port).text
    systemd(policy="closed", drop_ins="/b/serial.conf")
    finding = look_at_port(tmp_path, port)
    assert finding.text == f"{port}: the user of the service may not open it"
    assert "mode 660" in finding.advice, "its group has no rights that a member could have"
    port.chmod(0o660)
    assert "usermod" in look_at_port(tmp_path, port).advice


def node(path: Path, number: int) -> Path:
    """Make a device file, behind which there is no device."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.mknod(path, stat.S_IFCHR | 0o660, number)
    except PermissionError:
        pytest.skip("only root may make device files, and not in every container")
    return path


def test_a_camera_and_a_coral_that_the_unit_does_not_open(
    tmp_path: Path, systemd: Callable[..., None]
) -> None:
    usb = "sys/bus/usb/devices/1-4"
    root = tree(
        tmp_path / "root",
        {f"{usb}/idVendor": "18d1\n", f"{usb}/idProduct": "9302\n", f"{usb}/busnum": "1\n",
         f"{usb}/devnum": "4\n"},
    )  # fmt: skip
    coral = node(root / "dev/bus/usb/001/004", CORAL_USB)
    camera = node(tmp_path / "video0", CAMERA)
    stream = ROAD.replace('kind = "synthetic"', f'kind = "camera", device = "{camera}"')
    stream = stream.replace(f'{VILLAGE_ROAD}" }}', f'{VILLAGE_ROAD}", delegate = "edgetpu" }}')
    context = surroundings(tmp_path, config=configuration(tmp_path, stream))
    systemd(policy="closed", allows=rules_of("serial.conf"), drop_ins="/b/serial.conf")
    for check, device, file in (("camera", camera, "camera"), ("accelerator", coral, "coral")):
        finding = only(check, context)
        assert (finding.check, finding.state) == (f"{check}/road", "failed")
        assert finding.text.startswith(f"{device}: ")
        assert finding.text.endswith(f"its unit is without {file}.conf")
        assert f"/{file}.conf && sudo systemctl daemon-reload" in finding.advice
    allows = rules_of("camera.conf") + rules_of("coral.conf")
    systemd(policy="closed", allows=allows, drop_ins="/b/camera.conf /b/coral.conf")
    assert "no such camera" in only("camera", context).text
    assert "does not run on libedgetpu" in only("accelerator", context).text
