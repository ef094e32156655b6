"""Time as an argument: what a moment is, and where moments come from."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Protocol

import msgspec

TIMESYNC_FLAG = Path("/run/systemd/timesync/synchronized")


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """A moment: wall time in Unix seconds, monotonic seconds, and whether the wall is trusted."""

    wall_s: float
    monotonic_s: float
    trusted: bool = True

    def later(self, seconds: float) -> Stamp:
        """Return the moment `seconds` after this one (media time of a file)."""
        return Stamp(self.wall_s + seconds, self.monotonic_s + seconds, self.trusted)


class Clock(Protocol):
    """Where moments come from. Any thread may call it; it never blocks but in `sleep`."""

    def now(self) -> Stamp:
        """Return the present moment."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never step, for durations."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; a manual clock moves itself forward instead."""
        ...


class SystemClock:
    """The machine's clocks. `trusted` is what systemd-timesyncd or the kernel says of the wall."""

    def __init__(self, *, flag: Path = TIMESYNC_FLAG) -> None:
        self._flag = flag
        self._trusted = False
        self._check_again_at_s = 0.0

    def now(self) -> Stamp:
        return Stamp(time.time(), time.monotonic(), self._is_trusted())

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)

    def _is_trusted(self) -> bool:
        # Once synchronised stays trusted: a link that goes away does not unset a clock.
        if not self._trusted and time.monotonic() >= self._check_again_at_s:
            self._check_again_at_s = time.monotonic() + 1.0
            self._trusted = self._flag.exists() or kernel_clock_is_synchronised()
        return self._trusted


def kernel_clock_is_synchronised() -> bool:
    """Say whether adjtimex(2) reports a disciplined clock (chrony, ntpd, a hypervisor)."""
    import ctypes

    class Timex(ctypes.Structure):
        # Only `modes` is set (0: read); the kernel writes at most 256 bytes.
        _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 252))

    time_error = 5  # TIME_ERROR of <sys/timex.h>: clock not synchronised
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(Timex()))
    except (OSError, AttributeError):
        return False
    return bool(0 <= state < time_error)


class ManualClock:
    """A clock that moves when it is told to: for simulations and replays."""

    def __init__(self, wall_s: float = 1_700_000_000.0, *, trusted: bool = True) -> None:
        self._lock = threading.Lock()
        self._wall_s = wall_s
        self._monotonic_s = 1_000.0
        self._trusted = trusted

    def now(self) -> Stamp:
        with self._lock:
            return Stamp(self._wall_s, self._monotonic_s, self._trusted)

    def monotonic(self) -> float:
        return self.now().monotonic_s

    def sleep(self, seconds: float) -> None:
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float) -> None:
        """Let both times pass."""
        with self._lock:
            self._wall_s += seconds
            self._monotonic_s += seconds

    def step(self, seconds: float, *, trusted: bool = True) -> None:
        """Step the wall alone, as NTP does."""
        with self._lock:
            self._wall_s += seconds
            self._trusted = trusted
