"""What a model's trial depends on, as one hash: where it changes, the trial is taken again."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from edge_runtime.board.drivers import driver_versions
from edge_runtime.board.libraries import library_files
from edge_runtime.infer.litert import Runtime, runtime_name
from edge_runtime.manifest import Pack
from edge_runtime.options import DelegateOptions
from edge_runtime.packs.manifest_file import MANIFEST


def fingerprint(pack: Pack, runtime: Runtime, delegate: DelegateOptions | None) -> str:
    """Hash everything that a trial's outcome depends on.

    With an accelerator these are also the bytes of its library, the kernel and its driver: any of
    them may crash the process after an upgrade, on a model that passed before.
    """
    digest = hashlib.sha256()
    manifest = pack.manifest
    files = [MANIFEST]
    if manifest.output.labels is not None:
        files.append(manifest.output.labels)
    if manifest.golden is not None:
        files += [manifest.golden.input, manifest.golden.expected]
    for name in files:
        digest.update((pack.folder / name).read_bytes())
    texts = [manifest.model.sha256, runtime, runtime_name(runtime), repr(delegate)]
    if delegate is not None:
        texts += driver_versions()
        texts += [f"{file} {sha256_of(file)}" for file in library_files(delegate.library)]
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def sha256_of(file: Path) -> str:
    """Return the hash of a library's bytes; why it cannot be read: then nothing can load it."""
    try:
        facts = file.stat()
        return hash_of(file, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    except OSError as error:
        return str(error)


@lru_cache(maxsize=16)
def hash_of(file: Path, *_facts: int) -> str:
    """Return the hash of a file's bytes; the facts change where the bytes do."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
