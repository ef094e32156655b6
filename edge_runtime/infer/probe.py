"""Tries a model, on its delegate, in a child process: opened, and run once on zeros."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from edge_runtime.errors import BackendError, Heard, Text
from edge_runtime.infer.child import ask_child, be_confined
from edge_runtime.infer.litert import Runtime, open_backend, runtime_name
from edge_runtime.options import Delegate
from edge_runtime.raw import TensorSpec


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
    subject = subject_of(weights, delegate)
    answer = ask_child(
        __name__,
        msgspec.json.encode(ProbeRequest(str(weights), runtime, delegate)),
        subject=subject,
        timeout_s=timeout_s,
        advice=advice(delegate),
    )
    try:
        read = msgspec.json.decode(answer, type=Answer)
    except msgspec.DecodeError:
        raise BackendError(
            "{subject}: its test process gave no answer that can be read", subject=subject
        ) from None
    if read.report is None and read.refused:
        raise BackendError(Heard(read.refused))
    if read.report is None:
        raise BackendError("{subject}: its test process gave no reason", subject=subject)
    return read.report


def subject_of(weights: Path, delegate: Delegate | None) -> Text:
    """Name what is tried."""
    if delegate is None:
        return Text(str(weights))
    return Text("{file} on {library}", file=weights, library=delegate.library)


def advice(delegate: Delegate | None) -> Text:
    """Say what to do about a model that crashes or hangs."""
    if delegate is None:
        return Text("the file may be damaged: pull or import it again, or use runtime litert")
    return Text(
        "the delegate's library may not fit this runtime: update it, or leave `delegate` out"
    )


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
    """Be the child: a request as JSON on standard input, the answer on standard output."""
    channel = be_confined()
    answer = answer_request(msgspec.json.decode(sys.stdin.buffer.read(), type=ProbeRequest))
    os.write(channel, msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
