"""What a fast binary sensor costs: reads one at 20,000 samples/s from a pty, as a share of a core.

    python tests/benchmarks/serial_rate.py [--rate HZ] [--seconds N] [--rows N]

A process of its own feeds the pty in real time: frames of `rows` samples, three int16 each, with
a sync word and a CRC-16. What is counted is the CPU time of the reading process alone, kernel's
share included, from the first block on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from edge_runtime.clock import SystemClock
from edge_runtime.options import BinaryOptions, FieldOptions, SerialOptions
from edge_runtime.raw import Samples
from edge_runtime.sources.serial_port import SerialSource
from support.serial_device import SYNC, with_crc

TICK_S = 0.005
NUMBERS = 1000


def feed(master: int, rate_hz: float, rows: int) -> None:
    """Send frames at the moments at which a sensor of this rate would."""
    frames = [frame(first, rows) for first in range(0, NUMBERS * rows, rows)]
    begun_s = time.monotonic()
    sent = 0
    while True:
        due = int((time.monotonic() - begun_s) * rate_hz / rows)
        data = b"".join(frames[number % NUMBERS] for number in range(sent, due))
        sent = due
        while data:
            data = data[os.write(master, data) :]
        time.sleep(TICK_S)


def frame(first: int, rows: int) -> bytes:
    """Return a frame whose samples count up in their first column."""
    samples = np.zeros((rows, 3), "<i2")
    samples[:, 0] = (first + np.arange(rows)) % 30_000
    return SYNC + with_crc(samples.tobytes(), "crc16-ccitt-false")


def measure(source: SerialSource, seconds: float) -> str:
    """Read for so long; return the figures as one line."""
    source.open()
    source.read()
    begun_s, cpu_s = time.monotonic(), time.process_time()
    rows = blocks = gaps = 0
    while time.monotonic() < begun_s + seconds:
        block = source.read()
        assert isinstance(block, Samples)
        rows, blocks, gaps = rows + len(block.values), blocks + 1, gaps + block.gap
    spent_s, passed_s = time.process_time() - cpu_s, time.monotonic() - begun_s
    source.close()
    return (
        f"{rows / passed_s:.0f} samples/s in {blocks / passed_s:.0f} blocks/s: "
        f"{100 * spent_s / passed_s:.1f} % of one core; gaps {gaps}, "
        f"bad {source.tally.bad.total()}, skipped {source.tally.skipped} bytes"
    )


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=20_000.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--feed", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.feed is not None:
        feed(told.feed, told.rate, told.rows)
    master, slave = os.openpty()
    fields = (FieldOptions("x"), FieldOptions("y"), FieldOptions("z"))
    framing = BinaryOptions(
        fields=fields, rows=told.rows, sync=SYNC.hex(), check="crc16-ccitt-false"
    )
    options = SerialOptions(
        url=os.ttyname(slave), framing=framing, rate_hz=told.rate, baud=4_000_000
    )
    source = SerialSource(options, SystemClock())
    arguments = ["--feed", str(master), "--rate", str(told.rate), "--rows", str(told.rows)]
    feeder = subprocess.Popen([sys.executable, __file__, *arguments], pass_fds=[master])
    try:
        print(measure(source, told.seconds))
    finally:
        feeder.kill()
        feeder.wait()


if __name__ == "__main__":
    main()
