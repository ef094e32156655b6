"""What the outbox's fault tests share: results to append, and a consumer that keeps accounts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from edge_runtime.clock import Clock, Stamp
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import Outbox, Pacing
from edge_runtime.records import (
    Detection,
    Detections,
    Event,
    Gap,
    ModelRef,
    Result,
    Stored,
    Summary,
)

MODEL = ModelRef("coco-ssd", "9f3c1a2b" * 8, ("person", "bicycle", "car"))
FAST = Pacing(per_s=math.inf, jitter_s=0.0)


def plain(number: int, stamp: Stamp, *, objects: int = 2, stream: str = "gate") -> Result:
    """Return a detections result; `number` is its first object's track."""
    found = tuple(
        Detection(at % 3, 0.5 + fraction(number, at) / 2, box_of(number, at), number)
        for at in range(objects)
    )
    return Result(stream, stamp, Detections(found), MODEL)


def box_of(number: int, at: int) -> tuple[float, float, float, float]:
    """Return a box like a model's: four numbers of 24 bits that no compression makes smaller."""
    x, y, width, height = (fraction(number, 4 * at + side + 100) / 2 for side in range(4))
    return x, y, x + width, y + height


def fraction(number: int, at: int) -> float:
    """Return a number from 0 to 1 with the 24 bits of a float32, the same for the same."""
    return (number * 2_654_435_761 + at * 40_503 * 69_069 + number * at) % (1 << 24) / (1 << 24)


def alarm(number: int, stamp: Stamp) -> Result:
    """Return an event; `number` is its object's track, and says what its rule was called then."""
    body = Event("enter", Detection(0, 0.9, (0, 0, 1, 1), number), number % 20 // 10)
    return Result("gate", stamp, body, MODEL, rules=rules_of(number))


def rules_of(number: int) -> tuple[str, ...]:
    """Return the rules' names as they were configured when a result was made."""
    return f"gate-{number // 500}", f"yard-{number // 500}"


def number_of(stored: Stored) -> int | None:
    """Return the number a result was made with; None for gaps and summaries."""
    match stored.body:
        case Detections(objects=objects):
            return objects[0].track
        case Event(object=thing):
            return thing.track
        case _:
            return None


def open_box(
    folder: Path,
    clock: Clock,
    *,
    max_mb: float = 8.0,
    commit_s: float = 0.0,
    mark: Path | None = None,
) -> Outbox:
    """Open an outbox whose backlog is not slowed down."""
    options = OutboxOptions(max_mb=max_mb, commit_interval_s=commit_s)
    return Outbox.open(folder, options, clock, pacing=FAST, mark=mark)


class Account:
    """A subscriber: what arrived, what is declared not to come, what came twice.

    `unnamed` counts events whose rule's name is lost; one of another time is a fault at once.
    """

    def __init__(self) -> None:
        self.got: dict[tuple[int, int], Stored] = {}
        self.order: list[Stored] = []
        self.twice = 0
        self.unnamed = 0

    def receive(self, rows: Iterable[Stored]) -> None:
        for stored in rows:
            name = stored.boot, stored.seq
            if name in self.got:
                self.twice += 1
                assert type(self.got[name].body) is type(stored.body), "one name, two records"
            else:
                self.order.append(stored)
                self._look_at_names(stored)
            self.got[name] = stored

    def _look_at_names(self, stored: Stored) -> None:
        if isinstance(stored.body, Event) and stored.body.rule >= 0:
            place, said = stored.body.rule, stored.rule(stored.body.rule)
            self.unnamed += said == f"#{place}"
            number = number_of(stored)
            assert said in (f"#{place}", rules_of(number)[place]), "a rule's name of another time"

    def drain(self, box: Outbox, limit: int = 200, rows: int = 1 << 60) -> int:
        """Take and acknowledge until nothing comes any more; return how many came."""
        came = 0
        while came < rows:
            taken = box.take(limit)
            if not taken:
                settle(box)
                if not (taken := box.take(limit)):
                    return came
            self.receive(taken)
            box.acknowledge([stored.row for stored in taken])
            came += len(taken)
        return came

    @property
    def gaps(self) -> list[tuple[int, Gap]]:
        """Every gap, with the boot that it speaks of."""
        found = [(stored, stored.body) for stored in self.order]
        return [(b.of_boot or s.boot, b) for s, b in found if isinstance(b, Gap)]

    @property
    def summaries(self) -> list[Stored]:
        return [stored for stored in self.order if isinstance(stored.body, Summary)]

    def numbers(self) -> list[int]:
        """The numbers of the results that arrived, in the order they came first."""
        return [n for stored in self.order if (n := number_of(stored)) is not None]

    def unexplained(self, boot: int, last_seq: int, *, marked: bool = False) -> list[int]:
        """Return the seqs 1..last_seq that neither arrived nor were declared.

        A gap with count 0 speaks of an unknown number: from its seq on where there is no mark.
        """
        declared = [gap for of_boot, gap in self.gaps if of_boot == boot]
        return [
            seq
            for seq in range(1, last_seq + 1)
            if (boot, seq) not in self.got
            and not any(
                gap.from_seq <= seq and (seq <= gap.to_seq or (gap.count == 0 and not marked))
                for gap in declared
            )
        ]


def settle(box: Outbox) -> None:
    """Wait until everything is committed, and what was moved aside is taken over."""
    while not box.flush(30.0) or box.health().state == "corrupt_salvaging":
        assert box.health().state in ("ok", "corrupt_salvaging"), box.health()


def folder_bytes(folder: Path) -> int:
    """Return what a folder's files come to."""
    total = 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
