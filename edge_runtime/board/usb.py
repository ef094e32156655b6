"""Which USB devices the kernel sees."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.board.kernel import read

# A Coral bears the first until its firmware is loaded by the first use, then the second.
CORAL = ("1a6e:089a", "18d1:9302")


def usb_ids(root: Path = Path("/")) -> frozenset[str]:
    """Return the `vendor:product` of each device that is plugged in."""
    return frozenset(
        f"{read(vendor)}:{read(vendor.with_name('idProduct'))}"
        for vendor in (root / "sys/bus/usb/devices").glob("*/idVendor")
    )


def coral_is_seen(root: Path = Path("/")) -> bool:
    """Say whether a Coral accelerator is there, on USB or on PCIe (`/dev/apex_0`)."""
    return not usb_ids(root).isdisjoint(CORAL) or (root / "dev/apex_0").exists()
