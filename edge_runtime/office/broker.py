"""`office broker`: Mosquitto, and beside it a reader of its log that reports what was refused.

It may open as many files as it is allowed to, one for each board. The first process becomes
Mosquitto: for systemd it is the unit's own (READY=1, reload), and it lives on without the reader.
The reader ends when Mosquitto did, by the end of the pipe.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Self

from edge_runtime.errors import EdgeError, UsageError
from edge_runtime.office.broker_log import DOOR, LONGEST_LINE, BrokerLog, Client, LoggedRefusal
from edge_runtime.office.denials import LOOK_EVERY_S, Denials
from edge_runtime.office.folder import FileOwner, OfficeFolder
from edge_runtime.office.keeper import Keeper
from edge_runtime.office.members import member_names, write_members
from edge_runtime.office.mosquitto import BOUND, lacking, lines_of
from edge_runtime.office.open_files import OWN_FILES, OpenFileProbe, OpenFiles, raise_limit
from edge_runtime.office.registry import Registry, RegistryError

log = logging.getLogger(__name__)

PIPE_BYTES = 1 << 20  # what Linux grants anybody
FULL = 0.75  # lines leave gaps in a pipe's pages: a full one holds four fifths or more
READ_EVERY_S = 0.1  # many lines at once: a wake-up for each would cost as much as the broker
TOO_FAST = LoggedRefusal(
    Client("", name="the broker's log"),
    "came faster than it could be read: refusals may be missing",
)


def run(folder: OfficeFolder, program: str) -> None:
    """Become Mosquitto; returns in the reader alone, when Mosquitto has ended.

    Raises UsageError where there is no such program.
    """
    found = shutil.which(program)
    if found is None:
        raise UsageError(
            "--mosquitto: '{program}' is no program; apt-get install mosquitto", program=program
        )
    for words in lacking(folder.configuration):
        log.warning(
            "%s lacks '%s': what is refused may not be reported", folder.configuration, words
        )
    if not lines_of(folder.configuration, BOUND):
        log.warning(
            "%s sets no %s: a subscriber that is away can cost all memory; add '%s 134217728'",
            folder.configuration,
            BOUND,
            BOUND,
        )
    keeper = Keeper(folder, renewed_members(folder)) if uses_plugin(folder) else None
    files = raise_limit()
    log.info(
        "lets in some %d boards at once: %d files may be open (LimitNOFILE), one a connection",
        max(files - OWN_FILES, 0),
        files,
    )
    broker = os.getpid()  # which it stays as Mosquitto
    reading, writing = os.pipe()
    with contextlib.suppress(OSError):  # without a right to more, a user has so many large pipes
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    if os.fork() == 0:
        os.close(writing)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # they are for Mosquitto, whose last lines count
        if keeper is None:
            follow(reading, folder.registry, OpenFileProbe(broker))
        else:
            keeper.start()
            follow(reading, folder.registry, OpenFileProbe(broker), keeper.clear)
    else:
        become(found, folder, writing)


def uses_plugin(folder: OfficeFolder) -> bool:
    """Say whether Mosquitto is told to use the list of members, and tell where it is not."""
    if not lines_of(folder.configuration, "acl_file"):
        return True
    what = (
        "grants each subscription, so that any device may swallow others' shared subscriptions: "
        "mosquitto.conf is of an older version; run 'edge-runtime office init' again"
    )
    log.warning("%s: the broker %s", folder.configuration, what)
    with contextlib.suppress(RegistryError):
        folder.registry.note(time.time(), "", str(LoggedRefusal(DOOR, what)))
    return False


def renewed_members(folder: OfficeFolder) -> set[str]:
    """Write the plugin's file as the registry has it; return who is in it.

    Where the registry cannot be read, those of the last start are let in: all but new ones.
    """
    try:
        names = member_names(folder.registry)
        write_members(folder, FileOwner(), names)
    except EdgeError as error:
        log.error("%s; the list of members stays as it was", error)
        return set()
    return names


def become(program: str, folder: OfficeFolder, log_pipe: int) -> None:
    """Turn into Mosquitto, whose log never waits for a reader: what has no room is lost."""
    os.set_blocking(log_pipe, False)
    for descriptor in (1, 2):
        os.dup2(log_pipe, descriptor)
    os.execv(program, [program, "-c", str(folder.configuration)])  # noqa: S606 - no shell is wanted


def follow(
    log_pipe: int,
    registry: Registry,
    files: Callable[[], OpenFiles | None] = lambda: None,
    clear: Callable[[list[str]], None] = lambda _topics: None,
) -> None:
    """Read to the end: pass on what is worth keeping, report what was refused, `clear` excess."""
    broker_log, rest = BrokerLog(files), b""
    full_bytes = FULL * fcntl.fcntl(log_pipe, fcntl.F_GETPIPE_SZ)
    with RefusalReporter(registry) as reporter:
        while chunk := os.read(log_pipe, PIPE_BYTES):
            if len(chunk) >= full_bytes:
                reporter.take(TOO_FAST)
            *lines, rest = (rest[-LONGEST_LINE:] + chunk).split(b"\n")
            kept = []
            for line in lines:
                heard = broker_log.take(line)
                if isinstance(heard, LoggedRefusal):
                    reporter.take(heard)
                elif heard is not None:
                    kept.append(heard)
            clear(broker_log.retained.excess())
            pass_on(kept)
            time.sleep(READ_EVERY_S)
        pass_on([rest] if rest else [])


def pass_on(lines: list[bytes]) -> None:
    """Write lines to where the log goes; reports do not depend on that."""
    if lines:
        with contextlib.suppress(OSError):
            sys.stdout.buffer.write(b"\n".join((*lines, b"")))
            sys.stdout.buffer.flush()


class RefusalReporter:
    """Tells of refusals in the log and the registry, on a thread of its own.

    A slow disk, or a registry that another command holds, must not stop the reading.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._denials = Denials()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="refusals")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over = True
        self._wake.set()
        self._thread.join()

    def take(self, refusal: LoggedRefusal) -> None:
        """Count a refusal; never waits for a disk."""
        with self._lock:
            is_due = self._denials.add(refusal, time.monotonic())
        if is_due:
            self._wake.set()

    def _run(self) -> None:
        while not self._is_over:
            self._wake.wait(LOOK_EVERY_S if self._denials else None)
            self._wake.clear()
            self._tell(time.monotonic())
        self._tell(math.inf)

    def _tell(self, now_s: float) -> None:
        with self._lock:
            due = self._denials.due(now_s)
        keeps = True
        for address, what, who in due:
            log.warning("refused %s: %s", address or "-", what)
            try:
                if keeps:
                    self._registry.note(time.time(), address, what, who)
            except RegistryError as error:
                log.error("%s; 'office events' lacks what this log tells", error)
                keeps = False
