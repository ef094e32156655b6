"""Which USB devices the kernel sees."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.board.kernel import read

# A Coral bears the first until its firmware is loaded by the first use, then the second.
CORAL = ("1a6e:089a", "18d1:9302")


def coral_node(root: Path = Path("/")) -> Path | None:
    """Return the device file of a Coral accelerator, on PCIe or on USB; None: none is seen."""
    on_pcie = root / "dev/apex_0"
    if on_pcie.exists():
        return on_pcie
    for vendor in sorted((root / "sys/bus/usb/devices").glob("*/idVendor")):
        device = vendor.parent
        if f"{read(vendor)}:{read(device / 'idProduct')}" in CORAL:
            bus, number = read(device / "busnum"), read(device / "devnum")
            return root / f"dev/bus/usb/{bus:0>3}/{number:0>3}"
    return None
