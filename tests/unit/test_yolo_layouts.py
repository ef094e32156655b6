"""Which layout an output is read in: by its number of boxes, never by how many labels there are."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from edge_runtime.boxes import WHOLE_FRAME
from edge_runtime.decode.base import ModelTensors, open_decoder
from edge_runtime.decode.yolo_layouts import END_TO_END, YoloLayout, find_layout
from edge_runtime.errors import PackError
from edge_runtime.manifest import OutputSection
from edge_runtime.raw import NO_FACTS, ModelFacts, TensorSpec
from edge_runtime.records import Detections
from support.crafted import Network
from support.packs import open_runner, pack_of

HEADS = {
    "": (8, 16, 32),
    "P6": (8, 16, 32, 64),
    "P2": (4, 8, 16, 32),
    "tiny": (16, 32),
    "one": (8,),
}
STRIDES = st.sampled_from(list(HEADS.values()))
# What a YOLO of so many classes gives for so many cells, and the layout in which it is read.
READ = {
    "v8": (lambda n, c: [(1, 4 + c, n)], YoloLayout(1, 4)),
    "v8 transposed": (lambda n, c: [(1, n, 4 + c)], YoloLayout(2, 4)),
    "v5": (lambda n, c: [(1, 3 * n, 5 + c)], YoloLayout(2, 5)),
    "v5 transposed": (lambda n, c: [(1, 5 + c, 3 * n)], YoloLayout(1, 5)),
}
OTHERS = {
    "OBB": lambda n, c: [(1, 5 + c, n)],
    "YOLOX": lambda n, c: [(1, n, 5 + c)],
    "segmentation": lambda n, c: [(1, 36 + c, n), (1, 160, 160, 32)],
    "pose": lambda n, c: [(1, 4 + c + 51, n)],
}
E2E_OTHERS = {"oriented boxes": 7, "masks": 38, "keypoints": 57}


def model_of(
    shapes: list[tuple[int, ...]],
    labels: int,
    size: tuple[int, int] = (640, 640),
    facts: ModelFacts = NO_FACTS,
) -> ModelTensors:
    return ModelTensors(
        TensorSpec("in", (1, *size, 3), "float32"),
        tuple(TensorSpec("out", shape, "float32") for shape in shapes),
        tuple(f"label {number}" for number in range(labels)),
        0.45,
        facts,
    )


def cells(size: tuple[int, int], strides: tuple[int, ...]) -> int:
    return sum(math.ceil(size[0] / s) * math.ceil(size[1] / s) for s in strides)


def refusal(model: ModelTensors) -> str:
    with pytest.raises(PackError) as told:
        find_layout(model)
    text = str(told.value)
    assert "???" not in text
    assert "add " not in text
    assert len(text) < 400
    return text


SIZES = st.tuples(st.integers(2, 40), st.integers(2, 40)).map(lambda s: (s[0] * 32, s[1] * 32))


@settings(max_examples=400, derandomize=True)
@given(
    kind=st.sampled_from([*READ, *OTHERS]),
    size=SIZES,
    strides=STRIDES,
    classes=st.integers(1, 120),
    off=st.sampled_from((-2, -1, 0, 1, 2)),
    said=st.booleans(),
)
@example("v8", (640, 640), (8, 16, 32), 80, -1, False)  # 5 + 79: once read as v5
@example("v5", (640, 640), (8, 16, 32), 80, 1, False)  # 4 + 81: once read as v8
@example("v8", (144, 256), (8,), 4, 0, False)  # village-road
@example("v8 transposed", (192, 320), (16, 32), 2, 0, False)  # [1, 300, 6]
def test_no_count_of_labels_turns_one_layout_into_another(
    kind: str, size: tuple[int, int], strides: tuple[int, ...], classes: int, off: int, said: bool
) -> None:
    labels = classes + off
    assume(labels > 0)
    make, layout = READ.get(kind) or (OTHERS[kind], None)
    shapes = make(cells(size, strides), classes)
    # Without a word of the file, these two with one label more are a YOLOv8's to the last number.
    assume(said or off != 1 or kind not in ("OBB", "YOLOX"))
    facts = ModelFacts(classes) if said else NO_FACTS
    # Widths that are a number of boxes, too, in the few cells of a small input.
    assume(all(shapes[0][axis] not in counts(size) for axis in (1, 2)
               if shapes[0][axis] < cells(size, strides)))  # fmt: skip
    model = model_of(shapes, labels, size, facts)
    if layout is not None and off == 0:
        assert find_layout(model) == layout
    else:
        text = refusal(model)
        if kind in OTHERS and off == 0 and (kind != "pose" or classes <= 5):
            assert kind in text
        elif layout is not None:
            assert f"{classes} classes" in text
            assert f"{labels} labels" in text


def counts(size: tuple[int, int]) -> set[int]:
    return {boxes * cells(size, strides) for strides in HEADS.values() for boxes in (1, 3)}


@settings(max_examples=200, derandomize=True)
@given(size=SIZES, boxes=st.integers(10, 1000), labels=st.integers(1, 120))
@example((640, 640), 300, 1)
@example((640, 640), 300, 2)
def test_six_numbers_a_box_are_the_best_boxes_where_no_grid_has_as_many(
    size: tuple[int, int], boxes: int, labels: int
) -> None:
    assume(boxes not in counts(size))
    assert find_layout(model_of([(1, boxes, 6)], labels, size)) == END_TO_END


def test_where_a_grid_has_as_many_the_graph_tells() -> None:
    size, shape = (192, 320), (1, 300, 6)  # heads of strides 16 and 32 have 300 cells
    picks = ModelFacts(picks_best=True)
    assert find_layout(model_of([shape], 2, size, picks)) == END_TO_END
    assert find_layout(model_of([shape], 2, size)) == YoloLayout(2, 4)
    assert "2 classes, labels.txt 80 labels" in refusal(model_of([shape], 80, size))


@pytest.mark.parametrize("labels", [1, 2, 79, 81])
def test_an_end_to_end_model_s_file_says_how_many_classes_it_has(labels: int) -> None:
    facts = ModelFacts(80, "detect", picks_best=True)
    assert find_layout(model_of([(1, 300, 6)], 80, facts=facts)) == END_TO_END
    text = refusal(model_of([(1, 300, 6)], labels, facts=facts))
    assert f"the model has 80 classes, labels.txt {labels} labels" in text


def test_heads_that_are_known_and_an_output_of_none() -> None:
    for strides in HEADS.values():
        boxes = cells((640, 640), strides)
        assert find_layout(model_of([(1, 7, boxes)], 3)) == YoloLayout(1, 4)
        assert find_layout(model_of([(1, 3 * boxes, 8)], 3)) == YoloLayout(2, 5)
    text = refusal(model_of([(1, 7, 8)], 3))
    assert "[1, 7, 8]; for an input of 640 rows and 640 columns a YOLOv8 gives 8400 boxes" in text
    assert "a YOLOv5 25200" in text
    # A transposed output with two classes, of a grid that is not known: too many for end-to-end.
    refusal(model_of([(1, 8000, 6)], 2))
    # And too few, unless the file says so.
    refusal(model_of([(1, 5, 6)], 1))
    assert find_layout(model_of([(1, 5, 6)], 1, facts=ModelFacts(picks_best=True))) == END_TO_END


@pytest.mark.parametrize(("what", "numbers"), E2E_OTHERS.items())
def test_end_to_end_models_of_other_tasks_are_named(what: str, numbers: int) -> None:
    assert what in refusal(model_of([(1, 300, numbers)], 1))


@pytest.mark.parametrize(
    ("task", "said"),
    [("segment", "masks"), ("pose", "keypoints"), ("obb", "oriented"), ("depth", "something else"),
     ("classify", 'decoder = "classification"')],
)  # fmt: skip
@pytest.mark.parametrize("labels", [14, 15, 16])
def test_a_file_that_says_another_task_is_believed(task: str, said: str, labels: int) -> None:
    assert said in refusal(model_of([(1, 20, 8400)], labels, facts=ModelFacts(15, task)))


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 84, 84), (64, 64)), ((1, 252, 84), (64, 64)), ((2, 84, 8400), (640, 640)),
     ((1, 4, 8400), (640, 640)), ((1, 5, 25200), (640, 640))],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_or_in_none_is_refused(
    shape: tuple[int, ...], size: tuple[int, int]
) -> None:
    for labels in (79, 80, 81):
        refusal(model_of([shape], labels, size))


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([(1, 12, 12, 4)], "a FOMO detector"),
        ([(1, 96, 96, 4)], "a segmentation model"),
        ([(1, 896, 16), (1, 896, 1)], "a face or palm detector of MediaPipe"),
        ([(1, 12, 12, 255), (1, 6, 6, 255), (1, 3, 3, 255)], "without its last layers"),
        ([(1, 10, 4), (1, 10), (1, 10), (1,)], 'outputs for decoder = "ssd"'),
        ([(1, 1, 17, 3)], 'outputs for decoder = "movenet"'),
        ([(1, 1000)], 'outputs for decoder = "classification"'),
        ([(1, 6, 56)], "for an input of 96 rows"),
        ([(3, 7)], '"yolo" reads [1, numbers, boxes]'),
    ],
)
def test_outputs_of_other_models_are_named(shapes: list[tuple[int, ...]], said: str) -> None:
    model = model_of(shapes, 3, (96, 96))
    with pytest.raises(PackError) as told:
        open_decoder(OutputSection("yolo"), model.outputs, model.labels, input_spec=model.input)
    assert said in str(told.value)


# End-to-end outputs

INPUT = TensorSpec("in", (1, 320, 640, 3), "float32")
ROWS = ((0.25, 0.25, 0.75, 0.75, 0.9, 1.0), (0.0, 0.0, 0.25, 0.5, 0.6, 0.0), (0.0,) * 6)
SEEN = [(1, 0.9, (0.25, 0.25, 0.75, 0.75)), (0, 0.6, (0.0, 0.0, 0.25, 0.5))]


def decoded(output: np.ndarray[Any, Any], labels: int = 2, **quantisation: Any) -> Detections:
    spec = TensorSpec("out", output.shape, output.dtype.name, **quantisation)
    names = tuple(map(str, range(labels)))
    decoder = open_decoder(OutputSection("yolo"), (spec,), names, input_spec=INPUT)
    found = decoder.decode([output], WHOLE_FRAME, min_score=0.3)
    assert isinstance(found, Detections)
    return found


def rows_of(*rows: tuple[float, ...], pixels: bool = False) -> np.ndarray[Any, Any]:
    output = np.zeros((1, 300, 6), np.float32)
    output[0, : len(rows)] = rows
    if pixels:
        output[..., :4] *= (640, 320, 640, 320)
    return output


@pytest.mark.parametrize("labels", [1, 2, 80])
@pytest.mark.parametrize("pixels", [False, True])
def test_end_to_end_rows_are_corners_score_and_class(labels: int, pixels: bool) -> None:
    found = decoded(rows_of(*ROWS, pixels=pixels), labels)
    for one, (class_id, score, box) in zip(found.objects, SEEN, strict=True):
        assert one.class_id == class_id  # beyond the one label it is #1
        assert one.score == pytest.approx(score)
        assert one.xyxy == pytest.approx(box)


def test_nothing_is_suppressed_twice() -> None:
    twice = (ROWS[0], (0.26, 0.25, 0.75, 0.75, 0.8, 1.0))
    assert len(decoded(rows_of(*twice)).objects) == 2


@pytest.mark.parametrize("class_id", [-1.0, 20_000.0, 1e30, math.nan, math.inf])
def test_a_class_that_is_none_is_left_out(class_id: float) -> None:
    row = (0.25, 0.25, 0.75, 0.75, 0.9, class_id)
    assert decoded(rows_of(row, ROWS[1])).objects == decoded(rows_of(ROWS[1])).objects


@pytest.mark.parametrize(
    ("labels", "scale", "pixels"), [(80, 79 / 255, False), (2, 1.05 / 255, False), (2, 0.9, True)]
)
def test_the_range_of_a_quantised_output_tells_pixels_from_fractions(
    labels: int, scale: float, pixels: bool
) -> None:
    box = np.array((0.0, 0.0, 60 / 640, 90 / 320) if pixels else (0.0, 0.0, 0.9, 0.9))
    edges = np.array((640, 320, 640, 320) if pixels else (1, 1, 1, 1))
    row = np.rint(np.array([*(box * edges), 1.0, 1.0]) / scale)
    output = np.zeros((1, 300, 6), np.uint8)
    output[0, 0] = row
    (found,) = decoded(output, labels, scale=scale).objects
    assert found.xyxy == pytest.approx(tuple(np.minimum(row[:4] * scale / edges, 1.0)))
    assert found.class_id == 1


def test_a_quantised_output_too_coarse_for_class_ids_is_refused() -> None:
    with pytest.raises(PackError, match=r"steps of 2\.5, which class ids"):
        decoded(np.zeros((1, 300, 6), np.uint8), 80, scale=2.5)


# Whole models


def craft(folder: Path, output: np.ndarray[Any, Any], described: dict[str, Any] | None) -> Path:
    made = Network()
    made.give(output)
    text = {"metadata.json": json.dumps(described)} if described else None
    return made.write(folder / "crafted.tflite", text)


CELLS = cells((64, 64), HEADS[""])  # 84
FRAME = np.zeros((64, 64, 3), np.uint8)


def v8_output(classes: int, axis: int = 1) -> np.ndarray[Any, Any]:
    output = np.zeros((1, 4 + classes, CELLS), np.float32)
    output[0, :4, 5] = 0.5, 0.5, 0.2, 0.4
    output[0, 4 + classes - 1, 5] = 0.8
    return output if axis == 1 else output.transpose(0, 2, 1)


def v5_output(classes: int, axis: int = 2) -> np.ndarray[Any, Any]:
    output = np.zeros((1, 3 * CELLS, 5 + classes), np.float32)
    output[0, 5, :5] = 0.5, 0.5, 0.2, 0.4, 0.8
    output[0, 5, -1] = 1.0
    return output if axis == 2 else output.transpose(0, 2, 1)


def best_output(classes: int) -> np.ndarray[Any, Any]:
    return rows_of((0.4, 0.3, 0.6, 0.7, 0.8, classes - 1))


@pytest.mark.parametrize(
    "make",
    [
        v8_output,
        lambda classes: v8_output(classes, 2),
        v5_output,
        lambda classes: v5_output(classes, 1),
        best_output,
    ],
    ids=["v8", "v8 transposed", "v5", "v5 transposed", "end-to-end"],
)
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_a_model_gives_its_box_with_its_labels_and_nothing_with_others(
    make: Any, classes: int, tmp_path: Path
) -> None:
    names = {str(number): f"class {number}" for number in range(classes)}
    model = craft(tmp_path, make(classes), {"task": "detect", "names": names})
    for labels in range(1, 6):
        folder = pack_of(tmp_path / str(labels), model, "a\nb\nc\nd\ne\n"[: 2 * labels])
        if labels != classes:
            with pytest.raises(PackError, match=f"{classes} classes, labels.txt {labels} labels"):
                open_runner(folder)
            continue
        (found,) = open_runner(folder).run(FRAME, 0.3).objects  # type: ignore[union-attr]
        assert found.class_id == classes - 1
        assert found.score == pytest.approx(0.8)
        assert found.xyxy == pytest.approx((0.4, 0.3, 0.6, 0.7))


def test_without_a_word_of_the_file_a_note_says_what_was_not_checked(tmp_path: Path) -> None:
    model = craft(tmp_path, best_output(2), None)
    assert "was not checked" in open_runner(pack_of(tmp_path / "e2e", model, "a\nb\n")).notes[0]
    model = craft(tmp_path, v8_output(2), None)
    assert open_runner(pack_of(tmp_path / "v8", model, "a\nb\n")).notes == ()


@pytest.mark.parametrize("value", [-0.7, 1.6, 30.0])
def test_angles_and_logits_where_scores_should_be_are_refused(value: float, tmp_path: Path) -> None:
    output = v8_output(3)
    output[0, 6, ::2] = value  # an oriented-box model of two classes, with three labels
    runner = open_runner(pack_of(tmp_path / "pack", craft(tmp_path, output, None), "a\nb\nc\n"))
    with pytest.raises(PackError, match="number 7 of each box should be a score"):
        runner.run(FRAME, 0.3)


def test_a_few_cells_beyond_one_are_no_reason(tmp_path: Path) -> None:
    output = v8_output(3)
    output[0, 6, :3] = 1.5, np.nan, -2.0
    runner = open_runner(pack_of(tmp_path / "pack", craft(tmp_path, output, None), "a\nb\nc\n"))
    assert len(runner.run(FRAME, 0.3).objects) == 1  # type: ignore[union-attr]
