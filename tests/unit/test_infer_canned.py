"""Recorded outputs in place of a model: in turn, to the end or round again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import BackendError
from edge_runtime.infer.base import Backend, ModelRefusedError
from edge_runtime.infer.canned import CannedBackend, CannedModel, load_canned, save_runs
from edge_runtime.raw import TensorSpec

MODEL = CannedModel(
    TensorSpec("in", (1, 2, 2, 3), "uint8", 0.5, 128),
    (TensorSpec("scores", (1, 3), "int8", 0.25, -3), TensorSpec("count", (1,), "float32")),
)
RUNS = [(np.array([[k, k + 1, -k]], np.int8), np.array([k / 3], np.float32)) for k in range(3)]
FRAME = np.zeros((1, 2, 2, 3), np.uint8)


def assert_gives(backend: Backend, run: tuple[np.ndarray[Any, Any], ...]) -> None:
    outputs = backend.infer(FRAME)
    assert [o.dtype for o in outputs] == [r.dtype for r in run]
    assert all(np.array_equal(o, r) for o, r in zip(outputs, run, strict=True))


def test_runs_come_in_turn_and_end_with_an_error() -> None:
    backend = CannedBackend(MODEL, RUNS)
    for run in RUNS:
        assert_gives(backend, run)
    with pytest.raises(BackendError, match="ends after 3 runs"):
        backend.infer(FRAME)


def test_runs_repeat() -> None:
    backend = CannedBackend(MODEL, RUNS, repeat=True)
    for run in RUNS * 2:
        assert_gives(backend, run)


def test_outputs_are_the_caller_s_own() -> None:
    run = tuple(output.copy() for output in RUNS[0])
    backend = CannedBackend(MODEL, [run], repeat=True)
    backend.infer(FRAME)[0][:] = 99
    assert_gives(backend, RUNS[0])


@pytest.mark.parametrize(
    "tensor", [FRAME[0], FRAME.astype(np.float32)], ids=["wrong shape", "wrong type"]
)
def test_input_is_held_to_the_model_s(tensor: np.ndarray[Any, Any]) -> None:
    with pytest.raises(BackendError, match="input"):
        CannedBackend(MODEL, RUNS).infer(tensor)


def test_closed_backend_refuses_and_closes_twice() -> None:
    backend = CannedBackend(MODEL, RUNS)
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        backend.infer(FRAME)


@pytest.mark.parametrize("runs", [[], [RUNS[0][:1]], [RUNS[0][::-1]]])
def test_outputs_are_held_to_the_model_s(runs: Any) -> None:
    with pytest.raises(BackendError):
        CannedBackend(MODEL, runs)


def test_recording_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "outputs.npz"
    save_runs(path, MODEL, RUNS)
    backend = load_canned(path)
    assert (backend.input, backend.outputs) == (MODEL.input, MODEL.outputs)
    for run in RUNS:
        assert_gives(backend, run)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_file_that_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outputs.npz"
    path.write_bytes(content)
    with pytest.raises(ModelRefusedError, match="no recording"):
        load_canned(path)


def test_archive_of_other_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outputs.npz"
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(ModelRefusedError, match="no recording"):
        load_canned(path)


def test_missing_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"missing\.npz"):
        load_canned(tmp_path / "missing.npz")


def test_outputs_of_another_number_of_runs_or_another_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "outputs.npz"
    save_runs(path, MODEL, RUNS)
    with np.load(path) as arrays:
        whole = dict(arrays)
    for spoiled in (whole["output_1"][:2], whole["output_1"].astype(np.float64)):
        np.savez(path, **{**whole, "output_1": spoiled})
        with pytest.raises(ModelRefusedError, match="no recording"):
            load_canned(path)
