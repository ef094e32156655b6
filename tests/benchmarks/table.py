"""The table of the README: what the runtime adds to the model, each figure against its bar.

    python tests/benchmarks/table.py [ROUNDS]

Needs ../shared/data. Each round runs every case once, each in a process of its own, and each is
held against the bare loop of the same round; the medians are printed. Wall-clock figures mean
something on a quiet machine alone, CPU figures on a busy one too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gate as gate_cost
from cases import Cases
from edge_runtime.bench.figures import BareFigures, PipelineFigures
from edge_runtime.bench.report import machine, percentiles, slowest_share
from support.broker import Mosquitto
from support.paths import DATA

FRAMES = 200
LATENCY_FRAMES = 200
STILL_FRAMES = 300

Row = tuple[str, float, str]


def per_frame(one: BareFigures | PipelineFigures) -> float:
    return one.cpu_s / one.frames


def fps(one: BareFigures | PipelineFigures) -> float:
    return one.frames / one.wall_s


def one_round(cases: Cases) -> list[Row]:
    """Run every case once and return each figure with its bar."""
    bare = cases.bare(FRAMES)
    one = cases.run("one", FRAMES, workers=1)
    two = cases.run("one", FRAMES, workers=2)
    four = cases.run("four", 4 * FRAMES, workers=2)
    second = cases.run("two", FRAMES, workers=1)
    live = cases.run("live", LATENCY_FRAMES, workers=1, flat_out=False)
    always = cases.run("still-always", STILL_FRAMES, workers=1)
    gated = cases.run("still-gated", STILL_FRAMES, workers=1)
    every = cases.run("events", 0, workers=1)
    adaptive = cases.run("adaptive", 0, workers=1)
    added = percentiles(live.added_latency_s)
    inferred = {k: v.streams["gate"].inferred for k, v in (("e", every), ("a", adaptive))}
    gate_s, mog2_s = gate_cost.measure()
    rss = {name: r.memory_mb[-1] for name, r in (("1", one), ("2", two), ("streams", second))}
    return [
        ("frames/s, one stream, 2 workers", fps(two) / fps(bare), ">= 1.85"),
        ("frames/s, one stream, 1 worker", fps(one) / fps(bare), ">= 0.97"),
        ("frames/s, four streams, 2 workers", fps(four) / fps(bare), ">= 1.85"),
        ("slowest of four, of an even share", slowest_share(four), ">= 0.90"),
        ("CPU per frame, 1 worker", per_frame(one) / per_frame(bare), "<= 1.05"),
        ("CPU per frame, 2 workers", per_frame(two) / per_frame(bare), "<= 1.05"),
        ("added latency, p50, ms", added.p50_ms, "<= 3"),
        ("added latency, p99, ms", added.p99_ms, "<= 12"),
        ("still 720p, motion gate: CPU", per_frame(gated) / per_frame(always), "<= 0.12"),
        ("adaptive: inferences", inferred["a"] / inferred["e"], "<= 0.25"),
        ("adaptive: CPU", adaptive.cpu_s / every.cpu_s, "<= 0.35"),
        ("gate alone, 720p, ms", gate_s * 1e3, "<= 0.2"),
        ("gate alone, of MOG2 at 300x300", gate_s / mog2_s, "<= 0.2"),
        ("memory, one stream, one worker", rss["1"] / bare.memory_mb, "<= 1.25"),
        ("memory of a further worker, MiB", rss["2"] - rss["1"], "<= 15"),
        ("memory of a further stream, MiB", rss["streams"] - rss["1"], "<= 8"),
        ("start to first result", one.first_result_s / bare.first_result_s, "<= 1.6"),
        ("start to first result: CPU", one.first_result_cpu_s / bare.first_result_cpu_s, "<= 1.6"),
    ]


def main() -> None:
    if not DATA.is_dir():
        sys.exit("the folder ../shared/data with real models and clips is not here")
    cv2.setNumThreads(1)
    rounds: list[list[Row]] = []
    with tempfile.TemporaryDirectory(prefix="edge-runtime-table-") as name:
        broker = Mosquitto(Path(name))
        broker.start()
        cases = Cases(Path(name), broker.url)
        for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
            rounds.append(one_round(cases))
        broker.stop()
    print(f"{machine()}; {len(rounds)} rounds; ratios to the bare loop unless a unit is named")
    for row in zip(*rounds, strict=True):
        value, bar = statistics.median(one[1] for one in row), row[0][2]
        print(f"{row[0][0]:38}{value:8.2f}   bar {bar:8} {verdict(value, bar)}")


def verdict(value: float, bar: str) -> str:
    sign, limit = bar.split()
    meets: Callable[[float, float], bool] = float.__ge__ if sign == ">=" else float.__le__
    return "reached" if meets(value, float(limit)) else "MISSED"


if __name__ == "__main__":
    main()
