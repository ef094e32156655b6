"""What an accelerator depends on besides its library: the kernel, and its driver there."""

from __future__ import annotations

import os
from pathlib import Path

from edge_runtime.board.kernel import read

# Modules of accelerators: Coral on PCIe, VeriSilicon and Etnaviv, Ethos-U, Rockchip, Hailo, Mali,
# NVIDIA.
MODULES = (
    "apex", "gasket", "galcore", "etnaviv", "ethosu", "rknpu", "rocket", "hailo_pci", "mali_kbase",
    "panfrost", "nvgpu", "nvidia",
)  # fmt: skip


def driver_versions(root: Path = Path("/")) -> tuple[str, ...]:
    """Return the kernel's release and, of each accelerator's driver that is loaded, its version.

    `srcversion` is the hash of a module's source: it tells builds apart that say no version. A
    driver that is built in has none, and changes with the kernel.
    """
    modules = root / "sys/module"
    said = [
        f"{name} {read(modules / name / 'version')} {read(modules / name / 'srcversion')}".strip()
        for name in MODULES
        if (modules / name).is_dir()
    ]
    return (os.uname().release, *said)
