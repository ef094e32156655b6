"""The outbox's folder: its lock, the boot counter, the ballast, files quarantined, and bytes."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Mapping
from pathlib import Path
from zlib import crc32

from edge_runtime.durable import sync_folder
from edge_runtime.errors import OutboxError, because
from edge_runtime.outbox.marks import Marks

DATABASE = "outbox.db"
QUARANTINED = re.compile(r"^outbox\.corrupt-(\d+)\.db$")


class Folder:
    """Held by one process while it is open. Raises OSError, and OutboxError for people.

    The lock is on the folder itself, so that a disk that is full or read-only has it too. `mark`
    names the file of the second counter.
    """

    def __init__(self, path: Path, mark: Path | None = None) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise OutboxError(
                "the outbox cannot use {path}: {reason}; make it a folder that this program may "
                "write to, or name another one with --state-dir",
                path=path,
                reason=because(error),
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise OutboxError(
                "the outbox {path} is held by another process; stop that one first, or name "
                "another folder with --state-dir",
                path=path,
            ) from error
        try:
            self._check_names(mark)
        except BaseException:
            os.close(self._lock)
            raise
        self.marks = Marks(mark)

    def _check_names(self, mark: Path | None) -> None:
        """Refuse what is no file, or another user's: no further try could help."""
        files = [self.path / "boot", self.ballast, self.database, log_of(self.database)]
        folders = [self.path]
        if mark is not None:
            files.append(mark)
            if not mark.exists():
                folders.append(mark.parent)
        there = [path for path in files if os.path.lexists(path)]
        for path in there:
            if path.is_symlink() or not path.is_file():
                raise OutboxError(
                    "the outbox needs a file at {path}; move away what is there", path=path
                )
        if not self.is_read_only():
            for path in (*folders, *there):
                check_access(path)

    @property
    def database(self) -> Path:
        """The database's file."""
        return self.path / DATABASE

    @property
    def ballast(self) -> Path:
        """The file that is given up when the disk is full."""
        return self.path / "ballast"

    def read_boot(self) -> int:
        """Return the last boot, 0 where the file is missing or damaged."""
        try:
            number, _, check = (self.path / "boot").read_bytes().strip().partition(b" ")
        except OSError:
            return 0
        return int(number) if number.isdigit() and check == _check(number) else 0

    def was_used(self) -> bool:
        """Say whether an earlier boot may have left results in a database."""
        return bool(self.marks.last_seqs) or (not self.marks.is_known and self.read_boot() > 0)

    def write_counters(self, boot: int, owed: Mapping[int, int]) -> None:
        """Note a new boot in both places, and the last seqs of what earlier ones may still owe."""
        if self.marks.boot != boot:
            self.sync()  # the database's name, before a mark says that it must be there
            self.marks.begin(boot, owed)
        if self.read_boot() != boot:
            self._write_boot(boot)

    def _write_boot(self, boot: int) -> None:
        """Write the counter durably, over itself: that needs no room on a full disk."""
        number = b"%019d" % boot
        file = os.open(self.path / "boot", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, number + b" " + _check(number) + b"\n", 0)
            os.fsync(file)
        finally:
            os.close(file)
        self.sync()

    def sync(self) -> None:
        """Make names durable: files created, renamed and deleted."""
        sync_folder(self.path)

    def hold_ballast(self, size: int) -> bool:
        """Claim the ballast's blocks where the disk has several times that to spare."""
        if self.ballast.exists() and self.ballast.stat().st_size == size:
            return True
        disk = os.statvfs(self.path)
        if disk.f_bavail * disk.f_frsize < 4 * size:
            return False
        file = os.open(self.ballast, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, size)
        finally:
            os.close(file)
        return True

    def drop_ballast(self) -> bool:
        """Give the ballast up; False where it is gone already."""
        if not self.ballast.exists():
            return False
        self.ballast.unlink()
        return True

    def is_read_only(self) -> bool:
        """Say whether the file system is mounted read-only, as the kernel does after errors."""
        try:
            return bool(os.statvfs(self.path).f_flag & os.ST_RDONLY)
        except OSError:
            return False

    def quarantined_files(self) -> list[Path]:
        """Return the databases that were quarantined, oldest first."""
        found = [(int(m[1]), p) for p in self.path.iterdir() if (m := QUARANTINED.match(p.name))]
        return [path for _, path in sorted(found)]

    def quarantine(self) -> Path:
        """Rename the database and its log; return the new name."""
        newest = max(
            (int(p.name.split("-")[1].split(".")[0]) for p in self.quarantined_files()), default=0
        )
        file = self.path / f"outbox.corrupt-{newest + 1}.db"
        # The log first: it alone would be taken for the log of the next database.
        log = log_of(self.database)
        if log.exists():
            log.rename(log_of(file))
        if self.database.exists():
            self.database.rename(file)
        else:
            file.touch()
        self.sync()
        self.marks.release_log()
        return file

    def delete_quarantined(self, file: Path) -> None:
        """Delete a database that was quarantined, and its log."""
        log_of(file).unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        self.sync()

    def quarantined_bytes(self) -> int:
        """Return what files quarantined occupy."""
        return sum(_size(p) + _size(log_of(p)) for p in self.quarantined_files())

    def bytes_used(self) -> int:
        """Return what all files of the outbox occupy; 0 where they cannot be seen."""
        try:
            return self.marks.bytes_used() + sum(occupied(p) for p in self.path.iterdir())
        except OSError:
            return 0

    def has_database(self) -> bool:
        """Say whether the database's file holds anything."""
        return _size(self.database) > 0

    def has_log(self) -> bool:
        """Say whether the database's log holds anything."""
        return _size(log_of(self.database)) > 0

    def hold_log(self, size: int) -> None:
        """Make the log so long before it holds what nothing else does: a shorter one was cut off.

        SQLite takes zeros behind its frames for the end. They take no room where files have holes.
        """
        with log_of(self.database).open("r+b") as file:
            if os.fstat(file.fileno()).st_size < size:
                file.truncate(size)
                os.fsync(file.fileno())
                self.sync()
        self.marks.hold_log(size)

    def missing_log_bytes(self) -> int:
        """Return how much shorter the log is than it was made."""
        return max(0, self.marks.log_bytes - _size(log_of(self.database)))

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._lock)


def check_access(path: Path) -> None:
    """Raise OutboxError where this program may not work with a file, or make files in a folder."""
    wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    if not os.access(path, wanted, effective_ids=True):
        raise OutboxError(
            "the outbox may not read and write {path}; give it to the user of this program with "
            "chown",
            path=path,
        )


def log_of(database: Path) -> Path:
    """Return the name of a database's write-ahead log."""
    return database.with_name(database.name + "-wal")


def fresh_of(database: Path) -> Path:
    """Return the name of a copy that is to take a database's place."""
    return database.with_name(database.name + ".new")


def occupied(path: Path) -> int:
    """Return what a file takes of the disk: holes take nothing."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    return min(found.st_size, found.st_blocks * 512)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check(number: bytes) -> bytes:
    return b"%08x" % crc32(number)
