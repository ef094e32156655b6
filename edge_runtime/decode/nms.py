"""Class-wise non-maximum suppression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_runtime.decode.tensors import Reals


def keep_best(boxes: Reals, class_ids: NDArray[np.intp], *, iou: float, limit: int) -> list[int]:
    """Return the rows to keep of (x1, y1, x2, y2) boxes sorted best first, at most `limit`.

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
