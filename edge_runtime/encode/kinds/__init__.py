"""The record kinds on the wire: one module a kind, found by the kind's name.

The list of kinds is the union in `records/body.py`; what a module lacks is an error at import.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from edge_runtime.encode.kinds.base import BirthNames, Outgoing, WireKind
from edge_runtime.records import RECORDS, Record

__all__ = ["WIRE_KINDS", "BirthNames", "Outgoing", "WireKind", "wire_kinds"]


def wire_kinds(records: Iterable[type[Record]]) -> dict[str, WireKind[Any]]:
    """Return the table of kinds by name. Raises TypeError that says what a kind lacks."""
    return {record.KIND: wire_kind(record) for record in records}


def wire_kind(record: type[Record]) -> WireKind[Any]:
    module = f"{__name__}.{record.KIND}"
    if find_spec(module) is None:
        raise TypeError(f"record kind {record.__name__} has no forms on the wire: no {module}")
    kind = getattr(import_module(module), "WIRE", None)
    if not isinstance(kind, WireKind) or kind.record is not record:
        raise TypeError(f"{module} has no WIRE = WireKind(record={record.__name__}, …)")
    return kind


WIRE_KINDS = wire_kinds(RECORDS)
