"""The doctor's look at cameras and serial ports: a real stream, ptys, what is not there."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.doctor import Finding
from support.broker import free_port
from support.rtsp_camera import RtspCamera
from support.serial_device import SerialDevice, repeating
from support.surroundings import (
    NOW_S,
    ROAD,
    configuration,
    found,
    only,
    surroundings,
    tree,
)


def camera(
    tmp_path: Path, device: object, options: str = "", *, patience_s: float = 10.0, **given: object
) -> Finding:
    """Return what is found of one camera."""
    source = f'kind = "camera", device = "{device}", open_timeout_s = {patience_s}'
    stream = ROAD.replace('kind = "synthetic"', source + options)
    context = surroundings(
        tmp_path, config=configuration(tmp_path, stream), clock=SystemClock(), **given
    )
    finding = only("camera", context)
    assert finding.check == "camera/road"
    return finding


def port(tmp_path: Path, url: object, options: str = "", **given: object) -> Finding:
    """Return what is found of one port that sends `number,number` lines."""
    stream = f"""
[[streams]]
name = "level"
source = {{ kind = "serial", url = "{url}"{options}, framing = {{ kind = "lines", columns = [
  {{ name = "t" }}, {{ name = "n" }}] }} }}
"""
    context = surroundings(
        tmp_path, config=configuration(tmp_path, stream), clock=SystemClock(), **given
    )
    finding = only("serial", context)
    assert finding.check == "serial/level"
    return finding


# Cameras


@pytest.mark.parametrize(
    ("device", "text"),
    [("/dev/video63", "no such camera"), ("/dev/null", "not a camera"), ("/", "not a camera")],
)
def test_a_camera_that_is_not_there(device: str, text: str, tmp_path: Path) -> None:
    finding = camera(tmp_path, device)
    assert finding.state == "failed"
    assert finding.text.startswith(device)
    assert text in finding.text
    assert "`edge-runtime camera list`" in finding.text + finding.advice


def test_a_network_camera_gives_a_picture_and_its_login_is_not_told(tmp_path: Path) -> None:
    with RtspCamera((320, 240)) as served:
        shown = f"rtsp://127.0.0.1:{served.port}"
        good = camera(tmp_path, served.url)
        other = camera(tmp_path, served.url, ", width = 640, height = 480")
    assert good.state == "ok"
    assert f"{shown} gives 320x240 pixels" in good.text
    assert other.state == "warning"
    assert other.text.endswith("asked for were 640x480")
    assert "secret" not in good.text + other.text + other.advice


def test_a_network_camera_that_gives_none(tmp_path: Path) -> None:
    gone = camera(tmp_path, f"rtsp://guard:secret@127.0.0.1:{free_port()}/yard")
    assert gone.state == "failed"
    assert ": refuses the connection: a machine is there" in gone.text
    assert "Unplug" not in gone.advice
    unknown = camera(tmp_path, "rtsp://guard:secret@no-such-camera.invalid/yard")
    assert "the host name" in unknown.text
    with RtspCamera() as served:
        served.silent = True
        silent = camera(tmp_path, served.url, patience_s=0.5)
        served.silent, served.login, served.password = False, "digest", "other"
        refused = camera(tmp_path, served.url)
        served.statuses["DESCRIBE"] = 404
        lost = camera(tmp_path, served.url)
    assert "does not answer OPTIONS within 0.5 s" in silent.text
    assert "refuses the user name or the password (401)" in refused.text
    assert "has no such path (404" in lost.text
    found = (gone, unknown, silent, refused, lost)
    assert "secret" not in "".join(one.text + one.advice for one in found)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"state": "running", "captured": 7}, "ok"),
        ({"state": "running", "captured": 7, "notice": "odd size"}, "warning"),
        ({"state": "degraded", "reason": "no such camera", "restarts": 3}, "failed"),
    ],
)
def test_what_a_running_daemon_holds_is_asked_of_it(
    told: dict[str, object], state: str, tmp_path: Path
) -> None:
    finding = camera(tmp_path, "/dev/video63", daemon={"streams": {"road": told}})
    assert finding.state == state
    assert finding.text.startswith("the running daemon has it: ")
    assert finding.text.endswith(str(told.get("reason") or told.get("notice") or "times"))
    assert bool(finding.advice) == (state != "ok")
    # A stream that the daemon does not run is looked at.
    other = camera(tmp_path, "/dev/video63", daemon={"streams": {}})
    assert "no such camera" in other.text


PATIENCE_S = 2 * (2 * 10.0 + 5.0 + 0.1 + 2.0)  # an open and a read, each given up by the daemon


def starting(tmp_path: Path, socket_s: float | None, process_s: float | None) -> Finding:
    """Return what is found of a stream that is starting, by the ages of the daemon's traces."""
    state, root = tmp_path / "state", tmp_path / "root"
    if socket_s is not None:
        socket = tree(state, {"status.sock": ""}) / "status.sock"
        os.utime(socket, (NOW_S - socket_s, NOW_S - socket_s))
    if process_s is not None:
        ticks = int((5000.0 - process_s) * os.sysconf("SC_CLK_TCK"))
        fields = " ".join(["S", *["0"] * 18, str(ticks), "0"])
        tree(root, {"proc/7/stat": f"7 (a ) b) {fields}\n", "proc/uptime": "5000.00 9000.0\n"})
    source = 'kind = "camera", open_timeout_s = 10'
    config = configuration(tmp_path, ROAD.replace('kind = "synthetic"', source))
    # A stream that is starting says nothing of itself.
    daemon = {"pid": 7, "streams": {"road": {}}}
    return only("camera", surroundings(tmp_path, config=config, daemon=daemon))


