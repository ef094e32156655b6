"""Sensors on serial ports, from the wire to a real subscriber."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon, Ear, command
from support.serial_device import ModbusLine, ModbusSlave, SerialDevice, repeating
from support.waiting import until

PROBE = """
[[streams]]
name = "well"
rules = [{{ kind = "threshold", name = "flood", channel = "level", above = 3.0, hysteresis = 0.1 }}]
publish = {{ mode = "events", encoding = "{encoding}", dead_band = {{ level = 0.05 }} }}
[streams.source]
kind = "serial"
url = "{url}"
baud = 9600
stale_after_s = 1.0
framing = {{ kind = "lines", columns = [{{ name = "level", unit = "m" }}] }}
"""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[SerialDevice]:
    with SerialDevice(tmp_path) as made:
        yield made


class Probe:
    """A level probe that sends what it is set to."""

    def __init__(self, device: SerialDevice) -> None:
        self.level = 2.0
        self._device = device

    def step(self, _number: int) -> None:
        self._device.write(f"{self.level:.2f}\r\n".encode())


def levels(ear: Ear) -> list[float]:
    return [pack[0]["v"] for pack in ear.of("reading")]


@pytest.mark.parametrize("encoding", ["json", "cbor"])
def test_a_probe_tells_what_changed_and_raises_and_clears_its_alarm(
    encoding: str, device: SerialDevice, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(PROBE.format(url=device.path, encoding=encoding))
    probe = Probe(device)
    with repeating(probe.step, every_s=0.02):
        run.start()
        for level in (2.0, 2.04, 2.4, 3.2, 2.95, 2.5):
            probe.level = level
            if level not in (2.04, 2.95):  # within the dead band; within the hysteresis
                ear.wait_for(lambda ear, level=level: level in levels(ear))
        ear.wait_for(lambda ear: len(ear.of("event")) == 2)
        assert run.stop() == 0
    first = ear.of("reading")[0]
    assert (first[0]["bn"], first[0]["n"], first[0]["u"]) == ("test/board/well/", "level", "m")
    assert 2.04 not in levels(ear)
    alarm, clear = ear.of("event")
    assert (alarm["event"], clear["event"]) == ("alarm", "clear")
    assert (alarm["rule"], alarm["channel"], alarm["unit"], alarm["value"]) == (
        "flood", "level", "m", 3.2,
    )  # fmt: skip
    assert clear["value"] == 2.5
    assert clear["since"] == pytest.approx(alarm["ts"], abs=0.002)
    assert [p["seq"] for p in ear.of("event")] == sorted(p["seq"] for p in ear.of("event"))


def test_an_unplugged_probe_is_declared_and_comes_back(
    device: SerialDevice, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(PROBE.format(url=device.path, encoding="json"))
    probe = Probe(device)
    with repeating(probe.step, every_s=0.02):
        run.start()
        ear.wait_for(lambda ear: 2.0 in levels(ear))
        device.unplug()
        probe.level = 2.7
        device.plug()
        ear.wait_for(lambda ear: 2.7 in levels(ear))
        assert run.stop() == 0
    assert "stream well: degraded: " in run.text()
    assert "stream well: back" in run.text()
    assert "Traceback" not in run.text()


def test_a_meter_is_polled_at_its_interval(
    device: SerialDevice, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    slave = ModbusSlave(device)
    slave.words = {(3, 0): 2305}
    run = daemon(
        f"""
        [[streams]]
        name = "meter"
        publish = {{ mode = "every_inference" }}
        [streams.source]
        kind = "serial"
        url = "{device.path}"
        [streams.source.framing]
        kind = "modbus"
        every_s = 0.1
        registers = [{{ name = "voltage", unit = "V", address = 0, scale = 0.1 }}]
        """
    )
    with repeating(slave.step):
        run.start()
        ear.wait_for(lambda ear: len(ear.of("reading")) >= 3)
        assert run.stop() == 0
    head = ear.of("reading")[0][0]
    assert (head["n"], head["u"], head["v"]) == ("voltage", "V", 230.5)
    assert head["model"] == "00000000"


METER = """
[[streams]]
name = "meter-{number}"
publish = {{ mode = "every_inference" }}
[streams.source]
kind = "serial"
url = "{url}"
stale_after_s = 1.0
[streams.source.framing]
kind = "modbus"
device = {number}
every_s = 0.1
timeout_s = 0.2
registers = [{{ name = "voltage", unit = "V", address = 0, scale = 0.1 }}]
"""


def test_meters_on_one_line_share_the_port_and_the_one_that_is_dead_is_named(
    device: SerialDevice, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    slaves = [ModbusSlave(device, number) for number in (1, 2)]
    for slave in slaves:
        slave.words = {(3, 0): 2300 + slave.number}
    run = daemon("".join(METER.format(number=n, url=device.path) for n in (1, 2, 9)))
    with repeating(ModbusLine(device, slaves).step):
        run.start()
        ear.wait_for(lambda ear: {230.1, 230.2} <= {p[0]["v"] for p in ear.of("reading")})
        until(lambda: "no answer, while others on this line answer" in run.text(), "told")
        assert run.stop() == 0
    told = "meter-9: degraded: {}: nothing valid for 1 s: no answer, while others on this line"
    assert told.format(device.path) in run.text()
    assert "another" not in run.text(), "nobody else holds the port"


def test_check_says_what_a_sensor_sends(
    device: SerialDevice, daemon: Callable[..., Daemon]
) -> None:
    run = daemon(PROBE.format(url=device.path, encoding="json"))
    done = command("check", "--config", str(run.config))
    assert done.returncode == 0, done.stderr
    assert f"serial {device.path} > lines level > threshold flood > events as json" in done.stdout


def test_a_device_with_sensors_alone_never_imports_opencv(
    device: SerialDevice, daemon: Callable[..., Daemon]
) -> None:
    """In a process whose import of cv2 would fail, up to the task that takes the rows."""
    run = daemon(PROBE.format(url=device.path, encoding="json"))
    program = 'import sys; sys.modules["cv2"] = None; from edge_runtime.cli import main; main()'
    probe = Probe(device)
    with repeating(probe.step, every_s=0.02):
        process = subprocess.Popen(
            [sys.executable, "-c", program, "run", "--stdout", "--config", run.config,
             "--state-dir", run.state],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        said = iter(process.stdout.readline, "")
        is_told = any("/reading" in line and '"level"' in line for line in said)
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert is_told, errors
    assert process.returncode == 0, errors
