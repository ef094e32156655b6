"""What is wrong with a camera's picture at one look, if anything is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_runtime.camera_health.cells import LEAST_DETAIL, Comparison
from edge_runtime.camera_health.grid import CELLS, Mask, PictureLook
from edge_runtime.records import CameraReason

SAME_S = 60.0  # longer than any encoder goes without a whole new picture: then bits differ
DARK_LEVEL = 14.0  # mean, of 255
DARK_HIGHEST = 60.0  # a lamp or two may shine
NIGHT_LEVEL = 80.0
FLECKS, FLECKED = 8.0, 0.6  # in each picture; of the cells: headlights keep to the road
BLOWN_OUT = 0.6  # of the picture
GLARE = 0.12  # of the picture, where it was not as bright before
BLANK = 0.04  # of the cells: no scene has so few with detail
LEAST_KNOWN = 10  # cells with detail to expect: with fewer nothing can be said
MOST_LOST = 0.6  # of the detail: covered, or out of focus
SHARP = 0.65  # as much of the detail as there is beside a soiled spot
STILL_LIKE = 0.6  # of grey levels: the scene is there, without its detail
MOST_KEPT = 0.4  # of the detail that was there: with more left it is the same view
MOST_STRONG_KEPT = 0.45  # of the cells with the most of it
LEAST_CHANGED = 0.15  # of it: another view has detail of its own
DIRT_CELLS = 4  # of 3 x 3 lost, and fewer left: a spot, no line that went with a shadow
DIRT_LOST = 0.06  # of the cells
OUTLINE_IN_CELL = 3
OUTLINE = 20  # places with a new sharp edge around a spot: something stands there


def best_of(comparisons: Sequence[Comparison]) -> Comparison | None:
    """Return the one that fits best, of those that tell anything."""
    telling = [one for one in comparisons if min(one.told, one.known) >= LEAST_KNOWN]
    return max(telling, key=lambda one: one.kept_share, default=None)


def fault_in(
    look: PictureLook, against: Comparison | None, *, was_light: bool, is_learnt: bool
) -> CameraReason:
    """Return what is wrong; empty: nothing. `was_light`: it was well lit just before it was dark.

    `against`: the reference that fits best, of any time of day. `is_learnt`: there are references.
    """
    if is_dark(look):
        return "covered" if was_light else "dark"
    if reason := fault_without_reference(look):
        return reason
    if not is_learnt:
        return "covered" if np.mean(look.detail >= LEAST_DETAIL) < BLANK else ""
    return fault_against(against) if against is not None else ""


def fault_without_reference(look: PictureLook) -> CameraReason:
    """Return what is wrong whatever the camera looks at."""
    if float(look.bright.mean()) >= BLOWN_OUT:
        return "overexposed"
    if look.same_s >= SAME_S:
        return "frozen"
    is_night = float(look.levels.mean()) < NIGHT_LEVEL
    is_flooded = look.flecks >= FLECKS and look.flecked >= FLECKED
    return "insects" if is_night and is_flooded else ""


def is_dark(look: PictureLook) -> bool:
    """Say whether next to nothing of the scene is lit."""
    return float(look.levels.mean()) < DARK_LEVEL and look.highest < DARK_HIGHEST


def fault_against(against: Comparison) -> CameraReason:
    """Return what is wrong by comparison with what was there before."""
    if int(against.dazzled.sum()) >= GLARE * CELLS:
        return "glare"
    lost, changed = int(against.lost.sum()), int(against.changed.sum())
    is_elsewhere = against.kept_share < MOST_KEPT and against.strong_kept < MOST_STRONG_KEPT
    if is_elsewhere and changed >= LEAST_CHANGED * against.known:
        return "moved"
    if min(against.lost_share, against.strong_lost) >= MOST_LOST:
        return "blurred" if against.likeness >= STILL_LIKE else "covered"
    if lost >= DIRT_LOST * CELLS and against.sharpness >= SHARP and has_a_spot(against):
        return "dirty"
    return ""


def has_a_spot(against: Comparison) -> bool:
    """Say whether detail is lost in a spot without a new outline: dirt, and nothing that stands."""
    if hidden_by_a_thing(against) is not None:
        return False
    in_spot = sums_of_nine(against.lost)
    seen = sums_of_nine(against.kept | against.changed)
    return bool(((in_spot >= DIRT_CELLS) & (seen < in_spot)).any())


def hidden_by_a_thing(against: Comparison) -> Mask | None:
    """Return the cells at which something stands that hides detail; None: there is none."""
    around = grown(against.lost)
    if against.outline[around].sum() < OUTLINE:
        return None
    return around | (against.outline >= OUTLINE_IN_CELL)


def sums_of_nine(mask: Mask) -> np.ndarray:
    """Return for each cell how many of the nine around and at it are set."""
    wide = np.pad(mask.astype(int), 1)
    rows, columns = mask.shape
    shifted = [wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return np.asarray(np.sum(shifted, axis=0))


def grown(mask: Mask) -> Mask:
    return np.asarray(sums_of_nine(mask) > 0)
