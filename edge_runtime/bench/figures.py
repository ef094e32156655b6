"""What is asked of a round of a benchmark, and what comes of it."""

from __future__ import annotations

import msgspec

STAGES = ("gate", "wait", "resize", "invoke", "decode", "conclude")


class PipelineRequest(msgspec.Struct, frozen=True):
    """One round of the pipeline. `frames` 0: to the end of the sources, which then play once.

    `flat_out`: files are read as fast as they are taken. `spawned_s`: monotonic time at which
    the process was started. `store_dir` holds the packs, `state_dir` all that is written.
    """

    config_file: str
    store_dir: str
    state_dir: str
    broker_url: str
    spawned_s: float
    frames: int = 0
    workers: int = 0
    flat_out: bool = True


class StreamFigures(msgspec.Struct):
    """What one stream did: frames concluded and inferred, and how much media time they span."""

    frames: int = 0
    inferred: int = 0
    results: int = 0
    first_s: float = 0.0
    last_s: float = 0.0


class PipelineFigures(msgspec.Struct):
    """One round of the pipeline; times in seconds. `memory_mb` over the round, in even steps.

    CPU and memory are those of the daemon and all its children; see `bench/tree.py`.

    `events`: the latest that went out, and the monotonic times of their samples.
    """

    frames: int
    wall_s: float
    cpu_s: float
    first_result_s: float
    first_result_cpu_s: float
    memory_mb: list[float]
    stages: dict[str, list[float]]
    added_latency_s: list[float]
    streams: dict[str, StreamFigures]
    messages: int
    bytes_out: int
    events: list[tuple[str, float]] = []


class BareFigures(msgspec.Struct):
    """One round of the bare loop; times in seconds."""

    frames: int
    wall_s: float
    cpu_s: float
    first_result_s: float
    first_result_cpu_s: float
    memory_mb: float
    stages: dict[str, list[float]]
