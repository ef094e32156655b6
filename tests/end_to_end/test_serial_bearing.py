"""A pump's bearing fails while its vibration comes over a serial port at 12 kHz."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.daemon import Daemon, Ear
from support.serial_device import SerialDevice, frame, repeating
from support.waiting import until

RATE_HZ = 12_000
ROWS = 16  # samples in a frame
COUNTS_PER_G = 4096

PUMP = """
[[streams]]
name = "pump"
model = {{ pack = "bearing-vibration" }}
rules = [{{ kind = "threshold", name = "bearing", channel = "healthy", below = 0.2, min_s = 0.35 }}]
publish = {{ mode = "events", encoding = "cbor" }}
[streams.source]
kind = "serial"
url = "{url}"
baud = 460800
rate_hz = 12000
[streams.source.framing]
kind = "binary"
sync = "aa55"
rows = 16
fields = [{{ name = "acceleration", unit = "m/s2", scale = 0.000244140625 }}]
check = "crc16-ccitt-false"
"""


class Pump:
    """Sends recordings at their own rate: healthy, there and back again, until it breaks."""

    def __init__(self, data: Path, device: SerialDevice, fault: str) -> None:
        with np.load(data / "vibration" / "cwru_12k_drive_end.npz") as arrays:
            healthy, faulty = arrays["normal_load0"], arrays[fault]
        self._healthy = frames(np.concatenate([healthy, healthy[::-1]]))
        self._faulty = frames(faulty)
        self._device = device
        self._begun_s = time.monotonic()
        self._sent = 0
        self._broken_at = -1
        self.raw_bytes = 0
        self.broken = threading.Event()
        self.broken_ts = 0.0

    def step(self, _number: int) -> None:
        due = int((time.monotonic() - self._begun_s) * RATE_HZ / ROWS)
        if self.broken.is_set() and self._broken_at < 0:
            self._broken_at, self.broken_ts = self._sent, time.time()
        for number in range(self._sent, due):
            at, played = number, self._healthy
            if self._broken_at >= 0:
                at, played = number - self._broken_at, self._faulty
            data = played[at % len(played)]
            self.raw_bytes += len(data)
            self._device.write(data)
        self._sent = due

    @property
    def played_s(self) -> float:
        return self._sent * ROWS / RATE_HZ


def frames(values: np.ndarray) -> list[bytes]:
    counts = np.clip(np.rint(values * COUNTS_PER_G), -32768, 32767).astype(int)
    whole = len(counts) // ROWS * ROWS
    return [frame(row.tolist()) for row in counts[:whole].reshape(-1, ROWS)]


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
        run = daemon(PUMP.format(url=device.path))
        run.start()
        ear.wait_for(lambda ear: "status" in ear.kinds())
        pump = Pump(data, device, fault)
        with repeating(pump.step, every_s=0.005):
            ear.wait_for(lambda ear: "classification" in ear.kinds())
            until(lambda: pump.played_s >= half_s, "half of it", within_s=2 * half_s)
            assert alarms(ear) == []
            pump.broken.set()
            ear.wait_for(lambda ear: alarms(ear) == ["alarm"])
            heard_s = time.time()
            until(lambda: pump.played_s >= 2.0 * half_s, "the rest", within_s=2 * half_s)
        assert run.stop() == 0
    (alarm,) = ear.of("event")
    assert (alarm["rule"], alarm["channel"], alarm["object"]["label"]) == (
        "bearing",
        "healthy",
        label,
    )
    assert pump.broken_ts < alarm["since"] < alarm["ts"] < heard_s < pump.broken_ts + 2.0
    assert ear.of("classification")[0]["classes"][0]["label"] == "healthy"
    after_s, upstream = heard_s - pump.broken_ts, ear.upstream_bytes()
    print(f"alarm after {after_s:.2f} s; {upstream} of {pump.raw_bytes} bytes went upstream")
    assert upstream < 1024
    assert pump.raw_bytes > 24_000 * 2 * half_s
    assert "degraded" not in run.text(), run.text()
