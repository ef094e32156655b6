"""What the device sends in a day, kept across restarts, and how it sends less near the limit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias, get_args

import msgspec

from edge_runtime.clock import Clock, Stamp
from edge_runtime.durable import replace_file
from edge_runtime.errors import EMPTY, Text
from edge_runtime.options import PublishMode, UplinkOptions

log = logging.getLogger("edge_runtime.daemon")

Sent: TypeAlias = Mapping[str, tuple[int, int]]

FILE = "uplink.json"
SAVE_EVERY_S = 60.0
DAY_S = 86_400.0
# At which part of the day's bytes each step begins; it ends again a little below.
STEPS = (0.80, 0.95)
HYSTERESIS = 0.05
MODES: tuple[PublishMode, ...] = get_args(PublishMode)  # from the most bytes to the least
STEP_NAMES = ("full", "events", "counts")
# Health is a good part of what a quiet device sends.
HEALTH_EVERY_S = (60.0, 300.0, 900.0)


class Day(msgspec.Struct):
    """What was sent on one UTC day. `date` is empty until a clock is trusted for the first time."""

    date: str = ""
    age_s: float = 0.0
    bytes: dict[str, int] = {}


class Uplink:
    """The day's ledger and the step that follows from it. The supervisor's thread writes.

    A day is begun by a trusted clock alone; while none is trusted, after 24 h of work. A clock
    that steps back keeps what was counted: a wrong date must not give a day's bytes anew.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path = folder / FILE
        self._clock = clock
        self._day = load(self._path)
        self._limit_bytes = 0.0
        self._seen: dict[str, int] = {}
        self._looked_s = self._saved_s = clock.monotonic()
        self._is_saved = True
        self._save_fault = ""
        self.step = 0

    def limit(self, options: UplinkOptions) -> None:
        """Take the day's limit from a configuration."""
        self._limit_bytes = options.daily_mb * 1_000_000
        self._choose_step()

    def count(self, sent: Sent) -> None:
        """Take over what the publisher has sent so far, by kind; save now and then."""
        stamp = self._clock.now()
        self._day.age_s += stamp.monotonic_s - self._looked_s
        self._looked_s = stamp.monotonic_s
        self._turn_the_day(stamp)
        for kind, (_messages, total) in sent.items():
            more = total - self._seen.get(kind, 0)
            if more > 0:
                self._day.bytes[kind] = self._day.bytes.get(kind, 0) + more
                self._is_saved = False
            self._seen[kind] = total
        self._choose_step()
        if not self._is_saved and stamp.monotonic_s - self._saved_s >= SAVE_EVERY_S:
            self.save()

    def mode(self, configured: PublishMode) -> PublishMode:
        """Return how a stream publishes now: as configured, or less. Any thread."""
        return MODES[max(self.step, MODES.index(configured))]

    def modes(self, configured: PublishMode) -> tuple[PublishMode, ...]:
        """Return the modes that a stream may come to."""
        return MODES[MODES.index(configured) :] if self._limit_bytes else (configured,)

    def health_every_s(self) -> float:
        """Return how often health is published."""
        return HEALTH_EVERY_S[self.step]

    @property
    def reason(self) -> Text:
        """One line for people on why less is sent; empty where all is."""
        if not self.step:
            return EMPTY
        used, limit = self._used() / 1e6, self._limit_bytes / 1e6
        return Text(
            "{used:.2f} MB of uplink.daily_mb = {limit:g} are sent today: streams publish {step} "
            "until the next UTC day; rules' events always",
            used=used,
            limit=limit,
            step=STEP_NAMES[self.step],
        )

    def fields(self) -> dict[str, Any]:
        """Return the ledger, ready for JSON. Any thread."""
        fields: dict[str, Any] = {"day": self._day.date, "bytes": self._used()}
        if self._limit_bytes:
            fields["limit"] = round(self._limit_bytes)
            fields["step"] = STEP_NAMES[self.step]
        if self.reason:
            fields["reason"] = self.reason
        return fields

    def by_kind(self) -> dict[str, int]:
        """Return the day's bytes by kind of message. Any thread."""
        return dict(self._day.bytes)

    def save(self) -> None:
        """Write the ledger, whole or not at all. A disk that fails is said once."""
        self._saved_s = self._clock.monotonic()
        try:
            replace_file(self._path, msgspec.json.encode(self._day))
        except OSError as error:
            if str(error) != self._save_fault:
                self._save_fault = str(error)
                log.error("uplink: the day's ledger is not saved: %s", error)
            return
        self._is_saved, self._save_fault = True, ""

    def _used(self) -> int:
        return sum(dict(self._day.bytes).values())

    def _turn_the_day(self, stamp: Stamp) -> None:
        if not stamp.trusted:
            if self._day.age_s >= DAY_S:
                self._day = Day(self._day.date)
            return
        today = datetime.fromtimestamp(stamp.wall_s, UTC).date()
        if not self._day.date:
            self._day.date = today.isoformat()
            return
        known = date.fromisoformat(self._day.date)
        if today > known:
            self._day = Day(today.isoformat())
        elif today < known - timedelta(days=1):
            # The date that was known was far wrong; a step over midnight and back is no new day.
            self._day.date = today.isoformat()

    def _choose_step(self) -> None:
        part = self._used() / self._limit_bytes if self._limit_bytes else 0.0
        down = sum(part >= begins for begins in STEPS)
        up = sum(part >= begins - HYSTERESIS for begins in STEPS)
        step = max(down, min(self.step, up))
        if step == self.step:
            return
        self.step = step
        if self.reason:
            log.warning("uplink: %s", self.reason)
        else:
            log.info("uplink: within the day's bytes again; streams publish as configured")


def load(path: Path) -> Day:
    """Read the ledger; a new one where there is none or it is not whole."""
    try:
        day = msgspec.json.decode(path.read_bytes(), type=Day)
        if day.date:
            date.fromisoformat(day.date)
    except (FileNotFoundError, NotADirectoryError):  # of the folder the caller speaks
        return Day()
    except (OSError, ValueError) as error:
        log.warning("uplink: %s cannot be read (%s): the day is counted from zero", path, error)
        return Day()
    return day
