"""What each dependency costs: import time and resident memory, each in a fresh interpreter.

python tests/benchmarks/imports.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys

MODULES = (
    "numpy",
    "cv2",
    "ai_edge_litert.interpreter",
    "paho.mqtt.client",
    "msgspec",
    "tomli",
    "cbor2",
    "click",
    "rich.live",
    "serial",
    "zeroconf",
    "sqlite3",
    "cryptography.x509",
    "aiohttp.web",
    "segno",
)
ROUNDS = 5
# What these import themselves: their own cost is what they add to it.
BASES = {"cv2": "numpy", "tomli": "msgspec", "ai_edge_litert.interpreter": "numpy"}

PROBE = """
import sys, time
if sys.argv[2]: __import__(sys.argv[2])
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
before, started = rss(), time.perf_counter()
__import__(sys.argv[1])
print((time.perf_counter() - started) * 1e3, (rss() - before) / 2**20)
"""


def measure(module: str, after: str = "") -> tuple[float, float]:
    """Return median milliseconds and MiB of an import, in an interpreter that has `after`."""
    rows = []
    for _ in range(ROUNDS):
        output = subprocess.run(
            [sys.executable, "-c", PROBE, module, after],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        rows.append([float(word) for word in output.split()])
    return statistics.median(r[0] for r in rows), statistics.median(r[1] for r in rows)


def main() -> None:
    """Print one line a module."""
    print(f"{'module':32} {'ms':>7} {'MiB':>7}")
    for module in MODULES:
        base = BASES.get(module, "")
        cost_ms, size_mib = measure(module, base)
        print(f"{module:32} {cost_ms:7.1f} {size_mib:7.1f}" + (f"  beyond {base}" if base else ""))


if __name__ == "__main__":
    main()
