"""Which records of a device came, by (boot, seq): what came twice, and which are missing.

Pure: no clock, no I/O; time comes with the messages, in monotonic seconds.

Within a boot `seq` rises by one a record, but records do not arrive in that order: a device sends
in lanes (alarms and events first, then plain results, an old backlog beside them), and each lane is
in order for itself. So a number that is passed over is a hole only after a grace time, in which
nothing late came from the device either: while a backlog drains, what is missing is on its way.

What was sent before the consumer came is no hole where it lies before all that came. Where it lies
in between, as an alarm that had overtaken a backlog, it cannot be told from one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from edge_runtime.consume.items import SequenceHole
from edge_runtime.spans import Spans

# Bounds of memory: who may write to a broker can invent devices, boots and numbers.
MOST_DEVICES = 20_000
MOST_BOOTS = 16  # of a device
MOST_PENDING = 1000  # runs of a device that may turn out to be holes
MOST_SPANS = 10_000  # of a boot


class TrackingLosses(msgspec.Struct):
    """How much is not tracked any more because a bound was reached."""

    devices: int = 0
    boots: int = 0
    parts: int = 0  # of boots: their lower numbers
    holes: int = 0

    def __bool__(self) -> bool:
        return bool(self.devices or self.boots or self.parts or self.holes)


class PassedOver(msgspec.Struct, frozen=True):
    """Numbers that were passed over, both ends included, and when."""

    since_s: float
    boot: int
    first: int
    last: int


class BootLedger:
    """What came of one boot, and what gaps explain.

    `floor`: of what lies at or below it nothing is known any more.
    """

    def __init__(self, expected: int | None, losses: TrackingLosses) -> None:
        self.floor = 0
        self.seen = Spans()
        self.explained = Spans()
        self._losses = losses
        # The numbers that were looked at lie between these; `expected`: the first that is to come.
        self._first = expected
        self._last = 0 if expected is None else expected - 1

    def note(self, seq: int) -> tuple[int, int] | None:
        """Take a record in; return the run that it passes over, where it does."""
        if seq <= self.floor:
            return None
        passed_over = None
        if self._first is None:
            self._first, self._last = seq, seq
        elif seq > self._last + 1:
            passed_over = (self._last + 1, seq - 1)
        elif seq < self._first - 1:
            passed_over = (seq + 1, self._first - 1)
        self._first, self._last = min(self._first, seq), max(self._last, seq)
        self._add(self.seen, seq, seq)
        return passed_over

    def explain(self, first: int, last: int) -> None:
        """Take in what a gap says."""
        self._add(self.explained, max(first, self.floor + 1), last)

    def missing(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the runs of first..last that neither came nor are explained."""
        for low, high in self.seen.missing(max(first, self.floor + 1), last):
            yield from self.explained.missing(low, high)

    def _add(self, spans: Spans, first: int, last: int) -> None:
        spans.add(first, last)
        if len(spans) > MOST_SPANS:
            self._forget(list(spans)[MOST_SPANS // 2][0] - 1)

    def _forget(self, floor: int) -> None:
        """Let go of what lies at or below a number."""
        self._losses.parts += 1
        self.floor = floor
        self.seen, self.explained = (
            Spans((max(first, floor + 1), last) for first, last in spans if last > floor)
            for spans in (self.seen, self.explained)
        )


class DeviceLedger:
    """The records of one device: one boot after the other, the latest `MOST_BOOTS` of them."""

    def __init__(self, site: str, device: str, grace_s: float, losses: TrackingLosses) -> None:
        self.site = site
        self.device = device
        self.pending: list[PassedOver] = []
        self.boots: dict[int, BootLedger] = {}
        self._grace_s = grace_s
        self._losses = losses
        self._known_boot: int | None = None
        self._late_s = -math.inf

    def note(self, boot: int, seq: int, now_s: float) -> bool:
        """Take a record in; False where it came before."""
        ledger = self._boot(boot)
        if seq in ledger.seen:
            return False
        passed_over = ledger.note(seq)
        if passed_over is not None:
            self.pending.append(PassedOver(now_s, boot, *passed_over))
            if len(self.pending) > MOST_PENDING:
                del self.pending[0]
                self._losses.holes += 1
        return True

    def note_boot(self, boot: int) -> None:
        """Take in which boot a device is at: later ones are expected from their first record."""
        if self._known_boot is None:
            self._known_boot = boot

    def note_late(self, now_s: float) -> None:
        """Take in that more is on its way: a backlog drains, a link broke or came back."""
        self._late_s = now_s

    def explain(self, boot: int, first: int, last: int) -> None:
        """Take in what a gap says: these numbers will not come."""
        self._boot(boot).explain(first, last)

    def due(self, now_s: float) -> Iterator[SequenceHole]:
        """Yield each hole once, when the grace time has passed and nothing has filled it."""
        if self.quiet_s(now_s) < self._grace_s:
            return
        due = [one for one in self.pending if now_s - one.since_s >= self._grace_s]
        self.pending = [one for one in self.pending if now_s - one.since_s < self._grace_s]
        for one in due:
            for first, last in self.boots[one.boot].missing(one.first, one.last):
                yield SequenceHole(self.site, self.device, one.boot, first, last)

    def missing(self, hole: SequenceHole) -> int | None:
        """Return how many records of a hole are missing; None where that is tracked no longer."""
        boot = self.boots.get(hole.boot)
        if boot is None or hole.from_seq <= boot.floor:
            return None
        return sum(last - first + 1 for first, last in boot.missing(hole.from_seq, hole.to_seq))

    def quiet_s(self, now_s: float) -> float:
        """Return how long nothing late has come."""
        return now_s - self._late_s

    def _boot(self, number: int) -> BootLedger:
        if self._known_boot is None:
            self._known_boot = number
        ledger = self.boots.pop(number, None)
        if ledger is None:
            # Of the boot that was under way when we came, and of those before it, the beginning
            # may have been sent already.
            ledger = BootLedger(1 if number > self._known_boot else None, self._losses)
        self.boots[number] = ledger  # at the end: of too many the one unheard of longest goes
        if len(self.boots) > MOST_BOOTS:
            self._forget(next(iter(self.boots)))
        return ledger

    def _forget(self, number: int) -> None:
        del self.boots[number]
        kept = [one for one in self.pending if one.boot != number]
        self._losses.boots += 1
        self._losses.holes += len(self.pending) - len(kept)
        self.pending = kept
        # Should it come again, its beginning is not to be expected.
        self._known_boot = max(self._known_boot or 0, number)


class SequenceLedger:
    """The ledgers of all devices, the `MOST_DEVICES` of which something came last."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._devices: dict[tuple[str, str], DeviceLedger] = {}
        self._pending: dict[tuple[str, str], DeviceLedger] = {}
        self._losses = TrackingLosses()

    def of(self, site: str, device: str) -> DeviceLedger:
        """Return the ledger of a device, a new one where there is none."""
        place = site, device
        ledger = self._devices.pop(place, None)
        if ledger is None:
            ledger = DeviceLedger(site, device, self._grace_s, self._losses)
        self._devices[place] = ledger
        if len(self._devices) > MOST_DEVICES:
            self._forget(next(iter(self._devices)))
        return ledger

    def note(self, site: str, device: str, boot: int, seq: int, now_s: float) -> bool:
        """Take a record in; False where it came before."""
        ledger = self.of(site, device)
        is_new = ledger.note(boot, seq, now_s)
        if ledger.pending:
            self._pending[site, device] = ledger
        return is_new

    def due(self, now_s: float) -> Iterator[SequenceHole]:
        """Yield each hole once, when the grace time has passed and nothing has filled it."""
        for place, ledger in list(self._pending.items()):
            yield from ledger.due(now_s)
            if not ledger.pending:
                del self._pending[place]

    def missing(self, hole: SequenceHole) -> int | None:
        """Return how many records of a hole are missing; None where that is tracked no longer."""
        ledger = self._devices.get((hole.site, hole.device))
        return None if ledger is None else ledger.missing(hole)

    def quiet_s(self, hole: SequenceHole, now_s: float) -> float:
        """Return how long nothing late has come from the hole's device; 0: not tracked."""
        ledger = self._devices.get((hole.site, hole.device))
        return 0.0 if ledger is None else ledger.quiet_s(now_s)

    def take_losses(self) -> TrackingLosses | None:
        """Return what is not tracked any more since the last call; None: nothing."""
        if not self._losses:
            return None
        taken = msgspec.structs.replace(self._losses)
        for name in self._losses.__struct_fields__:
            setattr(self._losses, name, 0)
        return taken

    def _forget(self, place: tuple[str, str]) -> None:
        ledger = self._devices.pop(place)
        self._pending.pop(place, None)
        self._losses.devices += 1
        self._losses.holes += len(ledger.pending)
