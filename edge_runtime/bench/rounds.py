"""Runs a configuration and the bare loop alternately, each round in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from edge_runtime.bench.figures import BareFigures, PipelineFigures, PipelineRequest
from edge_runtime.clock import Clock
from edge_runtime.errors import EdgeError, UsageError
from edge_runtime.manifest import Pack
from edge_runtime.model.engine_choice import engine_of
from edge_runtime.options import Config
from edge_runtime.packs.store import PackStore
from edge_runtime.stream.build import load_checked

WARM_UP_FRAMES = 10
ROUND_TIMEOUT_S = 3600.0


class Bench:
    """One configuration under measurement. `folder` is scratch: outbox, trials."""

    def __init__(
        self, config_file: Path, store_dir: Path, folder: Path, broker_url: str, store: PackStore,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._request = PipelineRequest(
            str(config_file), str(store_dir), str(folder / "state"), broker_url, 0.0
        )
        self._folder = folder
        self._config, packs = load_checked(config_file, store, clock)
        self._bare = bare_order(self._config, packs)

    def warm_up(self) -> None:
        """Take the model's trial, compile the modules: no round is to pay for either."""
        self.pipeline(WARM_UP_FRAMES)
        self.bare(WARM_UP_FRAMES)

    def pipeline(self, frames: int, *, workers: int = 0, flat_out: bool = True) -> PipelineFigures:
        """Run one round of the real pipeline."""
        request = msgspec.structs.replace(
            self._request,
            frames=frames,
            workers=workers,
            flat_out=flat_out,
            spawned_s=time.monotonic(),
        )
        # By way of the command line, as the daemon starts.
        answer = run_child(
            "edge_runtime", ["bench", "--round"], msgspec.json.encode(request), self._folder
        )
        return msgspec.json.decode(answer, type=PipelineFigures)

    def bare(self, frames: int) -> BareFigures:
        """Run one round of the bare loop on the first stream's clip and model."""
        order = {**self._bare, "frames": frames, "spawned_s": time.monotonic()}
        answer = run_child(
            f"{__package__}.bare", [msgspec.json.encode(order).decode()], b"", self._folder
        )
        return msgspec.json.decode(answer, type=BareFigures)


def bare_order(config: Config, packs: dict[str, Pack]) -> dict[str, object]:
    """Return what the bare loop is to do. Raises UsageError where it cannot do the same work."""
    stream = config.streams[0]
    clip = stream.source.clip
    if clip is None:
        raise UsageError(
            "streams[0].source.kind: bench compares with a loop that reads a file; "
            "give a `video`, or use --synthetic"
        )
    if stream.model_use.accelerator is not None:
        raise UsageError(
            "streams[0].model.delegate: bench compares with a loop on the CPU; take `delegate` out"
        )
    pack = packs[stream.name]
    engine = engine_of(pack, config.inference.engine)
    if engine.interpreter is None:
        raise UsageError(
            "streams[0].model.pack: bench compares with a loop on a TensorFlow Lite interpreter; "
            "{pack} runs on {engine}: give another pack",
            pack=pack.manifest.pack.name,
            engine=engine.name,
        )
    given = pack.manifest.input
    return {
        "clip": str(clip),
        "weights": str(pack.weights),
        "module": engine.interpreter,
        # Of float32 alone, whose pack says both.
        "mean": 0.0 if given.mean is None else given.mean,
        "std": 1.0 if given.std is None else given.std,
    }


def run_child(module: str, arguments: list[str], given: bytes, folder: Path) -> bytes:
    """Run one of the rounds' programs and return what it prints. Raises EdgeError.

    Compiled modules go to a folder of the benchmark's: an installed package has them, a checkout
    may not.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        input=given,
        env=environment,
        capture_output=True,
        timeout=ROUND_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise EdgeError(
            "a round of the benchmark failed with status {status}: {said}",
            status=done.returncode,
            said=said,
        )
    return done.stdout.rpartition(b"\n")[2] or done.stdout
