"""A pump's bearing fails while its vibration comes over a serial port at 12 kHz."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.daemon import Daemon, Ear
from support.pump import Pump, pump_stream
from support.serial_device import SerialDevice, repeating
from support.waiting import until


def alarms(ear: Ear) -> list[str]:
    return [one["event"] for one in ear.of("event")]


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("fault", "label", "half_s"),
    [
        ("outer_race_007_load1", "outer race", 4.0),
        pytest.param("ball_014_load1", "ball", 30.0, marks=pytest.mark.long),
    ],
)
def test_the_alarm_comes_within_two_seconds_of_the_fault_and_not_before(
    fault: str,
    label: str,
    half_s: float,
    data: Path,
    tmp_path: Path,
    daemon: Callable[..., Daemon],
    ear: Ear,
) -> None:
    with SerialDevice(tmp_path) as device:
        run = daemon(pump_stream(device))
        run.start()
        ear.wait_for(lambda ear: "status" in ear.kinds())
        before = ear.upstream_bytes()
        pump = Pump(data, device, fault)
        with repeating(pump.step, every_s=0.005):
            ear.wait_for(lambda ear: "classification" in ear.kinds())
            until(lambda: pump.played_s >= half_s, "half of it", within_s=2 * half_s)
            assert alarms(ear) == []
            pump.broken.set()
            ear.wait_for(lambda ear: alarms(ear) == ["alarm"])
            heard_s = time.time()
            until(lambda: pump.played_s >= 2.0 * half_s, "the rest", within_s=2 * half_s)
            upstream = ear.upstream_bytes() - before
        assert run.stop() == 0
    (alarm,) = ear.of("event")
    assert (alarm["rule"], alarm["channel"], alarm["object"]["label"]) == (
        "bearing",
        "healthy",
        label,
    )
    assert pump.broken_ts < alarm["since"] < alarm["ts"] < heard_s < pump.broken_ts + 2.0
    assert ear.of("classification")[0]["classes"][0]["label"] == "healthy"
    after_s = heard_s - pump.broken_ts
    print(f"alarm after {after_s:.2f} s; {upstream} of {pump.raw_bytes} bytes went upstream")
    assert upstream < 1024  # health, once a minute, is most of it
    assert pump.raw_bytes > 24_000 * 2 * half_s
    assert "degraded" not in run.text(), run.text()
