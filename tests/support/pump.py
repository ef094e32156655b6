"""A pump with an accelerometer on its bearing, at the end of a serial port: plays recordings."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np

from support.serial_device import SerialDevice, frame

RATE_HZ = 12_000
ROWS = 16  # samples in a frame
COUNTS_PER_G = 4096

PUMP = """
[[streams]]
name = "pump"
model = {{ pack = "{pack}" }}
rules = [
  {{ kind = "threshold", name = "bearing", channel = "healthy", below = {below}, min_s = 0.35 }}
]
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


def pump_stream(device: SerialDevice, pack: str = "bearing-vibration", below: float = 0.2) -> str:
    """Return the configuration of the pump's stream."""
    return PUMP.format(url=device.path, pack=pack, below=below)


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
