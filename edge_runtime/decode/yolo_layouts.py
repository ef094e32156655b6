"""Which layout a YOLO's output has. How many boxes it gives tells, and never how many labels.

Read by the labels, a list that is one too long or too short would turn one layout into another.
"""

from __future__ import annotations

from typing import NamedTuple

from edge_runtime.decode.base import ModelTensors
from edge_runtime.decode.classes import check_count, count_fault
from edge_runtime.decode.tensors import ShapeError, shape_error, the_output
from edge_runtime.errors import PackError, Text, located
from edge_runtime.raw import TensorSpec

# A head has a cell for every so many pixels either way. Known sets of heads, the usual one first:
# where a size fits several, the first counts.
STANDARD = (8, 16, 32)
P6 = (8, 16, 32, 64)
P2 = (4, 8, 16, 32)
TINY = (16, 32)
ONE_HEAD = (8,)
ORDER: tuple[tuple[tuple[int, ...], ...], ...] = ((STANDARD,), (P6, P2), (TINY, ONE_HEAD))
ANCHORS = 3  # boxes a cell, of YOLOv5 and its like
END_TO_END_NUMBERS = 6  # x1, y1, x2, y2, score, class
END_TO_END_BOXES = range(10, 1001)  # where the file says nothing: 300 is usual
MASK_NUMBERS = 32
FEW_CLASSES = 5  # of a model with keypoints: mostly one

TASKS = {
    "segment": Text("masks"),
    "pose": Text("keypoints"),
    "obb": Text("oriented boxes"),
    "classify": Text("whole pictures"),
}


class YoloLayout(NamedTuple):
    """Which axis holds a box's numbers, and where its class scores begin; 0: it has none.

    4: cx, cy, w, h, scores (YOLOv8). 5: the same with objectness before the scores (YOLOv5).
    0: x1, y1, x2, y2, score, class, the best boxes alone (end-to-end).
    """

    axis: int
    first_class: int


END_TO_END = YoloLayout(2, 0)


def find_layout(model: ModelTensors) -> YoloLayout:
    """Return the layout of a model's one output, with as many classes as it has labels.

    Raises PackError: for outputs of no known layout, for other kinds of model by name, and for
    labels that are not exactly the model's classes.
    """
    if not model.labels:
        raise PackError(located("output.labels", Text('"yolo" needs a label for every class')))
    check_task(model.facts.task)
    check_masks(model.outputs)
    spec = the_output("yolo", model.outputs)
    size = input_size(model.input)
    if len(spec.shape) != 3 or spec.shape[0] != 1:
        raise shape_error("yolo", Text("[1, numbers, boxes] or [1, boxes, numbers]"), [spec])
    found = layouts_of(spec.shape, size)
    if spec.shape[2] == END_TO_END_NUMBERS and is_end_to_end(model, found):
        check_count(model, model.facts.classes)
        return END_TO_END
    if not found:
        raise no_grid(spec, size)
    if len(found) > 1:
        text = Text("{shape} may be read in two ways for this input", shape=list(spec.shape))
        raise PackError(located("output.decoder", text))
    check_classes(model, spec, found[0])
    return found[0]


def layouts_of(shape: tuple[int, ...], size: tuple[int, int]) -> list[YoloLayout]:
    """Return the layouts in which one axis has a box for each cell of a known set of heads."""
    for sets in ORDER:
        found = [
            YoloLayout(axis, first_class)
            for strides in sets
            for axis in (1, 2)
            for first_class, boxes in ((4, 1), (5, ANCHORS))
            if shape[3 - axis] == boxes * cells(size, strides)
        ]
        # An axis of 4 numbers has no room for a class.
        if found := [one for one in found if shape[one.axis] > one.first_class]:
            return found
    return []


