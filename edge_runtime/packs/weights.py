"""The weights' file: known by its SHA-256 alone, whatever it is called and wherever it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

from edge_runtime.errors import PackError, Text, WeightsError, because, located
from edge_runtime.manifest import Manifest, ModelSection

MAX_WEIGHTS_BYTES = 512 * 1024 * 1024


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return sha256_in(file)


def sha256_in(file: BufferedReader) -> str:
    """Return the SHA-256 of an open file, from its beginning."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def check_weights(folder: Path, manifest: Manifest) -> None:
    """Check that a pack's weights are there and are the ones that its manifest names."""
    path = folder / manifest.model.file
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        raise WeightsError("{file}: the weights are not there", file=path) from None
    except OSError as error:
        raise PackError(
            "{file}: cannot be read ({reason})", file=path, reason=because(error)
        ) from None
    if found != manifest.model.sha256:
        raise WeightsError(located(path, differs(found, manifest.model)))


def differs(found: str, model: ModelSection) -> Text:
    """Say which bytes were found and which were expected."""
    return Text(
        "damaged or another model: SHA-256 {found}…, the pack wants {wanted}…",
        found=found[:8],
        wanted=model.sha256[:8],
    )


def take_weights(
    source: BufferedReader,
    manifest: Manifest,
    target: Path,
    bring: Callable[[Path], object],
    *,
    shown: str,
) -> None:
    """Bring a pack's weights to `target`: `source` itself, or its member if it is a .zip.

    The hash is asked first: a .tflite with metadata is a valid .zip too. `bring` copies or moves
    the source; `shown` is what messages call it.
    """
    model = manifest.model
    found = sha256_in(source)
    if found == model.sha256:
        bring(target)
        return
    from edge_runtime.packs.archive import extract, is_archive

    if not is_archive(source):
        raise PackError(located(shown, differs(found, model)))
    member = model.member or model.file
    extract(source, member, target, model.size_bytes or MAX_WEIGHTS_BYTES, shown=shown)
    found = sha256_of(target)
    if found != model.sha256:
        target.unlink()
        raise PackError(located(shown, member, differs(found, model)))
