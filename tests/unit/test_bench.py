"""The benchmark: its arithmetic, and the command on the bundled model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.bench import tree
from edge_runtime.bench.figures import STAGES, BareFigures, PipelineFigures, StreamFigures
from edge_runtime.bench.report import percentiles, report, table
from edge_runtime.bench.rounds import bare_order
from edge_runtime.errors import UsageError
from edge_runtime.language import Language
from support.daemon import command
from support.surroundings import ROAD, VILLAGE_ROAD, configuration
from support.waiting import until


def bare(wall_s: float) -> BareFigures:
    return BareFigures(100, wall_s, 2.0, 0.2, 0.1, 80.0, {"read": [0.001], "invoke": [0.02]})


def ours(wall_s: float) -> PipelineFigures:
    return PipelineFigures(
        frames=100, wall_s=wall_s, cpu_s=2.1, first_result_s=0.3, first_result_cpu_s=0.2,
        memory_mb=[90.0, 100.0], stages={name: [0.002] for name in STAGES}, added_latency_s=[0.004],
        streams={
            "a": StreamFigures(frames=60, inferred=30, results=50, first_s=10.0, last_s=20.0),
            "b": StreamFigures(frames=40, inferred=20, results=0, first_s=10.0, last_s=20.0),
        },
        messages=10, bytes_out=500,
    )  # fmt: skip


def test_ratios_are_of_neighbours_and_their_median_counts() -> None:
    # A busy second round: both halves suffer, and the ratio does not.
    told = report([(bare(2.0), ours(1.0)), (bare(20.0), ours(10.0)), (bare(2.0), ours(0.5))], "x")
    assert told.ratios.frames_per_s == pytest.approx(2.0)
    assert told.ratios.cpu_s_per_1000 == pytest.approx(1.05)
    assert told.ratios.memory_mb == pytest.approx(1.25)
    assert told.ratios.first_result_s == pytest.approx(1.5)
    assert told.bare.cpu_s_per_1000 == pytest.approx(20.0)


def test_streams_their_bytes_and_their_shares() -> None:
    told = report([(bare(2.0), ours(1.0))], "x")
    assert told.inferred_share == pytest.approx(0.5)
    assert told.slowest_stream_share == pytest.approx(0.8)
    assert told.upstream_bytes_per_hour == pytest.approx(50 * 50 / 10.0 * 3600)
    assert "memory, MiB" in table(told, Language("en"))


def test_percentiles() -> None:
    made = percentiles(n / 1000 for n in range(1, 101))
    assert (made.p50_ms, made.p95_ms, made.p99_ms) == pytest.approx((51.0, 96.0, 100.0))
    assert percentiles([]).p99_ms == 0.0


def test_the_command_measures_the_bundled_model() -> None:
    done = command("bench", "--synthetic", "--frames", "40", "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["stages"]) == set(STAGES)
    assert told["frames"] == 40
    assert told["inferred_share"] == 1.0
    for side in ("bare", "pipeline", "ratios"):
        assert all(value > 0.0 for value in told[side].values()), told[side]
    assert told["stages"]["invoke"]["p50_ms"] > 0.0


@pytest.mark.parametrize("arguments", [(), ("--synthetic", "--config", "edge.toml")])
def test_it_wants_one_thing_to_measure(arguments: tuple[str, ...]) -> None:
    done = command("bench", *arguments)
    assert done.returncode == 2
    assert "--config FILE and --synthetic" in done.stderr


def test_a_stream_on_an_accelerator_is_not_compared_with_the_cpu(tmp_path: Path) -> None:
    clip = ROAD.replace('kind = "synthetic"', 'kind = "video", path = "clip.mp4"')
    text = clip.replace(f'{VILLAGE_ROAD}" }}', f'{VILLAGE_ROAD}", delegate = "edgetpu" }}')
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(UsageError, match="a loop on the CPU"):
        bare_order(configuration(tmp_path, text), {})


def test_what_a_child_uses_is_counted() -> None:
    program = (
        "import time; held = b'x' * (64 << 20)\nwhile time.process_time() < 0.6: pass\ninput()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as child:
        assert child.pid in tree.processes(os.getpid())
        until(lambda: tree.cpu_s(child.pid) >= 0.4, "the child's work")
        assert tree.cpu_s(os.getpid()) > tree.cpu_s(child.pid) - 0.1
        assert tree.memory_mb(child.pid) > 64.0
        assert tree.memory_mb(os.getpid()) > tree.memory_mb(child.pid)
        child.kill()
    assert tree.cpu_s(os.getpid()) >= 0.4  # one that was waited for still counts
    assert tree.memory_mb(child.pid) == 0.0