def cells(size: tuple[int, int], strides: tuple[int, ...]) -> int:
    """Return how many cells heads of these strides have; what is left at an edge is one, too."""
    height, width = size
    return sum(-(-height // stride) * -(-width // stride) for stride in strides)


def is_end_to_end(model: ModelTensors, found: list[YoloLayout]) -> bool:
    """Say whether an output [1, N, 6] holds the best boxes alone, not two classes of every cell."""
    if model.facts.picks_best:
        return True
    return not found and model.outputs[0].shape[1] in END_TO_END_BOXES


def check_classes(model: ModelTensors, spec: TensorSpec, layout: YoloLayout) -> None:
    """Raise PackError where a model does not have exactly the classes that its labels name."""
    classes = spec.shape[layout.axis] - layout.first_class
    said = model.facts.classes
    wanted = len(model.labels) if said is None else said
    if wanted == classes:
        check_count(model, classes)
        return
    fault = (
        count_fault(model, classes)
        if said is None
        else Text("the model has {shape}, its file says {count} classes",
                  shape=list(spec.shape), count=said)
    )  # fmt: skip
    if (kind := other_kind(classes - wanted, wanted, layout)) is not None:
        fault = Text(
            "{fault}; for {count} classes it is {kind}, which is not read here",
            fault=fault,
            count=wanted,
            kind=kind,
        )
    raise PackError(located("output.labels" if said is None else "output.decoder", fault))


def other_kind(more: int, classes: int, layout: YoloLayout) -> Text | None:
    """Name the model whose boxes have so many numbers more than those of a detector."""
    if more == MASK_NUMBERS:
        return Text("a segmentation model (32 numbers a mask)")
    if layout.first_class == 5:
        return None
    if more == 1:
        oriented = Text("a model of oriented boxes (OBB)")
        return oriented if layout.axis == 1 else Text("a YOLOX, or {other}", other=oriented)
    if classes <= FEW_CLASSES and more >= 6 and (more % 3 == 0 or more % 2 == 0):
        points = more // 3 if more % 3 == 0 else more // 2
        return Text("a pose model ({points} keypoints)", points=points)
    return None


def no_grid(spec: TensorSpec, size: tuple[int, int]) -> PackError:
    """Return the error for an output with no box for each cell, and no end-to-end model's."""
    _, boxes, numbers = spec.shape
    kinds = {
        END_TO_END_NUMBERS + 1: Text("oriented boxes (OBB)"),
        END_TO_END_NUMBERS + MASK_NUMBERS: Text("masks"),
        END_TO_END_NUMBERS + 3 * 17: Text("keypoints"),
    }
    if boxes in END_TO_END_BOXES and numbers in kinds:
        text = Text(
            '"yolo" reads [1, N, 6] of an end-to-end model; {shape} is one with {kind}: export '
            "one for detection",
            shape=list(spec.shape),
            kind=kinds[numbers],
        )
        return PackError(located("output.decoder", text))
    v8, p6, p2 = (cells(size, strides) for strides in (STANDARD, P6, P2))
    text = Text(
        "the model has {shape}; for an input of {height} rows and {width} columns a YOLOv8 gives "
        "{v8} boxes (P6 {p6}, P2 {p2}), a YOLOv5 {v5} (P6 {v5_p6}), an end-to-end model "
        "[1, N, 6]",
        shape=list(spec.shape),
        height=size[0],
        width=size[1],
        v8=v8,
        p6=p6,
        p2=p2,
        v5=ANCHORS * v8,
        v5_p6=ANCHORS * p6,
    )
    return ShapeError(located("output.decoder", text))


def check_task(task: str) -> None:
    """Raise PackError where the file says that it is no detector's."""
    if task == "classify":
        text = Text('the file says that the model is a classifier: set decoder = "classification"')
        raise PackError(located("output.decoder", text))
    if task not in ("", "detect"):
        text = Text(
            '"yolo" reads upright boxes; the file says that the model is for {task} ({what}): '
            "export one for detection",
            task=task,
            what=TASKS.get(task, Text("something else")),
        )
        raise PackError(located("output.decoder", text))


def check_masks(specs: tuple[TensorSpec, ...]) -> None:
    """Raise PackError for a segmentation model: beside its boxes it has what masks are made of."""
    ranks = sorted(len(spec.shape) for spec in specs)
    if ranks == [3, 4] and any(MASK_NUMBERS in s.shape[1::2] for s in specs if len(s.shape) == 4):
        shapes = ", ".join(str(list(spec.shape)) for spec in specs)
        text = Text(
            '"yolo" reads upright boxes; a model with {shapes} is for segmentation: export one '
            "for detection",
            shapes=shapes,
        )
        raise PackError(located("output.decoder", text))


def input_size(spec: TensorSpec) -> tuple[int, int]:
    """Return height and width of a picture's tensor."""
    if len(spec.shape) != 4:
        raise shape_error("yolo", Text("boxes in a picture [1, height, width, channels]"), [spec])
    return spec.shape[1], spec.shape[2]
