"""The supply voltage, as the firmware of a Raspberry Pi and the kernel's sensors tell it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_runtime.board.kernel import read

FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
# Bits of the firmware's get_throttled; those of "since the start" are 16 above.
UNDER_VOLTAGE, CAPPED, THROTTLED, SOFT_LIMIT = 0x1, 0x2, 0x4, 0x8
SINCE_START = 16


class Power(msgspec.Struct, frozen=True):
    """Whether the voltage is too low or the clock cut: now, or at any time since the start."""

    low_now: bool = False
    low_before: bool = False
    slow_now: bool = False
    slow_before: bool = False


def power(root: Path = Path("/")) -> Power | None:
    """Look at the supply; None where nothing measures it."""
    flags = firmware_flags(root)
    alarms = [
        read(path)
        for path in (root / "sys/class/hwmon").glob("hwmon*/in0_lcrit_alarm")
        if read(path) in ("0", "1")
    ]
    if flags is None and not alarms:
        return None
    bits = flags or 0
    before, slow = bits >> SINCE_START, CAPPED | THROTTLED | SOFT_LIMIT
    return Power(
        low_now=bool(bits & UNDER_VOLTAGE) or "1" in alarms,
        low_before=bool(before & UNDER_VOLTAGE),
        slow_now=bool(bits & slow),
        slow_before=bool(before & slow),
    )


def firmware_flags(root: Path) -> int | None:
    """Return the firmware's flags, which it writes in hexadecimal."""
    try:
        return int(read(root / FIRMWARE), 16)
    except ValueError:
        return None
