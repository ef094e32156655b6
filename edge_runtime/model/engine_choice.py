"""Which inference engine runs a pack: the device's where that forces one, else the pack's own."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.errors import ConfigError, PackError, Text, located
from edge_runtime.infer.base import Engine
from edge_runtime.infer.engines import AUTO, engine_for, file_fault, name_fault
from edge_runtime.manifest import Manifest, Pack
from edge_runtime.packs.manifest_file import MANIFEST

FORCED_KEY = "inference.engine"
PACK_KEY = "model.engine"


def engine_of(pack: Pack, forced: str) -> Engine:
    """Return the engine that runs a pack; `forced`: the device's `inference.engine`.

    Raises ConfigError or PackError, as `check_engine`, and EngineMissingError where the engine's
    library is not installed.
    """
    check_forced(forced)
    check_engine(pack, forced)
    return engine_for(pack.weights, wanted(pack, forced))


def wanted(pack: Pack, forced: str) -> str:
    """Return the name of the engine that is to run a pack; `auto`: the first that can."""
    return pack.manifest.model.engine if forced == AUTO else forced


def check_forced(forced: str) -> None:
    """Raise ConfigError where the device forces an engine that there is not."""
    if (fault := name_fault(forced)) is not None:
        raise ConfigError(located(FORCED_KEY, fault))


def check_manifest(manifest: Manifest, file: Path) -> None:
    """Raise PackError where a manifest names an engine that there is not."""
    if (fault := name_fault(manifest.model.engine)) is not None:
        raise PackError(located(file, PACK_KEY, fault))


def check_engine(pack: Pack, forced: str) -> None:
    """Raise PackError or ConfigError where the pack's file is none that its engine takes."""
    manifest_file = pack.folder / MANIFEST
    check_manifest(pack.manifest, manifest_file)
    fault = file_fault(wanted(pack, forced), pack.weights)
    if fault is None:
        return
    if forced != AUTO:
        text = Text("{fault}; set it to auto, or use another pack", fault=fault)
        raise ConfigError(located(FORCED_KEY, text))
    key = PACK_KEY if pack.manifest.model.engine != AUTO else "model.file"
    raise PackError(located(manifest_file, key, fault))
