"""Polygons as people type them: whether they have an inside, and in which order of corners."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from edge_runtime.boxes import Point
from edge_runtime.errors import Text

# The lower edge of a box wavers by 2 to 3 % of the frame around somebody who stands still: who is
# inside has left once he is so far outside.
LEAVE_MARGIN = 0.03
TINY = 1e-9


def polygon_problem(polygon: tuple[Point, ...]) -> Text | None:
    """Say what is wrong with a polygon within the frame, and what to type; None where it is one."""
    corners = without_repeats(polygon)
    if breadth(corners) < TINY:
        return Text(
            "has no area: its corners lie on one line; give three corners that do not, or a rule "
            'of kind "line"'
        )
    if (crossing := next(crossings(corners), None)) is not None:
        first, second = (f"{show(a)}-{show(b)}" for a, b in crossing)
        ordered = round_the_middle(corners)
        if any(crossings(ordered)):
            return Text(
                "its edges {first} and {second} meet; list the corners in order round the area",
                first=first,
                second=second,
            )
        return Text(
            "its edges {first} and {second} cross; list the corners in order round the area: "
            "{corners}",
            first=first,
            second=second,
            corners=f"[{', '.join(map(show, ordered))}]",
        )
    if (across := breadth(corners)) < LEAVE_MARGIN:
        return Text(
            "is {across:.3f} of the frame across, less than the {margin:g} by which one has to "
            "leave it; draw it larger",
            across=across,
            margin=LEAVE_MARGIN,
        )
    return None


def outside_frame(point: Point) -> Text | None:
    """Say that a point is not in the frame; None where it is."""
    x, y = point
    if 0.0 <= x <= 1.0 and 0.0 <= y <= 1.0:
        return None
    return Text(
        "[{x}, {y}] lies outside the frame; coordinates are fractions from 0.0 to 1.0: divide "
        "pixels by the picture's width and height",
        x=x,
        y=y,
    )


def show(point: Point) -> str:
    """Return a point as the file spells it."""
    return f"[{point[0]:g}, {point[1]:g}]"


def without_repeats(polygon: tuple[Point, ...]) -> tuple[Point, ...]:
    """Leave out corners that repeat the one before; some close a polygon by its first corner."""
    return tuple(
        point for at, point in enumerate(polygon) if point != polygon[at - 1] or len(polygon) == 1
    )


def edges(corners: tuple[Point, ...]) -> list[tuple[Point, Point]]:
    """Return a polygon's edges, the last one back to its first corner."""
    return list(zip(corners, (*corners[1:], *corners[:1]), strict=True))


def crossings(
    corners: tuple[Point, ...],
) -> Iterator[tuple[tuple[Point, Point], tuple[Point, Point]]]:
    """Yield the pairs of edges that have more in common than the corner between them."""
    numbered = list(enumerate(edges(corners)))
    for (i, one), (j, other) in combinations(numbered, 2):
        if j == i + 1:
            folds = folded(one[0], one[1], other[1])
        elif (i, j) == (0, len(corners) - 1):
            folds = folded(other[0], other[1], one[1])
        else:
            folds = meet(one, other)
        if folds:
            yield one, other


def folded(before: Point, corner: Point, after: Point) -> bool:
    """Say whether an edge runs back on the one before it."""
    ahead = (after[0] - corner[0]) * (corner[0] - before[0])
    ahead += (after[1] - corner[1]) * (corner[1] - before[1])
    return abs(turn(before, corner, after)) < TINY and ahead < 0.0


def meet(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Say whether two edges have a point in common."""
    sides = turn(*one, other[0]), turn(*one, other[1])
    back = turn(*other, one[0]), turn(*other, one[1])
    if sides[0] * sides[1] < -(TINY**2) and back[0] * back[1] < -(TINY**2):
        return True
    ends = ((one, other[0]), (one, other[1]), (other, one[0]), (other, one[1]))
    return any(lies_on(edge, point) for edge, point in ends)


def turn(start: Point, end: Point, point: Point) -> float:
    """Return twice the area of a triangle, its sign by the way it turns."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def lies_on(edge: tuple[Point, Point], point: Point) -> bool:
    """Say whether a point lies on an edge, its ends included."""
    (x1, y1), (x2, y2) = edge
    return (
        abs(turn(*edge, point)) < TINY
        and min(x1, x2) - TINY <= point[0] <= max(x1, x2) + TINY
        and min(y1, y2) - TINY <= point[1] <= max(y1, y2) + TINY
    )


def breadth(corners: tuple[Point, ...]) -> float:
    """Return the least distance of two parallel lines that have all corners between them."""
    least = math.inf
    for start, end in combinations(corners, 2):
        length = math.dist(start, end)
        if length < TINY:
            continue
        distances = [turn(start, end, point) / length for point in corners]
        if min(distances) > -TINY or max(distances) < TINY:  # an edge of the hull
            least = min(least, max(map(abs, distances)))
    return 0.0 if math.isinf(least) else least


def round_the_middle(corners: tuple[Point, ...]) -> tuple[Point, ...]:
    """Return the corners in order round their middle, beginning with the first."""
    x = sum(corner[0] for corner in corners) / len(corners)
    y = sum(corner[1] for corner in corners) / len(corners)
    ordered = sorted(corners, key=lambda corner: math.atan2(corner[1] - y, corner[0] - x))
    first = ordered.index(corners[0])
    return (*ordered[first:], *ordered[:first])


def reach(start: Point, end: Point) -> tuple[float, float]:
    """Return how far a point of the frame can be from a line, on its left and on its right."""
    frame = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
    distances = [turn(start, end, corner) / math.dist(start, end) for corner in frame]
    return max(0.0, -min(distances)), max(0.0, *distances)
