"""Objects in a frame, and tracks of them: what several kinds are made of."""

from __future__ import annotations

import msgspec

from edge_runtime.boxes import FULL_FRAME, Box


class Detection(msgspec.Struct, frozen=True, array_like=True):
    """One object: class id, score 0..1, box in fractions of the frame, track id (0: none)."""

    class_id: int
    score: float
    xyxy: Box
    track: int = 0


class TrackState(msgspec.Struct, frozen=True):
    """A confirmed track: best score so far, the boxes where it was last and first seen, and when.

    A track that is coasting (`visible` False) stays where it was last seen, so that no rule
    counts a movement that nobody saw.
    """

    id: int
    class_id: int
    score: float
    xyxy: Box
    since_s: float
    seen_s: float
    visible: bool
    first_xyxy: Box


def whole_frame(class_id: int, score: float) -> Detection:
    """Return a class as an object that fills the frame (a classifier's view of tracking)."""
    return Detection(class_id, score, FULL_FRAME)
