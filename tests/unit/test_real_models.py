"""Published models on real pictures: what their publishers say, and a bare interpreter's outputs.

Each runs through the project's own stages (preprocess, backend, decoder) beside the shortest
program that does the same with OpenCV and the interpreter alone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.boxes import clip
from edge_runtime.manifest import InputSection, OutputSection
from edge_runtime.raw import Image
from edge_runtime.records import Classification, Detection, Detections, Pose
from support.real_models import Bare, Outputs, Stages, assert_same, read, rgb

SSD = "coco_ssd_mobilenet_v1_1.0_quant.tflite"
MOBILENET = "mobilenet_v2_1.0_224_quant.tflite"
MOVENET = "movenet_single_pose_lightning_ptq.tflite"
PERSON = "vww_96_int8.tflite"


@pytest.fixture(scope="module")
def mobilenet(data: Path) -> tuple[Stages, Bare, tuple[str, ...]]:
    labels = tuple((data / "models" / "imagenet_labels.txt").read_text().splitlines())
    weights = data / "models" / MOBILENET
    stages = Stages(
        weights, InputSection(mean=127.5, std=127.5), OutputSection("classification"), labels
    )
    return stages, Bare(weights), labels


@pytest.mark.parametrize(
    ("name", "label"),
    [("cat", "Egyptian cat"), ("grace_hopper", "military uniform"), ("sunflower", "daisy")],
)
def test_mobilenet_v2_names_its_publisher_s_pictures(
    data: Path, mobilenet: tuple[Stages, Bare, tuple[str, ...]], name: str, label: str
) -> None:
    stages, bare, labels = mobilenet
    image = read(data / "images" / f"{name}.bmp")
    outputs, found = stages.run(image, min_score=0.01)
    expected = bare.run(rgb(image, 224))
    assert_same(outputs, expected)
    assert isinstance(found, Classification)
    assert labels[found.classes[0].class_id] == label
    stored = expected[0][0]
    assert [c.score for c in found.classes] == [stored[c.class_id] / 256 for c in found.classes]
    assert len(found.classes) == min(10, int((stored >= 0.01 * 256).sum()))


def test_movenet_finds_its_publisher_s_keypoints(data: Path) -> None:
    weights = data / "models" / MOVENET
    stages = Stages(weights, InputSection(), OutputSection("movenet"), ())
    image = read(data / "images" / "squat.bmp")
    outputs, found = stages.run(image, min_score=0.5)
    assert_same(outputs, Bare(weights).run(rgb(image, 192)))
    assert isinstance(found, Pose)
    (person,) = found.people
    with (data / "models" / MOVENET.replace(".tflite", "_reference.csv")).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(person.keypoints)
    for row, (x, y, _score) in zip(rows, person.keypoints, strict=True):
        assert abs(x - float(row["keypoint_x"])) < 0.03, row
        assert abs(y - float(row["keypoint_y"])) < 0.03, row


@pytest.mark.parametrize(("name", "label"), [("squat", "person"), ("cat", "no person")])
def test_visual_wake_words_tells_a_person_from_a_cat(data: Path, name: str, label: str) -> None:
    weights = data / "models" / PERSON
    labels = ("no person", "person")
    stages = Stages(weights, InputSection(std=255.0), OutputSection("classification"), labels)
    image = read(data / "images" / f"{name}.bmp")
    outputs, found = stages.run(image, min_score=0.5)
    less_128 = (rgb(image, 96).astype(np.int16) - 128).astype(np.int8)
    assert_same(outputs, Bare(weights).run(less_128))
    assert isinstance(found, Classification)
    assert [labels[c.class_id] for c in found.classes] == [label]
    assert found.classes[0].score > 0.9


def frames(path: Path, *, every: int) -> Iterator[Image]:
    """Give one in so many frames of a clip."""
    clip_file = cv2.VideoCapture(str(path))
    for index in range(int(clip_file.get(cv2.CAP_PROP_FRAME_COUNT))):
        if clip_file.grab() and index % every == 0:
            yield clip_file.retrieve()[1].astype(np.uint8, copy=False)
    clip_file.release()


def bare_detections(outputs: Outputs, min_score: float) -> list[Detection]:
    """Read a detector's outputs as its publisher's example does."""
    boxes, classes, scores, count = outputs
    found = []
    for i in range(int(count[0])):
        if scores[0][i] >= min_score:
            y1, x1, y2, x2 = (clip(float(edge)) for edge in boxes[0][i])
            found.append(Detection(int(classes[0][i]), float(scores[0][i]), (x1, y1, x2, y2)))
    return found


def test_ssd_v1_gives_the_bare_program_s_boxes_over_a_clip(data: Path) -> None:
    weights = data / "models" / SSD
    labels = tuple((data / "models" / "coco_ssd_labelmap.txt").read_text().splitlines()[1:])
    given = InputSection(mean=127.5, std=127.5)
    stages = Stages(weights, given, OutputSection("ssd", label_offset=1), labels)
    bare = Bare(weights)
    seen = [0, 0]
    for image in frames(data / "video" / "one-by-one-person-detection.mp4", every=23):
        outputs, found = stages.run(image, min_score=0.5)
        expected = bare.run(rgb(image, 300))
        assert_same(outputs, expected)
        assert isinstance(found, Detections)
        assert list(found.objects) == bare_detections(expected, 0.5)
        seen[0] += 1
        seen[1] += sum(labels[o.class_id] == "person" for o in found.objects)
    assert seen[0] == 61
    assert seen[1] >= 40
