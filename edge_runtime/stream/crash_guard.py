"""In which stream's work the daemon crashed: after two crashes that stream stays off.

What strangers send and models run in processes of their own; a local camera's driver, OpenCV's
resizing and NumPy do not. Where such native code crashes, faulthandler writes which thread it was
in, and a page of shared memory says whose work that thread did. Both lie in the service's runtime
folder (a tmpfs: no wear), which outlives a restart of the service and not one of the board.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import mmap
import os
import re
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TypeAlias

import msgspec

from edge_runtime.errors import EMPTY, Text

log = logging.getLogger("edge_runtime.stream")

MAX_CRASHES = 2
LASTED_S = 300.0  # a daemon that worked for so long has got over it
SLOT = struct.Struct("<Q40s")  # a thread's number, a stream's name
SLOTS = 80
CURRENT_THREAD = re.compile(r"Current thread 0x([0-9a-f]+)")
FATAL = re.compile(r"Fatal Python error: (.*)")


WorksFor: TypeAlias = Callable[[str], None]
"""Says whose work the calling thread does from now on."""


def nobody(_stream: str) -> None:
    """Say nothing: where crashes are not remembered."""


class CrashGuard:
    """Remembers crashes by stream. Without a runtime folder it remembers nothing.

    Any thread may say whose work it does; the rest is the main thread's.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._page: mmap.mmap | None = None
        self._traceback: IO[bytes] | None = None
        self._counts: dict[str, int] = {}
        self._places: dict[int, int] = {}  # by thread
        self._lock = threading.Lock()
        self._since_s: float | None = None

    @classmethod
    def of_service(cls, environment: Mapping[str, str]) -> CrashGuard:
        """Return the guard of a service that systemd gives a runtime folder."""
        folder = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
        return cls(Path(folder) if folder else None)

    def begin(self) -> None:
        """Read what the last crash left, and be ready for the next one."""
        if self._folder is None:
            return
        try:
            self._counts = self._remembered()
            self._blame()
            self._page = self._new_page()
            self._traceback = (self._folder / "crash.txt").open("wb", buffering=0)
            # Of all threads: for one alone it does not say which one it was.
            faulthandler.enable(self._traceback, all_threads=True)
        except OSError as error:
            log.warning("%s: crashes cannot be remembered: %s", self._folder, error)

    def works_for(self, stream: str) -> None:
        """Say whose work this thread does from now on; empty: nobody's."""
        page = self._page
        if page is None:
            return
        thread = threading.get_ident()
        place = self._places.get(thread)
        if place is None:
            place = self._new_place(thread)
        SLOT.pack_into(page, place * SLOT.size, thread, stream.encode())

    def reason(self, stream: str) -> Text:
        """Return why a stream is to stay off; empty: it is not."""
        crashes = self._counts.get(stream, 0)
        if crashes < MAX_CRASHES:
            return EMPTY
        return Text(
            "the daemon crashed {crashes} times as it worked for this stream; it stays off until "
            "the configuration is read again (systemctl reload edge-runtime)",
            crashes=crashes,
        )

    def forgive(self) -> None:
        """Try every stream again: a person asked for it, or the daemon has worked for long."""
        if self._counts:
            self._counts = {}
            self._save()

    def look(self, now_s: float) -> None:
        """Take note, while the daemon works, of how long it has done so; who is off stays off."""
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= LASTED_S:
            kept = {name: times for name, times in self._counts.items() if times >= MAX_CRASHES}
            if kept != self._counts:
                self._counts = kept
                self._save()

    def close(self) -> None:
        """Say that this end is no crash."""
        if self._traceback is not None:
            faulthandler.disable()
            self._traceback.close()
            self._traceback = None

    def _new_place(self, thread: int) -> int:
        with self._lock:
            place = len(self._places) % SLOTS  # of threads that have ended the oldest is forgotten
            self._places[thread] = place
            return place

    def _blame(self) -> None:
        """Count the last end of the daemon for the stream whose work crashed it, if one did."""
        assert self._folder is not None
        text = read(self._folder / "crash.txt").decode(errors="replace")
        found = CURRENT_THREAD.search(text)
        if found is None:
            return
        thread, page = int(found[1], 16), read(self._folder / "in-flight")
        what = FATAL.search(text)
        for place in range(len(page) // SLOT.size):
            number, name = SLOT.unpack_from(page, place * SLOT.size)
            stream = name.rstrip(b"\0").decode(errors="replace")
            if number == thread and stream:
                self._counts[stream] = self._counts.get(stream, 0) + 1
                log.error(
                    "stream %s: the daemon crashed as it worked for it (%s)",
                    stream,
                    what[1] if what else "no reason is known",
                )
                self._save()
                return

    def _new_page(self) -> mmap.mmap:
        assert self._folder is not None
        path = self._folder / "in-flight"
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, SLOT.size * SLOTS)
            return mmap.mmap(descriptor, SLOT.size * SLOTS)
        finally:
            os.close(descriptor)

    def _remembered(self) -> dict[str, int]:
        assert self._folder is not None
        try:
            text = read(self._folder / "crashes.json") or b"{}"
            return msgspec.json.decode(text, type=dict[str, int])
        except msgspec.DecodeError:
            return {}

    def _save(self) -> None:
        if self._folder is None:
            return
        try:
            (self._folder / "crashes.json").write_bytes(msgspec.json.encode(self._counts))
        except OSError as error:
            log.warning("%s: crashes cannot be remembered: %s", self._folder, error)


def read(path: Path) -> bytes:
    """Return a file's bytes; none where it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
