"""What kind of model outputs look like that a pack's decoder does not read."""

from __future__ import annotations

from math import prod

from edge_runtime.errors import Text
from edge_runtime.raw import TensorSpec

BLAZE_NUMBERS = (16, 18)  # a box and 6 or 7 keypoints
BLOCKS = (4, 8, 16)  # pixels a cell, of FOMO


def looks_like(decoder: str, picture: TensorSpec, specs: tuple[TensorSpec, ...]) -> Text | None:
    """Name the model that has such outputs, or the decoder that reads them; None where unknown."""
    shapes = [spec.shape for spec in specs]
    other = reader_of(shapes)
    if other is not None and other != decoder:
        return Text('these are outputs for decoder = "{decoder}"', decoder=other)
    kind = kind_of(picture.shape, shapes)
    return None if kind is None else Text("it looks like {kind}, which is not read here", kind=kind)


def reader_of(shapes: list[tuple[int, ...]]) -> str | None:
    """Return the decoder whose outputs have such shapes, of those that shapes alone tell."""
    if shapes == [(1, 1, 17, 3)]:
        return "movenet"
    if len(shapes) == 1 and 1 < prod(shapes[0]) == max(shapes[0]):
        return "classification"
    ranks = sorted(map(len, shapes))
    if ranks in ([0, 2, 2, 3], [1, 2, 2, 3]) and any(s[2:] == (4,) for s in shapes):
        return "ssd"
    return None


def kind_of(picture: tuple[int, ...], shapes: list[tuple[int, ...]]) -> Text | None:
    """Name a kind of model that no decoder here reads."""
    if sorted(map(len, shapes)) == [3, 3]:
        (_, boxes, numbers), (_, scored, classes) = sorted(shapes, key=lambda s: -s[2])
        if boxes == scored and classes == 1 and numbers in BLAZE_NUMBERS:
            return Text("a face or palm detector of MediaPipe, whose anchors are not in the file")
    if len(picture) != 4 or any(len(shape) != 4 for shape in shapes):
        return None
    height, width = picture[1:3]
    if len(shapes) > 1:
        return Text("the feature maps of a detector without its last layers")
    if shapes[0][1:3] == (height, width):
        return Text("a segmentation model, with a class for each pixel")
    if shapes[0][3] > 1 and any(
        shapes[0][1:3] == (height // block, width // block) for block in BLOCKS
    ):
        return Text("a FOMO detector, with a class for each cell")
    return None
