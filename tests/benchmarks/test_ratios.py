"""What the runtime adds, held to ratios that a busy machine keeps: CPU time, memory, inferences.

The full table, wall clock included: `python tests/benchmarks/table.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cases import Cases
from support.broker import Mosquitto

pytestmark = pytest.mark.long  # they measure, and want the machine for themselves

FRAMES = 60
MOST_CPU = 1.20  # 0.95 measured
MOST_MEMORY = 2.0  # 1.77, of all processes: template, capture and inference have their own
MOST_WORKER_MB = 19.0  # 16: an interpreter of this model takes 14
MOST_START_CPU = 2.2  # 1.6
MOST_STILL_CPU = 0.20  # 0.10
MOST_INFERRED = 0.25  # the same on every machine
LATEST_S = 0.5

# When people come and go in the person clip if every frame is inferred, in seconds from its start.
EVERY_FRAME = (6.4, 21.7, 23.1, 46.6, 50.7, 71.6, 74.8, 88.7, 92.7, 121.7, 123.9, 137.9)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def cases(data: Path, broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Cases:
    return Cases(tmp_path_factory.mktemp("bench"), broker.url)


def test_cpu_memory_and_start_beside_the_bare_loop(cases: Cases) -> None:
    rounds = [(cases.bare(FRAMES), cases.run("one", FRAMES, workers=1)) for _ in range(2)]
    two = cases.run("one", FRAMES, workers=2)
    bare, one = rounds[0]
    assert min(p.cpu_s / b.cpu_s for b, p in rounds) <= MOST_CPU
    assert one.memory_mb[-1] / bare.memory_mb <= MOST_MEMORY
    assert two.memory_mb[-1] - one.memory_mb[-1] <= MOST_WORKER_MB
    assert min(p.first_result_cpu_s / b.first_result_cpu_s for b, p in rounds) <= MOST_START_CPU


def test_a_still_scene_costs_next_to_nothing(cases: Cases) -> None:
    always = cases.run("still-always", FRAMES, workers=1)
    gated = cases.run("still-gated", FRAMES, workers=1)
    assert gated.streams["gate"].inferred <= FRAMES // 20
    assert gated.cpu_s / always.cpu_s <= MOST_STILL_CPU


def test_a_round_tells_of_its_own_events_alone(cases: Cases, broker: Mosquitto) -> None:
    broker.stop()
    cases.run("events", 100, workers=1)  # someone enters; nobody hears of it
    broker.start()
    names = [name for name, _ in cases.run("events", 0, workers=2).events]
    assert names == ["enter", "exit"] * 6


def test_adaptive_rate_gives_the_same_events_with_a_quarter_of_the_inferences(
    cases: Cases,
) -> None:
    run = cases.run("adaptive", 0, workers=1)
    stream = run.streams["gate"]
    assert stream.inferred / stream.frames <= MOST_INFERRED
    assert [name for name, _ in run.events] == ["enter", "exit"] * 6
    for (_, at_s), expected_s in zip(run.events, EVERY_FRAME, strict=True):
        assert abs(at_s - stream.first_s - expected_s) <= LATEST_S
