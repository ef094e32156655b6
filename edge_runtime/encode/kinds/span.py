"""The time that `counts` and `summary` speak of: it ends at the record's own moment."""

from __future__ import annotations

from typing import Any

from edge_runtime.encode.keys import THOUSANDTH, Key
from edge_runtime.encode.kinds.base import Fields
from edge_runtime.records import Stored


def span_to_json(stored: Stored, span_s: float) -> dict[str, Any]:
    """Return `from` and `to`."""
    wall_s = stored.stamp.wall_s
    return {"from": round(wall_s - span_s, 3), "to": round(wall_s, 3)}


def span_from_cbor(raw: Fields) -> dict[str, Any]:
    """Return `from` and `to` of a CBOR map."""
    wall_s = raw[Key.TS] / THOUSANDTH
    return {"from": round(wall_s - raw[Key.SPAN] / THOUSANDTH, 3), "to": wall_s}
