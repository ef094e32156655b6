"""Weights inside a publisher's .zip. `zipfile` is imported where there is one: few starts do."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from edge_runtime.errors import PackError
from edge_runtime.packs.room import lacking

CHUNK_BYTES = 1 << 16
# Its list of members: `zipfile` holds all of it in memory, five times over.
MOST_INDEX_BYTES = 1 << 20
END_BYTES = 22
MOST_COMMENT_BYTES = 0xFFFF


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
    check_index(archive, shown)
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as packed:
            size = opened.getinfo(member).file_size
            if size > limit_bytes:
                raise PackError(
                    "{file}: {member} has {size} bytes, at most {limit} fit",
                    file=shown,
                    member=member,
                    size=size,
                    limit=limit_bytes,
                )
            if why := lacking(target.parent, size):
                raise PackError(why)
            with target.open("wb") as file:
                shutil.copyfileobj(packed, file, CHUNK_BYTES)
    except KeyError:
        raise PackError(
            "{file}: holds no {member}; give the publisher's archive", file=shown, member=member
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        target.unlink(missing_ok=True)
        raise PackError(
            "{file}: {member} cannot be unpacked ({reason})",
            file=shown,
            member=member,
            reason=error,
        ) from None


def check_index(file: BinaryIO, shown: str) -> None:
    """Refuse a .zip with a longer list of members than any publisher's. Raises PackError.

    Layout: APPNOTE.TXT, section 4.3.16; with the fields of ZIP64 (4.3.15) it would be far larger.
    """
    start = max(0, file.seek(0, 2) - END_BYTES - MOST_COMMENT_BYTES)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    if at < 0 or size > MOST_INDEX_BYTES or b"PK\6\7" in tail[max(0, at - 20) : at]:
        raise PackError(
            "{file}: its list of members is longer than {limit} bytes; give the publisher's "
            "archive",
            file=shown,
            limit=MOST_INDEX_BYTES,
        )
