"""Tries a model, on its delegate, in a child process: what crashes there crashes alone.

tflite-runtime does not check a model's file, and a stock libedgetpu crashes on newer runtimes:
either takes the process with it that tries them first.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from edge_runtime.errors import BackendError
from edge_runtime.infer.litert import Runtime, open_backend, runtime_name
from edge_runtime.options import Delegate
from edge_runtime.records import TensorSpec

# A damaged file made tflite-runtime fill 8 GB; models for these boards need a tenth of this.
MEMORY_LIMIT_BYTES = 1 << 30


class ProbeRequest(msgspec.Struct, frozen=True):
    """What the child is to try."""

    weights: str
    runtime: Runtime
    delegate: Delegate | None


class ProbeReport(msgspec.Struct, frozen=True):
    """A model that ran once: on which runtime, and its tensors."""

    runtime: str
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]


class Answer(msgspec.Struct, frozen=True):
    """The child's last line: a report or a reason."""

    report: ProbeReport | None = None
    refused: str | None = None


def probe(
    weights: Path, *, runtime: Runtime, delegate: Delegate | None, timeout_s: float
) -> ProbeReport:
    """Open a model and run it once on zeros, in a child; BackendError where that fails."""
    request = msgspec.json.encode(ProbeRequest(str(weights), runtime, delegate)).decode()
    subject = f"{weights}" if delegate is None else f"{weights} on {delegate.library}"
    try:
        child = subprocess.run(
            [sys.executable, "-m", __name__, request],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(
            f"{subject}: did not run within {timeout_s:g} s and was ended; {advice(delegate)}"
        ) from error
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise BackendError(f"{subject}: crashed its test process ({name}); {advice(delegate)}")
    return read_answer(child, subject)


def read_answer(child: subprocess.CompletedProcess[bytes], subject: str) -> ProbeReport:
    """Return the child's report; BackendError where it has none."""
    try:
        answer = msgspec.json.decode(child.stdout.strip().rpartition(b"\n")[2], type=Answer)
    except msgspec.DecodeError as error:
        said = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise BackendError(
            f"{subject}: its test process ended with status {child.returncode}: {said}"
        ) from error
    if answer.report is None:
        raise BackendError(answer.refused or f"{subject}: its test process gave no reason")
    return answer.report


def advice(delegate: Delegate | None) -> str:
    """Say what to do about a model that crashes or hangs."""
    if delegate is None:
        return "the file may be damaged: pull or import it again, or use runtime litert"
    return "the delegate's library may not fit this runtime: update it, or leave `delegate` out"


def answer_request(request: ProbeRequest) -> Answer:
    """Try what is asked for (in the child)."""
    try:
        backend = open_backend(
            Path(request.weights), runtime=request.runtime, delegate=request.delegate
        )
    except BackendError as error:
        return Answer(refused=str(error))
    return Answer(ProbeReport(runtime_name(request.runtime), backend.input, backend.outputs))


def main() -> None:
    """Be the child: a request as JSON in the first argument, the answer on standard output."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected: no core on the card
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    # A board with less than that: the kernel is to end this process, not the daemon.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    answer = answer_request(msgspec.json.decode(sys.argv[1], type=ProbeRequest))
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")


if __name__ == "__main__":
    main()
