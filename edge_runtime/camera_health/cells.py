"""A look held against a reference, cell by cell: what is still there, what is gone, what is new."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_runtime.camera_health.grid import (
    CELL_COLUMNS,
    CELL_ROWS,
    CELL_STEP_X,
    CELL_STEP_Y,
    Floats,
    Mask,
    PictureLook,
)
from edge_runtime.camera_health.reference import Reference

# Fine detail (of the Laplacian, in grey levels). Noise of 8 levels leaves 0.5 in the average.
LEAST_DETAIL = 0.7
KNOWN_DETAIL = 1.6  # enough to miss it
CLEAR_DETAIL = 3.0  # enough to say that it is another
LOST = 0.4  # of what the light lets expect: less is gone
ALIKE = 0.4  # correlation of the edges in a cell: more is the same thing
LEAST_SPREAD = 0.15  # of the reference's differences in level: less is no picture of the scene
# An outline is sharp: so much more edge, beside the level, than there was. Measured on clips and
# drawn scenes: 66 places and more around a lorry, 1 at most around dirt, whose rims are soft.
SHARP_EDGE, SHARP_LEVEL = 0.15, 20.0
STRONG, LEAST_STRONG = 0.2, 5  # of the known cells, and cells: those with the most detail
NIGHT, WHITE = (
    60.0,
    200.0,
)  # grey levels: what was darker is lit, what was brighter may be blown out
DARKEST = 6.0  # grey levels: below, contrast no longer goes with the light


class Comparison(msgspec.Struct, frozen=True):
    """Cells by what became of the reference's detail. A cell is in one of three masks at most.

    `lost`: there should be detail and is none; `kept`: it is the same; `changed`: there is other
    detail, or some where there was none. All others are blank, or too dark to tell.
    `known`: how many cells should have detail; `lost_share`, `kept_share`: of that detail, so that
    a road's marking weighs more than the rim of a shadow. `strong_lost`, `strong_kept`: of the
    cells with the most of it. `sharpness`: how much of what the light lets expect a cell has, in
    the middle. `outline`: in how many places of a cell there is a sharp edge that was not there.
    `likeness`: of the grey levels, -1 to 1. `dazzled`: blown out by a light that was not there.
    """

    lost: Mask
    kept: Mask
    changed: Mask
    known: int
    lost_share: float
    kept_share: float
    strong_lost: float
    strong_kept: float
    sharpness: float
    outline: NDArray[np.int_]
    likeness: float
    dazzled: Mask

    @property
    def told(self) -> int:
        """Of how many cells anything can be said."""
        return int((self.kept | self.lost | self.changed).sum())


def compare(look: PictureLook, reference: Reference, steady: Floats) -> Comparison:
    """Hold a look against a reference; the light may be another one.

    `steady` as in `References`: where something stood lately a cell tells nothing.
    """
    is_steady = steady >= 0.5
    # A wall in half the light has half the contrast: what can be expected goes by each cell's own.
    light = (look.levels + DARKEST) / (reference.levels + DARKEST)
    expected = reference.detail * light
    is_known = is_steady & (expected >= KNOWN_DETAIL)
    is_lost = is_known & (look.detail < np.maximum(LOST * expected, LEAST_DETAIL))
    is_alike = correlation_by_cell(look.edges, reference.edges) >= ALIKE
    # What is new tells something only where it would have shown in the light of then.
    is_new = np.minimum(look.detail, look.detail / light) >= CLEAR_DETAIL
    is_blown = (look.bright >= 0.5) & (reference.levels < WHITE)
    is_kept = is_known & ~is_lost & is_alike
    strong = strongest(np.where(is_known, expected, 0.0), int(is_known.sum()))
    whole = max(1e-6, float(expected[is_known].sum()))
    return Comparison(
        lost=is_lost,
        kept=is_kept,
        changed=is_steady & (is_known | is_new) & ~is_lost & ~is_alike,
        known=int(is_known.sum()),
        lost_share=float(expected[is_lost].sum()) / whole,
        kept_share=float(expected[is_kept].sum()) / whole,
        strong_lost=float(is_lost[strong].mean()),
        strong_kept=float(is_kept[strong].mean()),
        sharpness=float(np.median((look.detail / expected)[is_known])) if is_known.any() else 1.0,
        outline=new_outline(look, reference, light),
        likeness=likeness(look.levels, reference.levels),
        dazzled=is_blown & (is_lost | (reference.levels < NIGHT)),
    )


def strongest(expected: Floats, known: int) -> Mask:
    """Return the cells with the most detail: marks that stay, where shadows make up the rest."""
    count = max(LEAST_STRONG, int(STRONG * known))
    return np.asarray(expected >= np.partition(expected.ravel(), -count)[-count])


def new_outline(look: PictureLook, reference: Reference, light: Floats) -> NDArray[np.int_]:
    """Return in how many places of each cell there is a sharp edge that was not there."""
    before = in_cells(reference.edges) * np.maximum(1.0, light)[..., np.newaxis]
    sharp = SHARP_EDGE * (look.levels + SHARP_LEVEL)[..., np.newaxis]
    return np.asarray(np.count_nonzero(in_cells(look.edges) - 1.5 * before > sharp, axis=2))


def correlation_by_cell(one: Floats, other: Floats) -> Floats:
    """Return for each cell how alike two edge maps are in it, -1 to 1."""
    a, b = in_cells(one), in_cells(other)
    a = a - a.mean(axis=2, keepdims=True)
    b = b - b.mean(axis=2, keepdims=True)
    both = np.sqrt((a * a).sum(axis=2) * (b * b).sum(axis=2))
    return np.asarray((a * b).sum(axis=2) / np.maximum(both, 1e-6), np.float32)


def in_cells(edges: Floats) -> Floats:
    """Return an edge map as (rows of cells, columns of cells, places in a cell)."""
    parts = edges.reshape(CELL_ROWS, CELL_STEP_Y, CELL_COLUMNS, CELL_STEP_X).swapaxes(1, 2)
    return parts.reshape(CELL_ROWS, CELL_COLUMNS, -1)


def likeness(levels: Floats, before: Floats) -> float:
    """Return how alike two grids of grey levels are, -1 to 1; 0 where hardly a trace is left."""
    a, b = levels - levels.mean(), before - before.mean()
    spread, spread_before = float(np.sqrt((a * a).sum())), float(np.sqrt((b * b).sum()))
    if spread <= LEAST_SPREAD * spread_before:
        return 0.0
    return float((a * b).sum()) / (spread * spread_before + 1e-6)
