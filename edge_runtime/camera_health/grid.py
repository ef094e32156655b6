"""What one look at a camera's picture shows, on a grid in which pictures of any shape compare."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

# Cells, and places of the edge map in a cell.
CELL_ROWS, CELL_COLUMNS = 8, 10
CELL_STEP_Y, CELL_STEP_X = 6, 8
EDGE_SIZE = (CELL_COLUMNS * CELL_STEP_X, CELL_ROWS * CELL_STEP_Y)  # columns, rows
CELLS = CELL_ROWS * CELL_COLUMNS

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


class PictureLook(msgspec.Struct, frozen=True):
    """What one look at the averaged picture shows. Grids are (`CELL_ROWS`, `CELL_COLUMNS`).

    `edges` is the edge map (rows and columns of `EDGE_SIZE`), `detail` the strength of fine detail
    in each cell, `levels` its mean grey level, `bright` the share of it that is blown out.
    `flecks`: how many bright spots come and go in a picture, `flecked` in which share of the cells,
    both of the last half minute. `same_s`: for how long the frames have been the same, bit by bit.
    """

    edges: Floats
    detail: Floats
    levels: Floats
    bright: Floats
    highest: float
    flecks: float
    flecked: float
    same_s: float
