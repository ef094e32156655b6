"""What every record kind answers for itself, and the values that summaries are made of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Any, ClassVar, TypeAlias

import msgspec

# Lines of counts and summaries in a record that is made: of the longest labels so many fit into
# its budget.
LINES_A_RECORD = 180
MAX_LINES = 1100  # of counts and summaries


class Lane(IntEnum):
    """What goes first: alarms and events before everything, then plain results."""

    ALARM = 0
    PLAIN = 1


class SummaryValues(msgspec.Struct, array_like=True):
    """One name's values: how many, least, most, and what their mean is made of.

    `low` and `high`: between which `n` lies (None: where it is not in doubt, or was not estimated).
    """

    n: int
    least: float
    most: float
    total: float
    weight: float
    low: int | None = None
    high: int | None = None

    @classmethod
    def of(cls, value: float) -> SummaryValues:
        """Return what a single value comes to."""
        return cls(1, value, value, value, 1.0)

    def add(self, other: SummaryValues) -> None:
        """Take further values in."""
        self.low = None if self.low is None or other.low is None else self.low + other.low
        self.high = None if self.high is None or other.high is None else self.high + other.high
        self.n += other.n
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        self.total += other.total
        self.weight += other.weight


LabelOf: TypeAlias = Callable[[int], str]  # the name of a class id
NamedValues: TypeAlias = Iterator[tuple[str, SummaryValues]]


class Record(msgspec.Struct, frozen=True, array_like=True):
    """Root of what may be published. Stored as a msgpack array: add fields at the end only.

    A kind is a subclass with a tag of its own, in a module of its own, that defines all that is
    declared here: one that does not is refused when it is imported. Its forms on the wire are in
    `encode/kinds`, in the module of the same name.
    """

    KIND: ClassVar[str]  # the last level of its topic
    BUDGET_BYTES: ClassVar[int]  # on the wire, in its larger encoding: a larger one is not sent
    LANE: ClassVar[Lane]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if missing := [name for name in REQUIRED if name not in vars(cls)]:
            raise TypeError(f"record kind {cls.__name__} does not define {', '.join(missing)}")

    @abstractmethod
    def class_ids(self) -> Iterator[int]:
        """Yield the ids of the classes that it speaks of."""

    @abstractmethod
    def summary_rule(self, rules: Sequence[str], /) -> str:
        """Return the name of the rule whose values it holds; nothing where they are of none.

        `rules` are the names of the time when it was made. Values of two rules make two summaries.
        """

    @abstractmethod
    def summary_values(self, label: LabelOf, /) -> NamedValues:
        """Yield what it says of each label or channel, for a summary in its place.

        Nothing where a summary only counts it.
        """


REQUIRED = (
    "KIND",
    "BUDGET_BYTES",
    "LANE",
    "class_ids",
    "summary_rule",
    "summary_values",
)


def at_most(items: tuple[Any, ...], limit: int, what: str) -> None:
    """Raise ValueError where a record would grow past its bound."""
    if len(items) > limit:
        raise ValueError(f"{len(items)} {what} in one record; at most {limit}")
