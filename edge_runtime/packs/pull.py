"""Gets a pack's weights, from the publisher or from a file at hand, checked by their SHA-256."""

from __future__ import annotations

import os
import shutil
from io import BufferedReader
from pathlib import Path

from edge_runtime.clock import Clock
from edge_runtime.errors import PackError
from edge_runtime.manifest import Manifest
from edge_runtime.packs.download import Download, Progress
from edge_runtime.packs.room import lacking
from edge_runtime.packs.weights import MAX_WEIGHTS_BYTES, take_weights
from edge_runtime.urls import shown_url

COPIED_BYTES = 1 << 20


def pull(
    manifest: Manifest,
    into: Path,
    progress: Progress,
    *,
    clock: Clock,
    limit_bytes: int = MAX_WEIGHTS_BYTES,
    timeout_s: float = 20.0,
) -> Path:
    """Fetch the weights into the folder `into` and return their file. Killed, it resumes there.

    Raises PullError for the network and the disk, PackError where other bytes came.
    """
    model = manifest.model
    if model.url is None:
        raise PackError(
            "{pack}: the pack names no URL; take its weights from a file with 'edge-runtime "
            "models import {pack} FILE'",
            pack=manifest.pack.name,
        )
    part = into / f"{staged_name(manifest)}.part"
    size_bytes = model.size_bytes if model.member is None else None
    download = Download(
        model.url,
        part,
        progress,
        clock=clock,
        limit_bytes=size_bytes or limit_bytes,
        timeout_s=timeout_s,
    )
    resumed = download.run()
    try:
        return take_part(part, manifest)
    except PackError:
        if not resumed:
            raise
    # What was here before may have been the start of another file: once more, from nothing.
    download.run()
    return take_part(part, manifest)


def take_part(part: Path, manifest: Manifest) -> Path:
    """Turn a whole download into the weights' file; the download is gone either way."""
    weights = part.with_suffix(".weights")
    try:
        with part.open("rb") as file:
            shown = shown_url(str(manifest.model.url))
            take_weights(file, manifest, weights, part.replace, shown=shown)
    except BaseException:
        weights.unlink(missing_ok=True)
        raise
    finally:
        part.unlink(missing_ok=True)
    return weights


def import_file(manifest: Manifest, file: BufferedReader, into: Path) -> Path:
    """Copy the weights out of a file or the publisher's .zip into the folder `into`."""
    if why := lacking(into, os.fstat(file.fileno()).st_size):
        raise PackError(why)
    weights = into / f"{staged_name(manifest)}.weights"

    def copy(target: Path) -> None:
        file.seek(0)
        with target.open("wb") as copied:
            shutil.copyfileobj(file, copied, COPIED_BYTES)

    try:
        take_weights(file, manifest, weights, copy, shown=file.name)
    except BaseException:
        weights.unlink(missing_ok=True)
        raise
    return weights


def staged_name(manifest: Manifest) -> str:
    """Name what is under way by pack and hash: a newer pack does not resume an older one's part."""
    return f"{manifest.pack.name}-{manifest.model.sha256[:8]}"
