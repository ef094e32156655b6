"""Which records a subscriber misses: holes in `seq` that no `gap` explains, and what came twice.

Pure: no clock, no I/O. Time comes with the messages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from edge_runtime.encode.reader import Decoded
from edge_runtime.spans import Spans

# Bounds for what a stranger may write; what is older is no longer looked for.
MOST_DEVICES = 20_000
MOST_BOOTS = 16  # a device
MOST_SUSPECTS = 1000  # a device
MOST_RUNS = 10_000  # a boot


class SequenceHole(msgspec.Struct, frozen=True):
    """Records of one device and boot that did not come, both ends included."""

    site: str
    device: str
    boot: int
    from_seq: int
    to_seq: int

    def __str__(self) -> str:
        span = f"seq {self.from_seq}"
        if self.to_seq > self.from_seq:
            span += f" to {self.to_seq}"
        return f"{self.site}/{self.device}: {span} of boot {self.boot}"

    @property
    def size(self) -> int:
        """How many records there were."""
        return self.to_seq - self.from_seq + 1


class Boot:
    """What came of one boot, and what a gap explains."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.last = first - 1
        self.seen = Spans()
        self.explained = Spans()

    def add(self, seq: int) -> tuple[int, int] | None:
        """Take a record in; return the run that it leaves open, where it does."""
        opened = None
        if seq > self.last + 1:
            opened = (self.last + 1, seq - 1)
        elif seq < self.first - 1:
            opened = (seq + 1, self.first - 1)
        add(self.seen, seq, seq)
        self.first, self.last = min(self.first, seq), max(self.last, seq)
        return opened

    def missing(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the runs of first..last that neither came nor are explained."""
        for low, high in self.seen.missing(first, last):
            yield from self.explained.missing(low, high)


def add(spans: Spans, first: int, last: int) -> None:
    """Take a run in; of too many, what lies between the oldest ones is taken in with them."""
    spans.add(first, last)
    if len(spans) > MOST_RUNS:
        oldest = list(spans)[: MOST_RUNS // 2]
        spans.add(oldest[0][0], oldest[-1][1])


class DeviceRecords:
    """The boots of one device, and the runs that may turn out to be holes."""

    def __init__(self, known_boot: int) -> None:
        self.known_boot = known_boot
        self.boots: dict[int, Boot] = {}
        self.suspects: list[tuple[float, int, int, int]] = []
        self.touched_s = 0.0

    def boot(self, number: int, first: int) -> Boot:
        """Return a boot. One that began while we listen is expected from its first record."""
        if number not in self.boots:
            self.boots[number] = Boot(1 if number > self.known_boot else first)
            if len(self.boots) > MOST_BOOTS:
                self._forget(next(iter(self.boots)))
        return self.boots[number]

    def _forget(self, number: int) -> None:
        del self.boots[number]
        self.suspects = [suspect for suspect in self.suspects if suspect[1] != number]

    def add(self, number: int, seq: int, now_s: float) -> bool:
        """Take a record in; False where it came before."""
        boot = self.boot(number, seq)
        if seq in boot.seen:
            return False
        opened = boot.add(seq)
        if opened is not None:
            self.suspects.append((now_s, number, *opened))
            del self.suspects[:-MOST_SUSPECTS]
        return True

    def explain(self, number: int, first: int, last: int) -> None:
        """Take in what a gap says."""
        add(self.boot(number, last + 1).explained, first, last)


class Holes:
    """Watches the records of any number of devices."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._devices: dict[tuple[str, str], DeviceRecords] = {}
        self.repeated = 0

    def note(self, decoded: Decoded, now_s: float) -> bool:
        """Take a message in; False where it is a record that came before."""
        payload: Any = decoded.payload
        if isinstance(payload, list):  # SenML: the first record of the pack bears the names
            payload = payload[0] if payload else None
        boot = whole(payload, "boot")
        if boot is None:
            return True
        place = decoded.site, decoded.device
        device = self._device(place, boot)
        if decoded.kind == "status" or "late" in payload:
            # A link that breaks or comes back, a backlog that drains: more is on its way.
            device.touched_s = now_s
        seq = whole(payload, "seq")
        if seq is None or not decoded.stream:
            return True
        if not device.add(boot, seq, now_s):
            self.repeated += 1
            return False
        if decoded.kind == "gap":
            first, last = whole(payload, "from_seq"), whole(payload, "to_seq")
            if first is not None and last is not None:
                device.explain(whole(payload, "of_boot") or boot, first, last)
        return True

    def _device(self, place: tuple[str, str], boot: int) -> DeviceRecords:
        """Return a device; of too many the one that was heard first goes."""
        if place not in self._devices:
            self._devices[place] = DeviceRecords(boot)
            if len(self._devices) > MOST_DEVICES:
                del self._devices[next(iter(self._devices))]
        return self._devices[place]

    def due(self, now_s: float) -> Iterator[SequenceHole]:
        """Yield each hole once, when it has been open for the grace time and nothing fills it."""
        for (site, name), device in self._devices.items():
            if now_s - device.touched_s < self._grace_s:
                continue
            ripe = [s for s in device.suspects if now_s - s[0] >= self._grace_s]
            device.suspects = [s for s in device.suspects if now_s - s[0] < self._grace_s]
            for _, boot, first, last in ripe:
                for low, high in device.boots[boot].missing(first, last):
                    yield SequenceHole(site, name, boot, low, high)

    def missing(self, hole: SequenceHole) -> int:
        """Return how many records of a hole are missing still."""
        device = self._devices.get((hole.site, hole.device))
        boot = device.boots.get(hole.boot) if device is not None else None
        if boot is None:
            return hole.size  # no longer looked for
        runs = boot.missing(hole.from_seq, hole.to_seq)
        return sum(last - first + 1 for first, last in runs)

    def quiet_s(self, hole: SequenceHole, now_s: float) -> float:
        """Return how long nothing late has come from the hole's device."""
        device = self._devices.get((hole.site, hole.device))
        return math.inf if device is None else now_s - device.touched_s


def whole(payload: Any, key: str) -> int | None:
    """Return a field that is a whole number of at least 1; None: it is none."""
    value = payload.get(key) if isinstance(payload, dict) else None
    return value if type(value) is int and value >= 1 else None
