"""Models in processes of their own: the same outputs as inside, and every fault their own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import BackendError
from edge_runtime.infer import isolated
from edge_runtime.infer.base import ModelRefusedError
from edge_runtime.infer.engines import open_backend
from edge_runtime.infer.isolated import IsolatedBackend, open_isolated
from edge_runtime.isolation.children import ChildFactory
from support.paths import ROOT
from support.road import PACK

WEIGHTS = next(PACK.glob("*.tflite"))


@pytest.fixture(scope="module")
def children() -> Iterator[ChildFactory]:
    factory = ChildFactory(("numpy",), ("edge_runtime.infer.process",))
    yield factory
    factory.close()


@pytest.fixture
def model(children: ChildFactory) -> Iterator[IsolatedBackend]:
    backend = open_isolated(children, WEIGHTS, engine="auto", delegate=None)
    yield backend
    backend.close()


def process_of(backend: IsolatedBackend) -> int:
    assert backend._child is not None
    return backend._child.process


@pytest.mark.parametrize("pack", ["village-road", "bearing-vibration"])
def test_the_outputs_are_those_of_the_model_inside(children: ChildFactory, pack: str) -> None:
    weights = next((ROOT / "models" / pack).glob("*.tflite"))
    inside = open_backend(weights, engine="auto", delegate=None)
    outside = open_isolated(children, weights, engine="auto", delegate=None)
    assert (outside.input, outside.outputs) == (inside.input, inside.outputs)
    random = np.random.default_rng(1)
    for shared in (True, False, True):
        tensor = outside.new_input() if shared else inside.new_input()
        tensor[...] = random.integers(0, 100, tensor.shape).astype(tensor.dtype)
        for one, other in zip(inside.infer(tensor), outside.infer(tensor), strict=True):
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
    outside.close()
    with pytest.raises(BackendError, match="closed"):
        outside.infer(tensor)


def test_outputs_are_the_callers_own(model: IsolatedBackend) -> None:
    tensor = model.new_input()
    tensor[...] = 0
    first = model.infer(tensor)
    kept = [output.copy() for output in first]
    tensor[...] = 90
    model.infer(tensor)
    assert all(np.array_equal(one, other) for one, other in zip(first, kept, strict=True))


def test_its_process_can_open_nothing_once_the_model_is_open(model: IsolatedBackend) -> None:
    assert model.infer(model.new_input())  # what it takes up after it has given its files up
    limits = Path(f"/proc/{process_of(model)}/limits").read_text()
    assert re.search(r"^Max open files +0 +0 ", limits, re.MULTILINE), limits


def test_a_model_that_hangs_is_ended(
    model: IsolatedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "RUN_TIMEOUT_S", 0.3)
    process = process_of(model)
    os.kill(process, signal.SIGSTOP)
    with pytest.raises(BackendError, match="inference hangs"):
        model.infer(model.new_input())
    model.close()
    assert not Path(f"/proc/{process}/cmdline").exists()


@pytest.mark.parametrize(
    ("number", "reason"), [(signal.SIGSEGV, r"crashed .*SIGSEGV"), (signal.SIGKILL, "memory")]
)
def test_a_model_that_dies_is_told_with_how(
    model: IsolatedBackend, number: signal.Signals, reason: str
) -> None:
    os.kill(process_of(model), signal.SIGSTOP)
    errors: list[BackendError] = []

    def infer() -> None:
        try:
            model.infer(model.new_input())
        except BackendError as error:
            errors.append(error)

    worker = threading.Thread(target=infer)
    worker.start()
    os.kill(process_of(model), number)
    with contextlib.suppress(ProcessLookupError):  # SIGKILL needs no waking
        os.kill(process_of(model), signal.SIGCONT)
    worker.join()
    assert len(errors) == 1
    with pytest.raises(BackendError, match=reason):
        raise errors[0]


def test_what_cannot_be_opened_says_why_as_inside(children: ChildFactory, tmp_path: Path) -> None:
    missing, wrong = tmp_path / "none.tflite", tmp_path / "wrong.tflite"
    wrong.write_bytes(b"no model" * 100)
    for weights, kind in ((missing, BackendError), (wrong, ModelRefusedError)):
        with pytest.raises(kind) as inside:
            open_backend(weights, engine="auto", delegate=None)
        with pytest.raises(kind) as outside:
            open_isolated(children, weights, engine="auto", delegate=None)
        assert str(outside.value) == str(inside.value)
