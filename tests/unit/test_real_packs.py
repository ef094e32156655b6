"""Models as people bring them, with lists of labels that fit them and that do not."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from edge_runtime.cli.check import check
from edge_runtime.cli.models import ran_on
from edge_runtime.errors import EdgeError
from edge_runtime.model.fingerprint import fingerprint
from edge_runtime.model.resolve import open_pack_backend
from edge_runtime.model.runner import Model
from edge_runtime.model.trial import try_pack
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.records import Detections
from support.crafted import Network
from support.packs import open_runner, pack_of
from support.paths import ROOT
from support.road import copy_pack

YOLO26 = "zoo/yolo26n-full-int8/yolo26n_full_integer_quant.tflite"
SSD = "models/coco_ssd_mobilenet_v1_1.0_quant.tflite"
HALF = "mean = 127.5\nstd = 127.5"


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def refusal(folder: Path) -> str:
    with pytest.raises(EdgeError) as told:
        open_runner(folder)
    return str(told.value)


def test_yolo26_gives_the_bare_interpreter_s_boxes(data: Path, tmp_path: Path) -> None:
    names = lines(data / "zoo" / "yolo26n-full-int8" / "labels.txt")
    folder = pack_of(tmp_path / "pack", data / YOLO26, "\n".join(names))
    runner = open_runner(folder)
    assert "in steps of 0.31" in runner.notes[0]
    seen = []
    for picture in ("cat", "grace_hopper", "squat"):
        image = cv2.imread(str(data / "images" / f"{picture}.bmp"))
        assert image is not None
        found = runner.run(image.astype(np.uint8, copy=False), 0.25)
        assert isinstance(found, Detections)
        assert [(o.class_id, *o.xyxy) for o in found.objects] == bare_boxes(data / YOLO26, image)
        seen += [names[one.class_id] for one in found.objects]
    assert seen == ["cat", "person", "person"]


def bare_boxes(weights: Path, image: np.ndarray) -> list[tuple[float, ...]]:
    """Read the model as Ultralytics does: corners are fractions, the best first."""
    package = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")
    interpreter = package.Interpreter(model_path=str(weights), num_threads=1)
    interpreter.allocate_tensors()
    resized = cv2.cvtColor(cv2.resize(image, (640, 640)), cv2.COLOR_BGR2RGB)
    tensor = (resized.astype(np.int16) - 128).astype(np.int8)[None]
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
    interpreter.invoke()
    output = interpreter.get_output_details()[0]
    scale, zero_point = output["quantization"]
    rows = (interpreter.get_tensor(output["index"])[0].astype(float) - zero_point) * scale
    strong = rows[rows[:, 4] >= 0.25]
    return [(round(row[5]), *np.clip(row[:4], 0.0, 1.0)) for row in strong]


@pytest.mark.parametrize("labels", [1, 2, 79, 81])
def test_yolo26_with_another_count_of_labels_is_refused(
    labels: int, data: Path, tmp_path: Path
) -> None:
    names = [*lines(data / "zoo" / "yolo26n-full-int8" / "labels.txt"), "one more"][:labels]
    said = refusal(pack_of(tmp_path / "pack", data / YOLO26, "\n".join(names)))
    assert f"the model has 80 classes, labels.txt {labels} labels" in said


def test_coco_ssd_takes_its_own_lists_and_no_shifted_one(data: Path, tmp_path: Path) -> None:
    own = (data / "models" / "coco_ssd_labelmap.txt").read_text()
    gaps = (data / "zoo" / "labels" / "coco_labels_with_ids_and_gaps.txt").read_text()
    shifted = "\n".join(line.split(maxsplit=1)[1] for line in gaps.splitlines())

    def pack(name: str, labels: str, offset: int = 0) -> Path:
        more = f"label_offset = {offset}"
        return pack_of(tmp_path / name, data / SSD, labels, "ssd", more=more, given=HALF)

    for name, labels, offset in (("own", own, 1), ("gaps", gaps, 0)):
        folder = pack(name, labels, offset)
        open_runner(folder)
        found = open_pack(folder).labels
        assert (len(found), found[0], found[15], found[16]) == (90, "person", "bird", "cat")
    assert "its first line is the background: set label_offset = 1" in refusal(pack("bare", own))
    assert "90 classes, labels.txt 89 labels" in refusal(pack("twice", own, 2))
    assert "set label_offset = 0" in refusal(pack("gaps-1", gaps, 1))
    assert "90 classes, labels.txt 80 labels" in refusal(pack("shifted", shifted))


REFUSED = {
    "Edge TPU": ("yolov5n-int8-edgetpu/yolov5n-int8_edgetpu.tflite", "yolo",
                 'compiled for the Edge TPU: set delegate = "edgetpu"'),
    "pose": ("yolov8n-face/yolov8n-face_int8.tflite", "yolo", "for pose (keypoints)"),
    "BlazeFace": ("blazeface-short/face_detection_short_range.tflite", "yolo",
                  "a face or palm detector of MediaPipe"),
    "BlazeFace as ssd": ("blazeface-short/face_detection_short_range.tflite", "ssd",
                         "a face or palm detector of MediaPipe"),
    "FOMO": ("fomo-balloon/trained.tflite", "yolo", "a FOMO detector"),
    "FOMO as classes": ("fomo-balloon/trained.tflite", "classification", "a FOMO detector"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_read_here_is_refused_by_its_name(
    what: str, data: Path, tmp_path: Path
) -> None:
    file, decoder, said = REFUSED[what]
    labels = (data / "zoo" / file).parent / "labels.txt"
    text = refusal(pack_of(tmp_path / "pack", data / "zoo" / file, labels.read_text(), decoder))
    assert said in text
    assert len(text.removeprefix(str(tmp_path))) < 400


def test_segmentation_is_refused_whatever_the_runtime_makes_of_it(
    data: Path, tmp_path: Path
) -> None:
    file = data / "zoo" / "selfie-seg" / "selfie_segmentation.tflite"
    text = refusal(pack_of(tmp_path / "pack", file, "person", "classification"))
    assert "a segmentation model" in text or "Convolution2DTransposeBias" in text


def test_a_trial_hands_on_what_it_could_not_check(data: Path, tmp_path: Path) -> None:
    names = (data / "zoo" / "yolo26n-full-int8" / "labels.txt").read_text()
    folder = pack_of(tmp_path / "pack", data / YOLO26, names)
    (note, *_rest) = try_pack(open_pack(folder)).notes
    assert "an export with float outputs is better" in note


CONFIG = """
[device]
site = "s"
name = "d"
[broker]
url = "mqtt://127.0.0.1:1"
[[streams]]
name = "gate"
source = {{ kind = "synthetic", frames = 3 }}
model = {{ pack = "{pack}" }}
"""


def test_check_says_what_it_could_not_compare(tmp_path: Path) -> None:
    made = Network()
    made.give(np.zeros((1, 300, 6), np.float32))
    folder = pack_of(tmp_path / "pack", made.write(tmp_path / "m.tflite"), "a\nb\n")
    config = tmp_path / "edge.toml"
    config.write_text(CONFIG.format(pack=folder))
    done = CliRunner().invoke(check, ["--config", str(config), "--state-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert ": the model does not say how many classes" in done.output


def test_another_list_of_labels_is_tried_anew(tmp_path: Path) -> None:
    pack = open_pack(copy_pack(tmp_path))
    before = fingerprint(pack, "auto", None)
    (pack.folder / "labels.txt").write_text("person\nbicycle\ncar\ntruck\n")
    assert fingerprint(pack, "auto", None) != before


def test_packs_of_the_same_weights_share_no_interpreter(tmp_path: Path) -> None:
    keys = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pack = open_pack(copy_pack(tmp_path / name))
        keys.add(Model(pack, None, None, open_pack_backend("auto")).key)
    assert len(keys) == 2


def test_a_model_that_ran_on_no_golden_case_is_said_to_have_run_alone() -> None:
    pack = open_pack(ROOT / "models" / "bearing-vibration")
    assert ran_on(pack) == "gives its golden result"
    without = msgspec.structs.replace(pack.manifest, golden=None)
    assert "ran on a synthetic tone" in ran_on(msgspec.structs.replace(pack, manifest=without))
