"""Interpreters: real models, damaged files, delegates and runtimes that are missing or broken."""

from __future__ import annotations

import base64
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import BackendError, EdgeError
from edge_runtime.infer.base import EngineMissingError, ModelRefusedError
from edge_runtime.infer.engines import engine_for, engine_named, open_backend
from edge_runtime.model.trial import try_pack
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.raw import TensorSpec
from support.road import PACK, copy_pack
from support.tflite_file import write_model

ENGINES = ("litert", "tflite-runtime")
MISSING = [name for name in ENGINES if not engine_named(name).is_installed()]
# A model of one ADD of two float tensors, `left` and `right`.
TWO_INPUTS = (
    "eNptjzsOwjAMhr/QIFVqVDF06BHYuQNiYGBgZOUlwQL0dhyFQ3ACgp04CCQSOZb9P2L3wHq+nEFLx4RALR0vFVJBr+Gg"
    "kuwSAs9XjM7w8FF5eXNvpZ4SG9N06GlTVm7z5S+nKbpFzL4jC0z/r1eZ/9Rmuou2TvNk7DqcE79oH4brP2OJy3F/uBlW"
    "OMG2x3YpfPU/bXdK/+E74/h04Q1USRkL"
)


@pytest.fixture
def person_model(data: Path) -> Path:
    return data / "models" / "vww_96_int8.tflite"


def refusal(folder: Path, weights: bytes, engine: str = "auto") -> str:
    """Return why a trial refuses a pack with such weights; empty where it does not."""
    folder.mkdir(exist_ok=True)
    pack = open_pack(copy_pack(folder, weights))
    try:
        try_pack(pack, forced=engine)
    except EdgeError as error:
        return str(error)
    return ""


# Opening


def test_specs_are_the_model_s_own(person_model: Path) -> None:
    backend = open_backend(person_model, engine="auto", delegate=None)
    assert backend.input == TensorSpec(
        "input_1_int8", (1, 96, 96, 3), "int8", 0.003921568859368563, -128
    )
    output = TensorSpec("Identity_int8", (1, 2), "int8", 0.00390625, -128, "SOFTMAX")
    assert backend.outputs == (output,)


def test_outputs_are_the_caller_s_own(person_model: Path) -> None:
    backend = open_backend(person_model, engine="auto", delegate=None)
    black = np.full((1, 96, 96, 3), -128, np.int8)
    first = backend.infer(black)[0]
    kept = first.copy()
    backend.infer(np.full((1, 96, 96, 3), 127, np.int8))
    assert np.array_equal(first, kept)


def test_wrong_tensor_is_refused_and_the_model_still_runs(person_model: Path) -> None:
    backend = open_backend(person_model, engine="auto", delegate=None)
    for tensor in (np.zeros((1, 32, 32, 3), np.int8), np.zeros((1, 96, 96, 3), np.float32)):
        with pytest.raises(BackendError, match="failed as it ran"):
            backend.infer(tensor)
    assert backend.infer(np.zeros((1, 96, 96, 3), np.int8))[0].shape == (1, 2)


def test_closed_backend_refuses_and_closes_twice(person_model: Path) -> None:
    backend = open_backend(person_model, engine="auto", delegate=None)
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        backend.infer(np.zeros((1, 96, 96, 3), np.int8))


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"gone\.tflite: no such file"):
        open_backend(tmp_path / "gone.tflite", engine="auto", delegate=None)


def test_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(tmp_path, b"no model at all, only text")


def test_model_of_two_inputs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.tflite"
    path.write_bytes(zlib.decompress(base64.b64decode(TWO_INPUTS)))
    with pytest.raises(BackendError, match=r"two\.tflite: .*2 inputs \(left, right\)"):
        open_backend(path, engine="auto", delegate=None)


