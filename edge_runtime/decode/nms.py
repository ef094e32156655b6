"""Non-maximum suppression: of each class, and of classes that stand for each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_runtime.boxes import iou
from edge_runtime.decode.tensors import Reals
from edge_runtime.label_groups import LabelGroups
from edge_runtime.records import Detection, Detections

# Two labels on one thing have nearly one box; a car before a bus, or beside it, has another.
DOUBLE_IOU = 0.6


def keep_best(boxes: Reals, class_ids: NDArray[np.intp], *, iou: float, limit: int) -> list[int]:
    """Return the rows to keep of (x1, y1, x2, y2) boxes sorted best first, at most `limit`.

    `boxes`: float64 (N, 4); `class_ids`: (N,).
    A box goes where a better one of its own class overlaps it by more than `iou`.
    """
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    alive = np.ones(len(boxes), bool)
    kept: list[int] = []
    while len(kept) < limit and alive.any():
        best = int(alive.argmax())
        kept.append(best)
        width = np.minimum(x2, x2[best]) - np.maximum(x1, x1[best])
        height = np.minimum(y2, y2[best]) - np.maximum(y1, y1[best])
        shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
        alive &= (class_ids != class_ids[best]) | (shared <= iou * (areas + areas[best] - shared))
        alive[best] = False
    return kept


def without_doubles(
    found: Detections, groups: LabelGroups, double_iou: float = DOUBLE_IOU
) -> Detections:
    """Return objects, best first, without the weaker one of two labels on one thing.

    Two boxes of one class are left alone: the class-wise suppression has judged them.
    """
    kept: dict[int, list[Detection]] = {}
    objects = []
    for one in found.objects:
        better = kept.setdefault(groups.of(one.class_id), [])
        if not any(
            other.class_id != one.class_id and iou(other.xyxy, one.xyxy) > double_iou
            for other in better
        ):
            better.append(one)
            objects.append(one)
    return Detections(tuple(objects))
