"""What a model's file says of itself, and what is said of files that are no model for here."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import BackendError
from edge_runtime.infer.base import ModelRefusedError
from edge_runtime.infer.engines import open_backend
from edge_runtime.infer.flatbuffer import flexbuffer_number
from edge_runtime.infer.model_file import read_facts
from edge_runtime.raw import NO_FACTS, ModelFacts
from support.crafted import Network, ssd_options
from support.road import PACK

BOXES = np.zeros((1, 84, 7), np.float32)


def network() -> Network:
    made = Network()
    made.give(BOXES)
    return made


@pytest.mark.parametrize("classes", [1, 90, 300, 70_000])
def test_a_detector_s_own_end_says_how_many_classes_it_has(classes: int, tmp_path: Path) -> None:
    made = Network()
    made.give_ssd(classes)
    assert read_facts(made.write(tmp_path / "m.tflite")) == ModelFacts(classes=classes)


@pytest.mark.parametrize("options", [b"", b"\0", b"\1\2\3", bytes(40), b"\xff" * 40])
def test_options_that_cannot_be_read_say_nothing(options: bytes, tmp_path: Path) -> None:
    made = network()
    made.custom("TFLite_Detection_PostProcess", options=options)
    assert read_facts(made.write(tmp_path / "m.tflite")).classes is None


@given(st.binary(max_size=60) | st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=4)))
@settings(max_examples=300)
def test_a_flexbuffer_of_any_bytes_is_read_or_is_none(spoilt: bytes | tuple[int, bytes]) -> None:
    pytest.importorskip("flatbuffers", reason="it comes with ai-edge-litert, not installed here")
    data = spoilt if isinstance(spoilt, bytes) else ssd_options(90)
    if isinstance(spoilt, tuple):
        at = spoilt[0] % len(data)
        data = data[:at] + spoilt[1] + data[at + len(spoilt[1]) :]
    try:
        found = flexbuffer_number(data, "num_classes")
    except (IndexError, ValueError):
        return
    assert found is None or isinstance(found, int)


TRAINER = {
    "task": "detect", "names": {"0": "person", "1": "car"}, "end2end": True, "args": {"nms": False},
}  # fmt: skip


@pytest.mark.parametrize(
    ("described", "facts"),
    [
        ({"metadata.json": json.dumps(TRAINER)}, ModelFacts(2, "detect", True)),
        (
            {"metadata.json": json.dumps({**TRAINER, "task": "obb", "end2end": False})},
            ModelFacts(2, "obb", False),
        ),
        (
            {"metadata.json": json.dumps({"args": {"nms": True}, "names": ["a"]})},
            ModelFacts(1, "", True),
        ),
        ({"temp_meta.txt": "{'stride': 32, 'names': {0: 'a', 1: 'b'}}"}, ModelFacts(2)),
        ({"labels.txt": "a\nb\n"}, NO_FACTS),
        ({"metadata.json": "[" * 100_000}, NO_FACTS),
        ({"metadata.json": '{"names": 3, "task": 4, "args": 5}'}, ModelFacts(task="4")),
        ({"temp_meta.txt": "{'names': open('x')}"}, NO_FACTS),
        ({"temp_meta.txt": "\0("}, NO_FACTS),
    ],
)
def test_what_a_trainer_wrote_behind_the_model(
    described: dict[str, str], facts: ModelFacts, tmp_path: Path
) -> None:
    assert read_facts(network().write(tmp_path / "m.tflite", described)) == facts


def test_a_damaged_file_says_nothing_and_never_fails(tmp_path: Path) -> None:
    file = tmp_path / "m.tflite"
    whole = (PACK / "village-road.tflite").read_bytes()
    assert read_facts(PACK / "village-road.tflite") == NO_FACTS
    random = np.random.default_rng(7)
    for _ in range(100):
        spoilt = bytearray(whole[: int(random.integers(0, 3000))])
        for at in random.integers(0, max(len(spoilt), 1), 20):
            spoilt[at : at + 1] = random.bytes(1)
        file.write_bytes(spoilt)
        assert isinstance(read_facts(file), ModelFacts)


def zipped(name: str) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "any text")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zipped("best/data.pkl"), "PyTorch model, only .tflite runs here: export it"),
        (b"\x80\x02\x8a\x0al\xfc\x9c" + bytes(20), "PyTorch model"),
        (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0" + bytes(20), "this is ONNX"),
        (b"\x08\x0a:\x90\x01" + b"onnx" * 4, "convert it with onnx2tf"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "Keras model, only .tflite runs here"),
        (zipped("config.json"), "Keras model"),
        (zipped("detect.tflite"), "this is a .zip: unpack it"),
        (b"<html>not found</html>", "this is no .tflite"),
    ],
)
def test_a_file_of_another_kind_is_named(data: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "m.tflite"
    file.write_bytes(data)
    with pytest.raises(ModelRefusedError) as told:
        open_backend(file, engine="auto", delegate=None)
    assert said in str(told.value)
    assert str(told.value).startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        ("edgetpu-custom-op", 'compiled for the Edge TPU: set delegate = "edgetpu"'),
        ("ethos-u", "compiled for Arm's Ethos-U"),
        ("FlexErf", "operators of the whole TensorFlow"),
        ("MyOwn", "cannot run it"),
    ],
)
def test_a_model_with_operators_of_elsewhere_says_what_to_do(
    operator: str, said: str, tmp_path: Path
) -> None:
    made = network()
    made.custom(operator, [0], [])
    file = made.write(tmp_path / "m.tflite")
    with pytest.raises(BackendError) as told:
        open_backend(file, engine="auto", delegate=None)
    assert said in str(told.value)
