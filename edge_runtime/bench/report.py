"""Rounds of a benchmark as one report: medians, percentiles, ratios of neighbouring rounds."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from edge_runtime.bench.figures import STAGES, BareFigures, PipelineFigures
from edge_runtime.language import N_, Language

Pair: TypeAlias = tuple[BareFigures, PipelineFigures]


class Percentiles(msgspec.Struct, frozen=True):
    """Of a stage's times, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


class Totals(msgspec.Struct, frozen=True):
    """Medians over the rounds. CPU seconds are for 1,000 frames."""

    frames_per_s: float
    cpu_s_per_1000: float
    memory_mb: float
    first_result_s: float
    first_result_cpu_s: float


class BenchReport(msgspec.Struct, frozen=True):
    """The whole benchmark. `ratios` are medians of pipeline / bare, round by round."""

    machine: str
    broker: str
    rounds: int
    frames: int
    bare: Totals
    pipeline: Totals
    ratios: Totals
    stages: dict[str, Percentiles]
    bare_stages: dict[str, Percentiles]
    added_latency: Percentiles
    inferred_share: float
    slowest_stream_share: float
    upstream_bytes_per_hour: float


def report(pairs: Sequence[Pair], broker: str) -> BenchReport:
    """Return what the rounds come to."""
    bare = [totals(one, one.memory_mb) for one, _ in pairs]
    ours = [totals(one, one.memory_mb[-1]) for _, one in pairs]
    streams = [stream for _, one in pairs for stream in one.streams.values()]
    frames = sum(stream.frames for stream in streams)
    return BenchReport(
        machine=machine(),
        broker=broker,
        rounds=len(pairs),
        frames=pairs[0][0].frames,
        bare=median(bare),
        pipeline=median(ours),
        ratios=median([ratio(a, b) for a, b in zip(ours, bare, strict=True)]),
        stages={name: percentiles(x for _, p in pairs for x in p.stages[name]) for name in STAGES},
        bare_stages={
            name: percentiles(x for b, _ in pairs for x in b.stages[name])
            for name in pairs[0][0].stages
        },
        added_latency=percentiles(x for _, p in pairs for x in p.added_latency_s),
        inferred_share=sum(stream.inferred for stream in streams) / frames,
        slowest_stream_share=min(slowest_share(one) for _, one in pairs),
        upstream_bytes_per_hour=statistics.median(bytes_per_hour(one) for _, one in pairs),
    )


def totals(one: BareFigures | PipelineFigures, memory_mb: float) -> Totals:
    """Return one round's figures."""
    return Totals(
        one.frames / one.wall_s,
        1000.0 * one.cpu_s / one.frames,
        memory_mb,
        one.first_result_s,
        one.first_result_cpu_s,
    )


def ratio(ours: Totals, bare: Totals) -> Totals:
    """Return each figure of ours as a multiple of the bare loop's."""
    pairs = zip(msgspec.structs.astuple(ours), msgspec.structs.astuple(bare), strict=True)
    return Totals(*(a / b for a, b in pairs))


def median(rounds: Sequence[Totals]) -> Totals:
    """Return the median of each figure."""
    columns = zip(*(msgspec.structs.astuple(one) for one in rounds), strict=True)
    return Totals(*(statistics.median(column) for column in columns))


def percentiles(seconds: Iterable[float]) -> Percentiles:
    """Return the percentiles of times; 0 where there are none."""
    ordered = sorted(seconds)
    if not ordered:
        return Percentiles(0.0, 0.0, 0.0)

    def at(part: float) -> float:
        return 1000.0 * ordered[min(len(ordered) - 1, int(len(ordered) * part))]

    return Percentiles(at(0.50), at(0.95), at(0.99))


def slowest_share(one: PipelineFigures) -> float:
    """Return what the slowest stream got of an even share of the frames."""
    counts = [stream.frames for stream in one.streams.values()]
    return min(counts) * len(counts) / sum(counts)


def bytes_per_hour(one: PipelineFigures) -> float:
    """Return what an hour of media sends upstream in results, in the bytes of their packets."""
    if not one.messages:
        return 0.0
    per_result = one.bytes_out / one.messages
    return sum(
        per_result * stream.results / (stream.last_s - stream.first_s) * 3600.0
        for stream in one.streams.values()
        if stream.last_s > stream.first_s
    )


def machine() -> str:
    """Name the machine: figures of another one are others."""
    return f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {processor()}"


def processor() -> str:
    """Return the processor's name as Linux tells it."""
    wanted: Callable[[str], bool] = lambda line: line.startswith(("model name", "Model"))  # noqa: E731
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123  a line of a kernel file
            return next(filter(wanted, file), "").partition(":")[2].strip() or "processor unknown"
    except OSError:
        return "processor unknown"


FIGURES = (
    (N_("frames/s"), "frames_per_s", 1),
    (N_("CPU s per 1,000 frames"), "cpu_s_per_1000", 2),
    (N_("memory, MiB"), "memory_mb", 1),
    (N_("start to first result, s"), "first_result_s", 2),
    (N_("  of which CPU, s"), "first_result_cpu_s", 2),
)


def table(told: BenchReport, language: Language) -> str:
    """Return the report for people."""
    heads = (language.text("bare loop"), language.text("pipeline"), language.text("ratio"))
    rows = [("", *heads)]
    for label, field, digits in FIGURES:
        a, b, c = (getattr(one, field) for one in (told.bare, told.pipeline, told.ratios))
        rows.append((language.text(label), f"{a:.{digits}f}", f"{b:.{digits}f}", f"{c:.2f}"))
    lines = [f"{a:28}{b:>14}{c:>14}{d:>8}" for a, b, c, d in rows]
    lines += ["", f"{language.text('stage, ms'):28}{'p50':>14}{'p95':>14}{'p99':>8}"]
    bare = {language.text("bare {stage}", stage=k): v for k, v in told.bare_stages.items()}
    stages = {**bare, **told.stages, language.text("added until sent"): told.added_latency}
    lines += [f"{k:28}{v.p50_ms:14.2f}{v.p95_ms:14.2f}{v.p99_ms:8.2f}" for k, v in stages.items()]
    lines += [
        "",
        language.text(
            "inferred {share:.0%} of the frames; slowest stream {slowest:.2f} of an even share; "
            "{size:,.0f} bytes upstream an hour of media",
            share=told.inferred_share,
            slowest=told.slowest_stream_share,
            size=told.upstream_bytes_per_hour,
        ),
        language.text(
            "{rounds} rounds of {frames} frames each, alternating; {broker}; {machine}",
            rounds=told.rounds,
            frames=told.frames,
            broker=told.broker,
            machine=told.machine,
        ),
    ]
    return "\n".join(lines)
