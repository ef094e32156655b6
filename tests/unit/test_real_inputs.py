"""Models as people bring them: what can be told of their input, and what is refused, with why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import PackError
from edge_runtime.infer.engines import open_backend
from edge_runtime.manifest import (
    InputSection,
    Manifest,
    ModelSection,
    OutputSection,
    Pack,
    PackSection,
    StatisticLevels,
)
from edge_runtime.model.resolve import open_pack_backend
from edge_runtime.model.runner import Model, ModelRunner
from edge_runtime.model.window_runner import WindowRunner
from edge_runtime.normalise import Normalisation, normalisation_of
from edge_runtime.preprocess import Preprocessor
from edge_runtime.raw import TensorSpec
from edge_runtime.records import Classification, Detections
from support.real_models import Bare, Stages, assert_same, read, rgb
from support.tflite_file import write_model

# Mean and std that people write: each is refused, or gives the model the publisher's own numbers.

IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
CHOICES: dict[str, dict[str, Any]] = {
    "left out": {},
    "0, 255": {"mean": 0.0, "std": 255.0},
    "127.5, 127.5": {"mean": 127.5, "std": 127.5},
    "0, 1": {"mean": 0.0, "std": 1.0},
    "128, 128": {"mean": 128.0, "std": 128.0},
    "ImageNet": IMAGENET,
    "ImageNet, of 0 to 1": {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    "std 255 alone": {"std": 255.0},
    "std 127.5 alone": {"std": 127.5},
}
TO_ONE = {"left out", "0, 255", "std 255 alone"}
AROUND_ZERO = {"left out", "127.5, 127.5", "128, 128", "std 127.5 alone"}
EIGHT_BITS = [
    ("models/coco_ssd_mobilenet_v1_1.0_quant.tflite", "ssd", AROUND_ZERO),
    ("models/mobilenet_v2_1.0_224_quant.tflite", "classification", AROUND_ZERO),
    ("models/movenet_single_pose_lightning_ptq.tflite", "movenet", {"left out", "0, 1"}),
    ("models/vww_96_int8.tflite", "classification", TO_ONE),
    ("zoo/ssd-tf2-int8/detect_quant.tflite", "ssd", TO_ONE),
    ("zoo/teachable-quant/model.tflite", "classification", TO_ONE),
    ("zoo/yolo26n-full-int8/yolo26n_full_integer_quant.tflite", "yolo", TO_ONE),
]


def taken(given: InputSection, decoder: Any, tensor: TensorSpec) -> Normalisation | str:
    """Return the mean and std of an input, or why they are refused."""
    try:
        return normalisation_of(given, OutputSection(decoder), tensor)
    except PackError as error:
        return str(error)


@pytest.mark.parametrize(("weights", "decoder", "right"), EIGHT_BITS)
def test_mean_and_std_are_refused_or_give_an_8_bit_model_its_publisher_s_pixels(
    data: Path, weights: str, decoder: Any, right: set[str]
) -> None:
    tensor = open_backend(data / weights, engine="auto", delegate=None).input
    image = read(data / "images" / "cat.bmp")
    pixels = rgb(image, tensor.shape[1])
    expected = pixels if tensor.dtype == "uint8" else (pixels.astype(np.int16) - 128)
    accepted = set()
    for name, given in CHOICES.items():
        section = InputSection(**given)
        chosen = taken(section, decoder, tensor)
        if isinstance(chosen, str):
            assert "of what the input tensor holds" in chosen.replace("outside", "of"), name
            assert re.search(r"; set mean = \d+, std = \d+$", chosen), name
            continue
        accepted.add(name)
        preprocessor = Preprocessor(section, tensor, chosen)
        buffer = preprocessor.new_buffer()
        preprocessor.fill(image, buffer)
        assert np.array_equal(buffer, expected), name
    assert accepted == right


@pytest.mark.parametrize(
    ("folder", "decoder", "shown"),
    [("ssd-tf2-int8", "ssd", "awake"), ("teachable-quant", "classification", "5 ROTTEN BANANA")],
)
def test_a_model_whose_mean_and_std_are_left_out_gives_the_bare_program_s_results(
    data: Path, folder: str, decoder: Any, shown: str
) -> None:
    (weights,) = (data / "zoo" / folder).glob("*.tflite")
    (names,) = (data / "zoo" / folder).glob("label*.txt")
    labels = tuple(names.read_text().splitlines())
    stages = Stages(weights, InputSection(), OutputSection(decoder), labels)
    image = read(data / "images" / "grace_hopper.bmp")
    outputs, found = stages.run(image, min_score=0.3)
    assert_same(outputs, Bare(weights).run(rgb(image, stages.backend.input.shape[1])))
    assert isinstance(found, Detections | Classification)
    best = found.objects[0] if isinstance(found, Detections) else found.classes[0]
    assert labels[best.class_id] == shown


@pytest.mark.parametrize(
    "weights", ["yolov8n-face/yolov8n-face_int8.tflite", "selfie-seg/selfie_segmentation.tflite"]
)
def test_a_float_model_without_mean_and_std_is_refused_with_the_usual_ones(
    data: Path, weights: str
) -> None:
    tensor = open_backend(data / "zoo" / weights, engine="auto", delegate=None).input
    for given, key in (({}, "mean"), ({"std": 255.0}, "mean"), ({"mean": 0.0}, "std")):
        said = taken(InputSection(**given), "yolo", tensor)
        assert isinstance(said, str)
        assert said.startswith(f"input.{key}: missing, and a float32 input does not tell it")
        assert "mean = 0, std = 255" in said
        assert "mean = 127.5, std = 127.5" in said


# What no decoder reads: the next step is said.


def model_of(
    weights: Path, given: InputSection, *labels: str, decoder: Any = "classification"
) -> Model:
    manifest = Manifest(
        PackSection("brought", "1", "classification", "none"),
        ModelSection(weights.name, "0" * 64),
        given,
        OutputSection(decoder),
    )
    return Model(Pack(weights.parent, manifest, labels), None, None, open_pack_backend("auto"))


NCHW = r"channels first \(NCHW\).*convert the model to \[1, 224, 224, 3\]"
PIXELS = r"; it looks like a segmentation model, .* which is not read here$"
CELLS = r"; it looks like a FOMO detector, .* which is not read here$"
ANCHORS = r"; it looks like a face or palm detector of MediaPipe, .* which is not read here$"


@pytest.mark.parametrize("decoder", ["classification", "yolo", "ssd"])
@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("nchw-mobilenet-v2", NCHW),
        ("selfie-seg", PIXELS),
        ("fomo-balloon", CELLS),
        ("blazeface-short", ANCHORS),
    ],
)
def test_a_model_that_no_decoder_reads_is_refused_with_what_to_do(
    data: Path, folder: str, decoder: Any, said: str
) -> None:
    (weights,) = (data / "zoo" / folder).glob("*.tflite")
    model = model_of(weights, InputSection(), "a", "b", decoder=decoder)
    with pytest.raises(PackError, match=said):
        ModelRunner(model)


# One value

LEVEL = StatisticLevels(of=("rms",))  # in dB: 0 for a signal whose root mean square is 1


def window(size: int, *features: StatisticLevels) -> InputSection:
    return InputSection(kind="window", rate_hz=100.0, size=size, features=features)


def test_a_regression_is_no_classification(data: Path) -> None:
    weights = data / "zoo" / "openmv-force-regress" / "force_int_quant.tflite"
    for labels in (("force",), ("weak", "strong")):
        with pytest.raises(PackError, match=r"one value that is not known for a probability") as no:
            WindowRunner(model_of(weights, window(36), *labels))
        assert "(float32 from FULLY_CONNECTED); a measurement (regression)" in str(no.value)


def test_the_one_value_of_a_sigmoid_is_a_score(tmp_path: Path) -> None:
    weights = write_model(tmp_path / "one.tflite", "LOGISTIC", (1, 1))
    loud = np.tile(np.array([[10.0], [-10.0]], np.float32), (32, 1))  # 20 dB
    quiet = loud / 100.0
    for labels, high, low in (
        (("loud",), [(0, 1.0)], [(0, 0.0)]),
        (("quiet", "loud"), [(1, 1.0), (0, 0.0)], [(0, 1.0), (1, 0.0)]),
    ):
        runner = WindowRunner(model_of(weights, window(64, LEVEL), *labels))
        for values, expected in ((loud, high), (quiet, low)):
            found = runner.run(values)
            assert isinstance(found, Classification)
            assert [(one.class_id, round(one.score, 6)) for one in found.classes] == expected


def test_one_value_of_a_softmax_or_of_something_else_is_no_score(tmp_path: Path) -> None:
    one = window(64, LEVEL)
    weights = write_model(tmp_path / "softmax.tflite", "SOFTMAX", (1, 1))
    with pytest.raises(PackError, match="softmax of one value, which is 1 whatever the input"):
        WindowRunner(model_of(weights, one, "loud"))
    weights = write_model(tmp_path / "tanh.tflite", "TANH", (1, 1))
    with pytest.raises(PackError, match=r"not known for a probability \(float32 from TANH\)"):
        WindowRunner(model_of(weights, one, "loud"))