def test_an_input_whose_size_is_left_open_is_refused_and_a_batch_is_not(tmp_path: Path) -> None:
    path = tmp_path / "open.tflite"
    for shape, signature in (((1, 1, 1, 3), (1, -1, -1, 3)), ((1,), (-1,))):
        write_model(path, "TANH", shape, signature=signature)
        with pytest.raises(ModelRefusedError) as error:
            open_backend(path, engine="auto", delegate=None)
        why = str(error.value)
        assert f"open.tflite: the size of its input is left open, {list(signature)}" in why
        assert "convert the model with a fixed size" in why
    write_model(path, "TANH", (1, 8, 8, 3), signature=(-1, 8, 8, 3))
    backend = open_backend(path, engine="auto", delegate=None)
    assert backend.infer(np.zeros((1, 8, 8, 3), np.float32))[0].shape == (1, 8, 8, 3)


@pytest.mark.parametrize(
    ("weights", "operator"),
    [
        ("models/mobilenet_v2_1.0_224_quant.tflite", "SOFTMAX"),
        ("zoo/yamnet/yamnet_audio_classifier_with_metadata.tflite", "LOGISTIC"),
        ("zoo/openmv-force-regress/force_int_quant.tflite", "FULLY_CONNECTED"),  # dequantised
        ("models/movenet_single_pose_lightning_ptq.tflite", ""),  # no row of values
    ],
)
def test_the_operator_of_a_row_of_values_is_told(data: Path, weights: str, operator: str) -> None:
    backend = open_backend(data / weights, engine="auto", delegate=None)
    assert [output.operator for output in backend.outputs] == [operator]


# Engines


def test_an_engine_is_named_with_its_version(person_model: Path) -> None:
    package, version = engine_for(person_model).title.split()
    assert package in ("ai-edge-litert", "tflite-runtime")
    assert version[0].isdigit()
    assert open_backend(person_model).engine == f"{package} {version}"


@pytest.mark.skipif(not MISSING, reason="both engines are installed")
def test_a_missing_engine_says_what_to_install(tmp_path: Path) -> None:
    path = tmp_path / "any.tflite"
    path.touch()
    with pytest.raises(EngineMissingError, match=rf"installed \({MISSING[0]}\).*pip install"):
        open_backend(path, engine=MISSING[0], delegate=None)


@pytest.mark.parametrize(
    "code",
    [
        "class Interpreter:\n    def __init__(self, **_): raise SystemError('exception set')",
        "raise ImportError('numpy.core.multiarray failed to import')",
    ],
    ids=["tflite-runtime 2.14 on numpy 2", "cannot be imported"],
)
def test_a_broken_engine_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    why = refusal(tmp_path / "any", b"any", "tflite-runtime")
    assert "does not work here, with numpy" in why
    assert "'numpy<2'" in why


# Damaged weights


def damaged(model: bytes) -> list[tuple[str, bytes]]:
    """Return truncated, bit-flipped and overwritten variants of a model, and plain noise."""
    random = np.random.default_rng(7)
    variants = [(f"cut-{share}", model[: len(model) * share // 100]) for share in range(5, 100, 30)]
    for number in range(0, 10, 2):
        flipped = bytearray(model)
        # The graph's tables lie at the end of the file; flips in the weights go unnoticed.
        for place in random.integers(len(model) * 9 // 10, len(model), 2**number):
            flipped[place] ^= 1 << int(random.integers(8))
        variants.append((f"flip-{2**number}", bytes(flipped)))
    variants.append(("zeros-at-end", model[:-4096] + bytes(4096)))
    variants.append(("noise-after-header", model[:64] + random.bytes(len(model) - 64)))
    variants.append(("empty", b""))
    return variants


def test_damaged_weights_never_crash_the_caller(tmp_path: Path) -> None:
    variants = damaged((PACK / "village-road.tflite").read_bytes())
    with ThreadPoolExecutor(2) as pool:
        tried = pool.map(lambda one: refusal(tmp_path / one[0], one[1]), variants)
        refused = {name: why for (name, _), why in zip(variants, tried, strict=True) if why}
    assert len(variants) >= 12
    assert {"cut-5", "cut-65", "noise-after-header", "empty"} <= refused.keys()
    assert all(f"/{name}/" in why and "\n" not in why for name, why in refused.items())
