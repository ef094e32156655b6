"""A stream on an accelerator beside one on the CPU: what the first does is said, and its own."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_runtime.daemon.status_socket import ask
from edge_runtime.model.delegate_opens import FILE
from support.daemon import Daemon, Ear, command
from support.delegates import ABORTS, ABORTS_AT_WORK, build_library, pack_without_golden
from support.road import stream, synthetic
from support.waiting import until

SOURCE = synthetic("rate_fps = 20")
MEASURED = {"library": "liballs.so", "nodes": 46, "nodes_taken": 46, "partitions": 1,
            "macs_share": 1.0}  # fmt: skip
SAID = "liballs.so took 46 of 46 operators, 100 % of the multiply-adds"


def streams_of(run: Daemon) -> dict[str, Any]:
    """Return what a daemon says of its streams; nothing where it does not answer yet."""
    told = ask(run.state) if run.state.is_dir() else None
    return told["streams"] if told is not None else {}


def has_state(run: Daemon, name: str, state: str) -> Callable[[], dict[str, Any] | None]:
    def look() -> dict[str, Any] | None:
        one = streams_of(run).get(name, {})
        return one if one.get("state") == state else None

    return look


def assert_the_other_works(run: Daemon) -> None:
    before = until(has_state(run, "cpu", "running"), "the other stream", within_s=60)["inferred"]
    until(lambda: streams_of(run)["cpu"]["inferred"] > before, "it goes on", within_s=60)


def test_what_an_accelerator_does_is_said_and_what_it_breaks_is_its_own_stream(
    tmp_path: Path, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    library = build_library(tmp_path / "liballs.so")
    model = f'pack = "{pack_without_golden(tmp_path)}", delegate = {{ library = "{library}" }}'
    run = daemon(stream("cpu", SOURCE) + stream("npu", SOURCE, model=model))
    config = ("--config", str(run.config), "--state-dir", str(run.state))

    run.start()
    told = until(lambda: streams_of(run).get("npu", {}).get("accelerator"), "it", within_s=60)
    assert told == MEASURED
    assert "accelerator" not in streams_of(run)["cpu"]
    until(has_state(run, "npu", "running"), "the stream", within_s=60)
    words = command("status", "--state-dir", str(run.state)).stdout
    (line,) = (one for one in words.splitlines() if "npu: running" in one)
    assert line.endswith(SAID)
    assert f"the running daemon has it: {SAID}" in command("doctor", *config, timeout_s=120).stdout
    ear.wait_for(lambda heard: any("npu" in one["streams"] for one in heard.of("health")))
    assert all("engine" not in one for h in ear.of("health") for one in h["streams"].values())
    assert streams_of(run)["cpu"]["engine"].split()[0] in ("ai-edge-litert", "tflite-runtime")
    assert run.stop() == 0
    assert not (run.state / FILE).exists()

    # An upgrade of the library that crashes crashes a test process.
    build_library(library, on_create=ABORTS)
    run.start()
    one = until(has_state(run, "npu", "degraded"), "it is said", within_s=60)
    assert "crashed its test process (SIGABRT)" in one["reason"]
    assert "accelerator" not in one
    assert_the_other_works(run)
    assert run.stop() == 0

    # One that its test process bears, and that crashes where the stream is at work.
    build_library(library, on_create=ABORTS_AT_WORK)
    process = run.start()
    one = until(has_state(run, "npu", "degraded"), "it is said", within_s=60)
    assert "crashed its process as it ran (SIGABRT)" in one["reason"]
    assert_the_other_works(run)
    assert process.poll() is None

    # What is mended is taken up again.
    build_library(library)
    process.send_signal(signal.SIGHUP)
    until(lambda: streams_of(run).get("npu", {}).get("accelerator") == MEASURED, "it", within_s=60)
    assert run.stop() == 0