@pytest.mark.parametrize(
    ("socket_s", "process_s", "left_s"),
    [
        (2.0, 3.0, PATIENCE_S - 2.0),
        (2.0, 900_000.0, PATIENCE_S - 2.0),  # the configuration was read again
        (900_000.0, 4.0, PATIENCE_S - 4.0),  # the clock was set since
        (-900_000.0, 4.0, PATIENCE_S - 4.0),  # or set back
        (None, 4.0, PATIENCE_S - 4.0),
        (2.0, None, PATIENCE_S - 2.0),
        (PATIENCE_S + 1.0, PATIENCE_S + 9.0, None),
        (None, None, None),
    ],
)
def test_a_stream_may_be_starting_for_a_while(
    socket_s: float | None, process_s: float | None, left_s: float | None, tmp_path: Path
) -> None:
    finding = starting(tmp_path, socket_s, process_s)
    if left_s is None:
        assert finding.state == "warning"
        assert "starting, 0 samples taken" in finding.text
        assert "Unplug the camera" in finding.advice
    else:
        assert (finding.state, finding.advice) == ("skipped", "")
        assert finding.text.endswith(f"still starting: ask again in {math.ceil(left_s)} s")


def test_a_board_without_a_configuration(tmp_path: Path) -> None:
    bare = surroundings(tmp_path)
    assert only("camera", bare).state == "warning"
    assert only("serial", bare).state == "skipped"
    name = "dev/serial/by-id/usb-FTDI-if00"
    root = tree(tmp_path / "root", {"dev/video0": "", "dev/ttyUSB0": ""})
    assert only("camera", bare).text == "no camera is plugged in"
    assert only("serial", bare).text == f"found: {root}/dev/ttyUSB0"
    tree(root, {name: ""})
    assert only("serial", bare).text == f"found: {root}/{name}"


def test_streams_that_need_neither(tmp_path: Path) -> None:
    context = surroundings(tmp_path, config=configuration(tmp_path))
    assert [only(name, context).state for name in ("camera", "serial")] == ["skipped", "skipped"]


# Serial ports


@pytest.fixture
def device(tmp_path: Path) -> Iterator[SerialDevice]:
    with SerialDevice(tmp_path) as made:
        yield made


def test_a_sensor_that_sends_rows(tmp_path: Path, device: SerialDevice) -> None:
    with repeating(lambda n: device.write(f"20.5,{n}\n".encode())):
        finding = port(tmp_path, device.path)
    assert finding.state == "ok"
    assert " rows were read, " in finding.text


def test_a_noisy_line(tmp_path: Path, device: SerialDevice) -> None:
    with repeating(lambda n: device.write(b"20.5,#\n" if n % 3 else b"20.5,1\n")):
        finding = port(tmp_path, device.path)
    assert finding.state == "warning"
    assert "parse" in finding.text
    assert "cable" in finding.advice


def test_a_sensor_with_a_broken_probe(tmp_path: Path, device: SerialDevice) -> None:
    with repeating(lambda _n: device.write(b"nan,1\n")):
        finding = port(tmp_path, device.path)
    assert finding.state == "warning"
    assert "t: not a number (nan)" in finding.text
    assert "Look at the probe" in finding.advice


def test_a_sensor_that_cannot_be_read_or_is_silent(tmp_path: Path, device: SerialDevice) -> None:
    with repeating(lambda _n: device.write(bytes(range(128, 160)) + b"\n")):
        garbled = port(tmp_path, device.path, ", stale_after_s = 0.5")
    silent = port(tmp_path, device.path, ", stale_after_s = 0.2")
    assert (garbled.state, silent.state) == ("failed", "failed")
    assert "of 1024 bytes are no text" in garbled.text
    assert "Baud or parity is not the sensor's" in garbled.advice
    assert silent.text == f"{device.path}: nothing came for 0.2 s, not one byte"
    assert "TX is on our RX" in silent.advice


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    tree(tmp_path / "root", {"dev/serial/by-id/usb-FTDI-if00": ""})
    finding = port(tmp_path, tmp_path / "usb-gone")
    assert (finding.state, finding.text) == ("failed", f"{tmp_path}/usb-gone: no such port")
    assert "usb-FTDI-if00" in finding.advice
    assert port(tmp_path, tmp_path).text == f"{tmp_path} is not a serial port"


@contextmanager
def holding(path: Path) -> Iterator[int]:
    """Have another process hold a device open."""
    code = "import sys; held = open(sys.argv[1], 'rb', 0); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        yield other.pid
        assert other.stdin is not None
        other.stdin.close()


def test_a_port_that_another_program_holds(tmp_path: Path, device: SerialDevice) -> None:
    with holding(device.path) as pid:
        finding = port(tmp_path, device.path)
    assert finding.state == "failed"
    assert f"(pid {pid})" in finding.text
    assert "another program holds it" in finding.text


def test_every_stream_is_looked_at(tmp_path: Path) -> None:
    streams = "".join(
        ROAD.replace("road", name, 1).replace(
            'kind = "synthetic"', f'kind = "camera", device = "/dev/video{number}"'
        )
        for name, number in (("north", 61), ("south", 62))
    )
    context = surroundings(tmp_path, config=configuration(tmp_path, streams))
    assert [one.check for one in found("camera", context)] == ["camera/north", "camera/south"]


def test_only_a_camera_that_is_not_there_is_looked_for_at_its_cable(tmp_path: Path) -> None:
    for device, is_gone in (("/dev/no-such-camera", True), ("/dev/null", False)):
        finding = camera(tmp_path, device)
        assert finding.state == "failed"
        assert ("Check the cable" in finding.advice) is is_gone, finding
