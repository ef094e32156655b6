"""Weights inside a publisher's .zip. `zipfile` is imported where there is one: few starts do."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from io import BufferedReader
from pathlib import Path

from edge_runtime.errors import PackError

CHUNK_BYTES = 1 << 16


def is_archive(file: BufferedReader) -> bool:
    """Say whether a file is a .zip, or ends as one does."""
    return zipfile.is_zipfile(file)


def extract(
    archive: BufferedReader, member: str, target: Path, limit_bytes: int, *, shown: str
) -> None:
    """Write one member of a .zip to `target`, never more than `limit_bytes`.

    Names inside the archive are only compared, never used as paths; `zipfile` itself gives no
    more of a member than its declared size.
    """
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as packed:
            size = opened.getinfo(member).file_size
            if size > limit_bytes:
                raise PackError(f"{shown}: {member} has {size} bytes, at most {limit_bytes} fit")
            with target.open("wb") as file:
                shutil.copyfileobj(packed, file, CHUNK_BYTES)
    except KeyError:
        raise PackError(f"{shown}: holds no {member}; give the publisher's archive") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        target.unlink(missing_ok=True)
        raise PackError(f"{shown}: {member} cannot be unpacked ({error})") from None
