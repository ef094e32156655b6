"""Whether what came from a stranger is a value that JSON can carry, of bounded size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

MOST_VALUES = 100_000
DEEPEST = 16
MOST_INTEGER = 1 << 63


def check_json(value: Any, key_types: tuple[type, ...] = (str,)) -> None:
    """Raise ValueError where a value is none of JSON's, or one that nobody can mean.

    CBOR has more types, numbers without end, and references by which a few bytes make millions
    of values, or a list holds itself.
    """
    left = MOST_VALUES
    level = [value]
    for _ in range(DEEPEST):
        left -= sum(1 + len(one) for one in level if isinstance(one, dict | list))
        if left < 0:
            raise ValueError(f"more than {MOST_VALUES} values")
        level = [inner for one in level for inner in inside(one, key_types)]
        if not level:
            return
    raise ValueError(f"nested deeper than {DEEPEST}")


def inside(value: Any, key_types: tuple[type, ...]) -> Iterable[Any]:
    """Return what a list or an object holds. Raises ValueError where a value is not JSON's."""
    if isinstance(value, dict):
        if not all(type(key) in key_types for key in value):
            raise ValueError("a key that JSON cannot carry")
        return value.values()
    if isinstance(value, list):
        return value
    good = FITS.get(type(value))
    if good is None or not good(value):
        raise ValueError(f"a value that JSON cannot carry ({type(value).__name__})")
    return ()


FITS: dict[type, Callable[[Any], bool]] = {
    str: lambda _: True,
    bool: lambda _: True,
    type(None): lambda _: True,
    int: lambda number: -MOST_INTEGER <= number < MOST_INTEGER,
    float: math.isfinite,
}
