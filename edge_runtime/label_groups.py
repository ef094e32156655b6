"""Labels that stand for each other: one thing that a model calls now by one, now by another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# What looks alike enough for a detector to waver, and is one thing in the world all the same.
# A rider and what he rides are two things: no group holds both.
ALIKE: tuple[tuple[str, ...], ...] = (
    (
        "car", "truck", "bus", "van", "minivan", "minibus", "coach", "lorry", "pickup",
        "pickup truck", "suv", "jeep", "taxi", "sedan", "hatchback", "vehicle", "other vehicle",
    ),
    (
        "bicycle", "bike", "e bike", "ebike", "electric bike", "motorbike", "motorcycle", "motor",
        "moped", "scooter", "motor scooter",
    ),
    ("tricycle", "awning tricycle", "three wheeler", "rickshaw", "auto rickshaw", "tuk tuk"),
    ("person", "pedestrian", "people", "man", "woman", "child", "boy", "girl"),
    (
        "cow", "cattle", "bull", "ox", "buffalo", "water buffalo", "horse", "donkey", "mule",
        "sheep", "goat",
    ),
    ("cat", "dog"),
)  # fmt: skip


class LabelGroups:
    """Which classes of a model stand for each other.

    `labels[class_id]` names a class. A pack's `own` groups go before the table: a label that one
    of them names is in that one alone, so that `[["car"], ["truck"]]` keeps the two apart.
    """

    def __init__(self, labels: Sequence[str] = (), own: Iterable[Sequence[str]] = ()) -> None:
        names = [plain(label) for label in labels]
        group_of = {name: number for number, names in enumerate(ALIKE) for name in names}
        for number, members in enumerate(own, start=len(ALIKE)):
            group_of.update((plain(name), number) for name in members)
        members_of: dict[int, list[int]] = {}
        for class_id, name in enumerate(names):
            if name in group_of:
                members_of.setdefault(group_of[name], []).append(class_id)
        self._first = {
            class_id: members[0]
            for members in members_of.values()
            if len(members) > 1
            for class_id in members
        }

    def __bool__(self) -> bool:
        """Say whether any two classes stand for each other."""
        return bool(self._first)

    def of(self, class_id: int) -> int:
        """Return a class id that all classes of one group share; its own where it has none."""
        return self._first.get(class_id, class_id)

    def widened(self, class_ids: frozenset[int]) -> frozenset[int]:
        """Return the classes together with those that stand for them."""
        firsts = {self.of(class_id) for class_id in class_ids}
        return class_ids | {class_id for class_id, first in self._first.items() if first in firsts}


def plain(label: str) -> str:
    """Return a label as the table spells it."""
    return label.lower().replace("-", " ").replace("_", " ").strip()


NO_GROUPS = LabelGroups()
