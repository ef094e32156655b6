"""Is the time right? Certificates and results depend on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.board.kernel import first_number, read
from edge_runtime.clock import TIMESYNC_FLAG
from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.outbox.state import FORMAT_BORN_S

RTC = "sys/class/rtc/rtc0/since_epoch"


def check_clock(context: CheckContext) -> Iterator[Finding]:
    """Is it set, by whom, and does it survive a power cut?"""
    stamp = context.clock.now()
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(stamp.wall_s))
    if stamp.wall_s < FORMAT_BORN_S:
        yield Finding(
            "clock",
            "failed",
            context.text("the clock says {time}, which cannot be", time=shown),
            set_it(context),
        )
        return
    if not stamp.trusted:
        yield Finding(
            "clock",
            "warning",
            context.text("the clock says {time}, but nothing has set it yet", time=shown),
            set_it(context),
        )
        return
    keeper = keeper_of(context.root)
    text = context.text("{time}, kept by {keeper}", time=shown, keeper=keeper)
    rtc_s = first_number(read(context.root / RTC))
    if rtc_s is not None and rtc_s < FORMAT_BORN_S:
        yield Finding(
            "clock",
            "warning",
            context.text("{clock}; but the board's own clock lost the time", clock=text),
            context.text("Put in a new clock battery, then run `sudo hwclock --systohc`."),
        )
        return
    if rtc_s is None:
        text = context.text(
            "{clock}; the board has no clock of its own: after a power cut it asks the network",
            clock=text,
        )
    yield Finding("clock", "ok", text)


def set_it(context: CheckContext) -> str:
    """Return what to do about a clock that is not set."""
    return context.text(
        "Give the board a network with a time server: see `timedatectl`. Until then results are "
        'sent with "clock": "unsynced".'
    )


def keeper_of(root: Path) -> str:
    """Name the program that sets the clock."""
    if (root / TIMESYNC_FLAG.relative_to("/")).exists():
        return "systemd-timesyncd"
    if (root / "run/chrony/chronyd.pid").exists():
        return "chrony"
    return "NTP"
