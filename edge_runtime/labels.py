"""A model's labels: whole on the board, short on the wire, and how a configuration names them.

The rule for the wire is part of the public contract (`encode/README.md`). Everything that shows a
label to a subscriber takes it from `wire_labels`, so that one label looks the same everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache

import msgspec

# Unicode code points of a label on the wire.
MOST_CHARACTERS = 64
# What the labels of one birth may come to, in bytes of JSON; also what a model's list may come to
# that is kept once beside the records instead of in them.
LISTED_BYTES = 16_384


def named(place: int, names: Sequence[str]) -> str:
    """Return a name by its place in a list; a place outside is shown as a number."""
    return names[place] if 0 <= place < len(names) else f"#{place}"


@lru_cache(maxsize=8)
def wire_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return labels as they go on the wire, each at its place, `MOST_CHARACTERS` long at most.

    A longer one ends before its first comma, where that leaves something short enough, else after
    63 characters and "…". Different labels that this would make equal bear their class id.
    """
    if all(len(label) <= MOST_CHARACTERS for label in labels):
        return labels
    places: dict[str, int] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, place)
    short = {label: shortened(label) for label in places}
    uses = Counter(short.values())
    taken = set(uses)
    for label, place in places.items():
        if len(label) > MOST_CHARACTERS and uses[short[label]] > 1:
            short[label] = distinguished(short[label], place, taken)
    return tuple(short[label] for label in labels)


def shortened(label: str) -> str:
    """Return one label as it goes on the wire where no other looks the same."""
    if len(label) <= MOST_CHARACTERS:
        return label
    first = label.partition(",")[0].strip()
    return first if 0 < len(first) <= MOST_CHARACTERS else label[: MOST_CHARACTERS - 1] + "…"


def distinguished(short: str, place: int, taken: Collection[str]) -> str:
    """Return a short label with its class id: `crane (#517)`."""
    mark, times = f" (#{place})", 0
    while (found := short[: MOST_CHARACTERS - len(mark)] + mark) in taken:
        times += 1
        mark = f" (#{place}.{times})"
    return found


def class_ids(names: Collection[str], labels: tuple[str, ...]) -> frozenset[int]:
    """Return which classes are meant by names, each a whole label or its form on the wire."""
    pairs = enumerate(zip(labels, wire_labels(labels), strict=True))
    return frozenset(place for place, (whole, wire) in pairs if whole in names or wire in names)


def wire_name(name: str, labels: tuple[str, ...]) -> str:
    """Return the form on the wire of a label that is named in either form."""
    return min((wire_labels(labels)[place] for place in class_ids((name,), labels)), default=name)


def listed_bytes(labels: Sequence[str]) -> int:
    """Return what a list of labels takes in a birth."""
    return len(msgspec.json.encode(labels))
