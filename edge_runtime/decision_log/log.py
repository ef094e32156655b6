"""Writes what streams and the device decide into the ring, once a minute, within a day's bytes."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
from pathlib import Path

from edge_runtime.clock import Clock
from edge_runtime.decision_log.entries import (
    ChannelRun,
    Entry,
    FrameRun,
    ScoreRun,
    SetupEntry,
    StateEntry,
    Subject,
)
from edge_runtime.decision_log.recorder import StreamDecisions
from edge_runtime.decision_log.ring import Block, DecisionRing, last_moment, set_aside_damaged
from edge_runtime.errors import EMPTY, Text, wording
from edge_runtime.text_form import form_of

log = logging.getLogger("edge_runtime.decisions")

FOLDER = "decisions"
FLUSH_EVERY_S = 60.0
QUIET_EVERY_S = 300.0  # where nothing was seen: each write costs a page of the card
LOOK_S = 1.0
REQUEST = "flush"  # whoever reads makes this file, and waits until it is gone
DAY_BYTES = 10_000_000
DAY_S = 86_400.0
BURST_BYTES = 1_000_000
MOST_THINNING = 64
STOP_TIMEOUT_S = 5.0
# What is left to the outbox, which must not lose a result for want of room.
ROOM_BYTES = 64 << 20


NOT_RUNNING = Text("the daemon did not run, or the board had no power")


class DailyBudget:
    """How many bytes may be written by now, at a day's rate, with some saved up. One thread."""

    def __init__(self, now_s: float, day_bytes: int = DAY_BYTES) -> None:
        self._rate = day_bytes / DAY_S
        self._left = float(BURST_BYTES)
        self._at_s = now_s

    def left(self, now_s: float) -> float:
        """Return how many bytes may be written now; below zero: more were."""
        self._left = min(BURST_BYTES, self._left + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        return self._left

    def spend(self, count: int) -> None:
        """Take note of bytes that were written."""
        self._left -= count


class DecisionLog:
    """One board's decisions on their way to disk. A disk that fails costs them, nothing else."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self.folder = state_dir / FOLDER
        self._ring = DecisionRing(self.folder)
        self._clock = clock
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._streams: dict[str, StreamDecisions] = {}
        self._states: dict[tuple[Subject, str], StateEntry] = {}
        self._said: dict[tuple[Subject, str], object] = {}
        self._changes: list[StateEntry] = []
        self._stopping = threading.Event()
        self._flushed_s = clock.monotonic()
        self._budget = DailyBudget(self._flushed_s)
        self._fault = ""
        self._thread = threading.Thread(target=self._run, name="decisions", daemon=True)

    def stream(self, name: str) -> StreamDecisions:
        """Return what notes a stream's decisions; any thread."""
        with self._lock:
            return self._streams.setdefault(name, StreamDecisions(name))

    def state(self, subject: Subject, stream: str, text: Text) -> None:
        """Note what holds of a subject from now on, if that is another thing than before.

        Other numbers are none. Asked again and again; a subject by one thread at a time.
        """
        key, said = (subject, stream), wording(text)
        if self._said.get(key) == said:
            return
        entry = StateEntry(self._clock.now().wall_s, subject, stream, form_of(text))
        with self._lock:
            self._said[key] = said
            self._states[key] = entry
            self._changes.append(entry)

    def start(self) -> None:
        """Begin to write, and first to look at what there is: no start waits for that."""
        self._thread.start()

    def _look_at_files(self) -> None:
        """Set aside what a power cut or the card left damaged, and say so."""
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            for file in set_aside_damaged(self.folder):
                log.warning("decisions: %s is damaged and set aside", file)
            self._note_absence(last_moment(self.folder))
        except OSError as error:
            self._failed(error)

    def _note_absence(self, since_s: float | None) -> None:
        """Note that no daemon ran since the last word of the one before."""
        now_s = self._clock.now().wall_s
        if since_s is not None and since_s < now_s:
            absence = StateEntry(since_s, "daemon", "", form_of(NOT_RUNNING))
            with self._lock:
                self._changes.append(absence)
        self.state("daemon", "", EMPTY)

    def close(self) -> None:
        """Write what is left, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        with self._writing:
            self._look_at_files()
        while not self._stopping.wait(LOOK_S):
            is_asked = (self.folder / REQUEST).exists()
            if is_asked or self._is_due():
                self.flush()
            if is_asked:
                with contextlib.suppress(OSError):
                    (self.folder / REQUEST).unlink()
        self.flush()

    def _is_due(self) -> bool:
        now_s = self._clock.monotonic()
        waited_s = now_s - self._flushed_s
        if waited_s < FLUSH_EVERY_S or (waited_s < QUIET_EVERY_S and self._budget.left(now_s) < 0):
            return False
        with self._lock:
            is_quiet = not self._changes and all(one.is_quiet for one in self._streams.values())
        return waited_s >= QUIET_EVERY_S or not is_quiet

    def flush(self) -> None:
        """Write what was noted; any thread."""
        with self._writing:
            self._flush()

    def _flush(self) -> None:
        self._flushed_s = self._clock.monotonic()
        begins = self._ring.begins_segment
        with self._lock:
            streams = list(self._streams.values())
            states, changes = list(self._states.values()), self._changes
            self._changes = []
        taken: list[Entry] = [*changes]
        for stream in streams:
            taken += stream.take(with_setup=begins)
        if taken:
            span = span_of(taken, self._clock.now().wall_s)
            # Each file stands for itself: it begins with what held as it was begun.
            held = [one for one in states if one not in changes] if begins else []
            self._write(Block(*span, [*held, *taken]))
        self._thin(streams)

    def _write(self, block: Block) -> None:
        try:
            require_room(self.folder.parent)
            self._budget.spend(self._ring.append(block))
        except OSError as error:
            self._failed(error)
        else:
            self._fault = ""

    def _thin(self, streams: list[StreamDecisions]) -> None:
        """Keep fewer positions while the day's bytes are used up, and all again after."""
        left = self._budget.left(self._clock.monotonic())
        for stream in streams:
            if left < 0:
                stream.thinning = min(MOST_THINNING, stream.thinning * 2)
            elif left > BURST_BYTES / 2:
                stream.thinning = max(1, stream.thinning // 2)

    def _failed(self, error: OSError) -> None:
        if str(error) != self._fault:
            self._fault = str(error)
            log.warning("decisions: not kept: %s", error)


def span_of(entries: list[Entry], now_s: float) -> tuple[float, float]:
    """Return the first moment that entries tell of, and the last, which is now at the earliest."""
    moments = [moment_of(one) for one in entries if not isinstance(one, SetupEntry)]
    return min([now_s, *moments]), max([now_s, *moments])


def moment_of(entry: Entry) -> float:
    """Return when an entry begins."""
    return entry.begin_s if isinstance(entry, FrameRun | ScoreRun | ChannelRun) else entry.at_s


def require_room(folder: Path) -> None:
    """Raise OSError where the disk has no more than what the outbox may need."""
    if shutil.disk_usage(folder).free < ROOM_BYTES:
        raise OSError(28, os.strerror(28))
