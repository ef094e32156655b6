"""Keeps a camera's references in the state folder: a few kilobytes, for the daemon's user alone."""

from __future__ import annotations

import logging
import threading
import zlib
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from edge_runtime.camera_health.grid import (
    CELL_COLUMNS,
    CELL_ROWS,
    CELLS,
    EDGE_SIZE,
    Floats,
)
from edge_runtime.camera_health.reference import MOST_LOOKS, TIMES_OF_DAY, Reference, References
from edge_runtime.durable import replace_file, sync_folder
from edge_runtime.errors import because

log = logging.getLogger("edge_runtime.camera_health")

FOLDER = "cameras"
MOST_BYTES = 1 << 20
STEPS = 4.0  # of a grey level that are kept of detail and levels; of edges whole ones

EDGES = EDGE_SIZE[0] * EDGE_SIZE[1]


class StoredReference(msgspec.Struct, frozen=True, array_like=True):
    """One time of day: how many looks, then edges, detail and levels by place, compressed."""

    looks: Annotated[int, Meta(ge=1, le=MOST_LOOKS)]
    values: Annotated[bytes, Meta(max_length=MOST_BYTES)]


class StoredReferences(msgspec.Struct, frozen=True):
    """A camera's file; `steady` in hundredths."""

    by_time: Annotated[
        list[StoredReference | None], Meta(min_length=TIMES_OF_DAY, max_length=TIMES_OF_DAY)
    ]
    steady: Annotated[bytes, Meta(min_length=CELLS, max_length=CELLS)]
    version: Annotated[int, Meta(ge=1, le=1)] = 1


def encode(references: References) -> bytes:
    """Return references as they lie on disk."""
    by_time = [None if one is None else stored(one) for one in references.by_time]
    steady = np.rint(references.steady * 100.0).astype(np.uint8).tobytes()
    return msgspec.msgpack.encode(StoredReferences(by_time, steady))


def stored(one: Reference) -> StoredReference:
    grids = (one.edges.ravel(), STEPS * one.detail.ravel(), STEPS * one.levels.ravel())
    values = np.clip(np.rint(np.concatenate(grids)), 0, 0xFFFF).astype("<u2")
    return StoredReference(one.looks, zlib.compress(values.tobytes(), 6))


def decode(data: bytes) -> References:
    """Return the references of a file. Raises ValueError."""
    kept = msgspec.msgpack.decode(data, type=StoredReferences)
    steady = np.frombuffer(kept.steady, np.uint8).astype(np.float32) / 100.0
    by_time = [None if one is None else restored(one) for one in kept.by_time]
    return References(by_time, steady.reshape(CELL_ROWS, CELL_COLUMNS))


def restored(one: StoredReference) -> Reference:
    size = 2 * (EDGES + 2 * CELLS)
    try:
        raw = zlib.decompressobj().decompress(one.values, size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(raw) != size:
        raise ValueError("a reference of another size")
    values: Floats = np.frombuffer(raw, "<u2").astype(np.float32)
    edges, detail, levels = np.split(values, (EDGES, EDGES + CELLS))
    cells = (CELL_ROWS, CELL_COLUMNS)
    return Reference(
        edges.reshape(EDGE_SIZE[1], EDGE_SIZE[0]).copy(),
        detail.reshape(cells) / STEPS,
        levels.reshape(cells) / STEPS,
        one.looks,
    )


class ReferenceFile:
    """One camera's file. Read and written by the main thread, so that no frame waits for a disk.

    The capture thread calls `offer` and `take_accepted`, which only hand over.
    """

    def __init__(self, folder: Path, stream: str) -> None:
        self._path = folder / f"{stream}.edges"
        self._accept = folder / f"{stream}.accept"
        self._offered: bytes | None = None
        self._accepted = threading.Event()

    def load(self) -> References:
        """Return what was learnt; nothing where there is no file, or one that cannot be used."""
        try:
            return decode(self._path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return References()
        except (OSError, ValueError) as error:  # msgspec's are ValueErrors
            reason = because(error) if isinstance(error, OSError) else error
            log.warning(
                "%s: not used (%s); what the camera sees is learnt anew", self._path, reason
            )
            return References()

    def offer(self, references: References) -> None:
        """Give what is to be written at the next `keep`."""
        self._offered = encode(references)

    def take_accepted(self) -> bool:
        """Say whether a technician has accepted what the camera sees, once each time."""
        if not self._accepted.is_set():
            return False
        self._accepted.clear()
        return True

    def keep(self) -> None:
        """Write what was offered; take a technician's word up. The main thread."""
        try:
            if self._accept.exists():
                self._path.unlink(missing_ok=True)
                self._offered = None
                self._accepted.set()
                self._accept.unlink()
                log.info("%s: what the camera sees is learnt anew, as asked for", self._path.stem)
            offered, self._offered = self._offered, None
            if offered is not None:
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                replace_file(self._path, offered)
        except OSError as error:
            log.warning("%s: cannot be kept: %s", self._path, because(error))


def ask_to_accept(state_dir: Path, stream: str) -> Path:
    """Leave word that a camera is right as it is; gone once the daemon has taken it. OSError."""
    folder = state_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    word = folder / f"{stream}.accept"
    replace_file(word, b"")
    sync_folder(state_dir)
    return word


class ReferenceFiles:
    """The files of one state folder, by stream. The main thread."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / FOLDER
        self._files: dict[str, ReferenceFile] = {}

    def of(self, stream: str) -> ReferenceFile:
        """Return a stream's file."""
        return self._files.setdefault(stream, ReferenceFile(self._folder, stream))

    def keep(self) -> None:
        """Write what is to be written, and take up what was asked for; called again and again."""
        for one in self._files.values():
            one.keep()
