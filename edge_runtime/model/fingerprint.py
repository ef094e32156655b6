"""What a model's trial depends on, as one hash: where it changes, the trial is taken again."""

from __future__ import annotations

import hashlib

from edge_runtime.manifest import Pack
from edge_runtime.model.engine_choice import engine_of
from edge_runtime.options import DelegateOptions
from edge_runtime.packs.manifest_file import MANIFEST


def fingerprint(pack: Pack, forced: str, delegate: DelegateOptions | None) -> str:
    """Hash everything that a trial's outcome depends on, what its engine names included.

    `forced`: the device's `inference.engine`. Raises as `engine_of`, OSError where a file of the
    pack is gone.
    """
    engine = engine_of(pack, forced)
    digest = hashlib.sha256()
    manifest = pack.manifest
    files = [MANIFEST]
    if manifest.output.labels is not None:
        files.append(manifest.output.labels)
    if manifest.golden is not None:
        files += [manifest.golden.input, manifest.golden.expected]
    for name in files:
        digest.update((pack.folder / name).read_bytes())
    about = (manifest.model.sha256, engine.name, repr(delegate), *engine.fingerprint(delegate))
    for text in about:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()
