"""Remembers over a failure of the power which accelerator was being opened then.

An accelerator's library runs in a process of its own, and costs its stream alone where it crashes
that. The accelerator itself may draw more than the board's supply gives: it takes the board along.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edge_runtime.durable import replace_file
from edge_runtime.errors import BackendError

log = logging.getLogger("edge_runtime.model")

FILE = "delegate-opens.json"
MOST_CUTS = 3  # of the power: it fails at any moment, and rarely at this one again and again
LASTED_S = 300.0
PATIENCE_S = 30.0  # of one open for another that may hang


class Opens(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the opens of one model on one accelerator have ended.

    `under_way`: one was begun and its end was not seen, for process `pid` in boot `boot_id` of the
    kernel. `cuts`: how often in a row the whole board lost its power or restarted amid one.
    """

    library: str
    pack: str
    boot_id: str
    pid: int = 0
    under_way: bool = False
    cuts: int = 0

    @property
    def is_suspect(self) -> bool:
        """Whether it is to be opened only after another trial, and alone."""
        return self.cuts > 0

    @property
    def is_refused(self) -> bool:
        """Whether it is not to be opened any more."""
        return self.cuts >= MOST_CUTS


class DelegateOpens:
    """Marks in a file that an accelerator is being opened, and counts what became of it.

    Any thread. A failure counts once the mark is found by a start in another boot of the kernel.
    After three in a row the accelerator stays closed until its library changes (its key is another
    then) or somebody asks for a reload; a boot after it stayed closed gives it one more try. A
    folder that takes no file costs the memory, nothing else.
    """

    def __init__(self, state_dir: Path, boot_id: str) -> None:
        self._path = state_dir / FILE
        self._boot_id = boot_id
        self._known: dict[str, Opens] = {}
        self._under_way: Counter[str] = Counter()
        self._worked: set[str] = set()  # opened by this process
        self._lock = threading.Lock()
        self._alone = threading.Lock()
        self._quiet_since_s: float | None = None

    def take_stock(self) -> None:
        """Count what the process before this one left behind. Called once, before any open."""
        with self._lock:
            judged = {key: self._judged(one) for key, one in self._read().items()}
            self._known = {k: one for k, one in judged.items() if one.is_suspect or one.under_way}
            if judged:
                self._write()

    def is_suspect(self, key: str) -> bool:
        """Say whether the power failed when this was opened last."""
        known = self._known.get(key)
        return known is not None and known.is_suspect

    def check(self, key: str) -> None:
        """Raise BackendError where this is not to be opened any more."""
        known = self._known.get(key)
        if known is None or not known.is_refused:
            return
        raise BackendError(
            "{library}: the board lost its power or restarted {times} times in a row as {pack} "
            "was opened on it; it stays closed. See whether the power supply is strong enough for "
            "it; a restart of the board or `systemctl reload edge-runtime` tries again",
            library=known.library,
            times=known.cuts,
            pack=known.pack,
        )

    @contextmanager
    def under_way(self, key: str, *, library: str, pack: str) -> Iterator[None]:
        """Mark, on the disk, that this is being opened as long as the block lasts."""
        # Of two that are opened side by side a failure would not tell which of them it was.
        alone = self.is_suspect(key) and self._alone.acquire(timeout=PATIENCE_S)
        try:
            self._begin(key, Opens(library, pack, self._boot_id))
            try:
                yield
                self._worked.add(key)
            finally:
                self._end(key)
        finally:
            if alone:
                self._alone.release()

    def look(self, now_s: float) -> None:
        """Forget, once the daemon has worked for five minutes since the last open."""
        with self._lock:
            if self._quiet_since_s is None or self._under_way.total():
                self._quiet_since_s = now_s
            elif self._known and now_s - self._quiet_since_s >= LASTED_S:
                self._known = {k: one for k, one in self._known.items() if k not in self._worked}
                self._write()

    def forget(self) -> None:
        """Try everything again: somebody asked for it."""
        with self._lock:
            self._known = {key: one for key, one in self._known.items() if self._under_way[key]}
            self._write()

    def close(self) -> None:
        """Take the marks away: this end of the process was asked for, or is an error of its own."""
        with self._lock:
            self._under_way.clear()
            self._known = {
                key: msgspec.structs.replace(one, under_way=False)
                for key, one in self._known.items()
                if one.is_suspect
            }
            self._write()

    def _judged(self, one: Opens) -> Opens:
        """Return what is known of opens after the process that made them."""
        same_boot = one.boot_id == self._boot_id
        if same_boot and one.under_way and is_alive(one.pid):
            return one  # another daemon on this state folder, which will not let this one go on
        cuts = one.cuts
        if not same_boot:
            cuts = cuts + 1 if one.under_way else min(cuts, MOST_CUTS - 1)
        if cuts > one.cuts:
            log.warning(
                "%s: the power failed or the board restarted as %s was opened on it: it is tried "
                "in a test process again",
                one.library,
                one.pack,
            )
        return msgspec.structs.replace(one, boot_id=self._boot_id, under_way=False, cuts=cuts)

    def _begin(self, key: str, fresh: Opens) -> None:
        with self._lock:
            self._under_way[key] += 1
            self._quiet_since_s = None
            known = self._known.get(key, fresh)
            self._known[key] = msgspec.structs.replace(known, under_way=True, pid=os.getpid())
            if self._under_way[key] == 1:
                self._write()

    def _end(self, key: str) -> None:
        with self._lock:
            self._under_way[key] -= 1
            if self._under_way[key] > 0:
                return
            del self._under_way[key]
            known = self._known.pop(key, None)
            if known is not None and known.is_suspect:
                self._known[key] = msgspec.structs.replace(known, under_way=False)
            self._write()

    def _read(self) -> dict[str, Opens]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Opens])
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            log.warning("%s: cannot be read (%s): opens are counted from zero", FILE, error)
            return {}

    def _write(self) -> None:
        """Put what is known on the disk, at once: the next moment may be the last."""
        try:
            if self._known:
                replace_file(self._path, msgspec.json.encode(self._known))
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: opens cannot be counted: %s", self._path, error)


def is_alive(pid: int) -> bool:
    """Say whether a process other than this one has a number."""
    return pid not in (0, os.getpid()) and Path(f"/proc/{pid}").exists()
