"""Starts that did not last: the more of them in a row, the longer the next one waits.

Systemd's own growing delays came with version 254, boards have older ones. Imports nothing heavy:
what crashes while it is imported is to be counted too.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from edge_runtime.board.notify import Notifier
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.durable import replace_file

log = logging.getLogger("edge_runtime.daemon")

FILE = "starts.json"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 300.0
LASTED_S = 300.0
START_TIMEOUT_S = 180.0  # the unit's TimeoutStartSec, which begins again after the wait


class StartRecord(msgspec.Struct, frozen=True):
    """Starts in a row, in one boot of the kernel, none of which lasted."""

    boot_id: str = ""
    starts: int = 0


class CrashLoopGuard:
    """Counts the starts in a row that did not last five minutes. One thread.

    A power cut is another boot of the kernel and counts nothing; a stop that was asked for ends
    the row.
    """

    def __init__(self, state_dir: Path, boot_id: str) -> None:
        self._path = state_dir / FILE
        self._boot_id = boot_id
        self._is_counted = False
        self._since_s: float | None = None
        self.short = 0  # the starts before this one that did not last

    def begin(self) -> float:
        """Count a start and return how long it has to wait."""
        self.short = short_starts(self._path.parent, self._boot_id)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(
                self._path, msgspec.json.encode(StartRecord(self._boot_id, self.short + 1))
            )
        except OSError as error:
            log.warning("%s: starts cannot be counted: %s", self._path, error)
        self._is_counted = True
        return wait_s(self.short)

    def look(self, now_s: float) -> None:
        """Take note, while the daemon works, of how long it has done so."""
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= LASTED_S:
            self.reset()

    def reset(self) -> None:
        """Count from zero again: this start has lasted, or its end was asked for."""
        if not self._is_counted:
            return
        self._is_counted, self.short = False, 0
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: cannot be removed: %s", self._path, error)


def wait_s(short: int) -> float:
    """Return the wait after so many starts that did not last: none, then 5, 10, 20 … 300 s."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (min(short, 30) - 1)) if short else 0.0


def wait_turn(starts: CrashLoopGuard, wants: ControlRequests, notifier: Notifier) -> bool:
    """Wait as long as this start has to; SIGHUP cuts it short. False: it was told to stop."""
    wait = starts.begin()
    if not wait:
        return True
    text = f"waits {wait:.0f} s: starts in a row that did not last: {starts.short}; see the log"
    log.warning("%s", text)
    notifier.extend(text, wait + START_TIMEOUT_S)
    return wants.wait(wait) != "stop"


def boot_id() -> str:
    """Return the name of this boot of the kernel; empty where it does not tell."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def short_starts(state_dir: Path, boot_id: str) -> int:
    """Return how many starts in a row have not lasted, as the state folder tells it."""
    try:
        row = msgspec.json.decode((state_dir / FILE).read_bytes(), type=StartRecord)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except (OSError, ValueError) as error:
        log.warning("%s: cannot be read (%s): starts are counted from zero", FILE, error)
        return 0
    return row.starts if row.boot_id == boot_id else 0
