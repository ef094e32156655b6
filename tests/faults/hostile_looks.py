"""A siege as it is seen from outside: by `status`, by what is published, by what /proc shows."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from consumer import Consumer

from edge_runtime.daemon.status_socket import ask
from support.daemon import Daemon
from support.manager import Manager

LOOK_S = 0.2
Inode = tuple[int, int]


class Told:
    """When each stream first said what is wrong with it, in one place; seconds of a clock."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self._reasons = reasons
        self.at_s: dict[str, float] = {}
        self.words: dict[str, str] = {}

    def take(self, streams: Mapping[str, Any]) -> None:
        """Look through what is said of the streams now."""
        now_s = time.monotonic()
        for name, reason in self._reasons.items():
            one = streams.get(name, {})
            for said in (one.get("reason", ""), one.get("last_fault", {}).get("reason", "")):
                if reason in said and name not in self.at_s:
                    self.at_s[name], self.words[name] = now_s, said

    @property
    def all_told(self) -> bool:
        return len(self.at_s) == len(self._reasons)


class Ledger(Consumer):
    """Keeps books on the device, what its health says, and when each result was captured."""

    def __init__(self, port: int, reasons: Mapping[str, str]) -> None:
        super().__init__(port)
        self.told = Told(reasons)
        self.healths = 0
        self.captured: dict[str, list[float]] = {}

    def take(self, message: mqtt.MQTTMessage) -> None:
        super().take(message)
        levels = message.topic.split("/")
        if levels[4:] == ["health"]:
            self.healths += 1
            self.told.take(msgspec.json.decode(message.payload)["streams"])
        elif levels[5:] == ["detections"]:
            ts = msgspec.json.decode(message.payload)["ts"]
            self.captured.setdefault(levels[4], []).append(ts)

    def longest_hole_s(self, stream: str) -> float:
        """Return the longest time between two pictures of a stream that gave a result."""
        with self._changed:
            times = sorted(self.captured.get(stream, []))
        return max((b - a for a, b in itertools.pairwise(times)), default=float("inf"))


class Look:
    """Looks at the daemon from outside, in a thread of its own, until it is left."""

    def __init__(
        self,
        run: Daemon,
        manager: Manager,
        told: Told,
        healthy: Callable[[Mapping[str, Any]], bool],
        window_s: float,
    ) -> None:
        self.told = told
        self.first_picture_s: dict[str, float] = {}
        self.pictures: list[dict[str, int]] = []  # inferred so far, at the end of each window
        self.most_rss_mb = 0.0
        self.fed = 0
        self._run = run
        self._manager = manager
        self._healthy = healthy
        self._window_s = window_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Look:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        end_s = 0.0
        while not self._over.wait(LOOK_S):
            self.fed += sum("WATCHDOG=1" in told for told in self._manager.waiting())
            streams = streams_of(self._run)
            self.told.take(streams)
            now_s = time.monotonic()
            for name in (name for name, one in streams.items() if one.get("captured")):
                self.first_picture_s.setdefault(name, now_s)
            if now_s >= end_s and self._healthy(streams):
                end_s = now_s + self._window_s
                inferred = {name: one.get("inferred", 0) for name, one in streams.items()}
                self.pictures.append(inferred)
                self.most_rss_mb = max(self.most_rss_mb, rss_mb(self._run))


def streams_of(run: Daemon) -> dict[str, Any]:
    told = ask(run.state) if run.state.is_dir() else None
    return told["streams"] if told is not None else {}


def client_of(run: Daemon, port: int) -> int | None:
    """Return the child that is connected to a port; None: there is none yet."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {row[9] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"}
    for child in descendants(run):
        try:
            links = {str(one.readlink()) for one in Path(f"/proc/{child}/fd").iterdir()}
        except OSError:
            continue
        if any(f"socket:[{inode}]" in links for inode in sockets):
            return child
    return None


def descendants(run: Daemon) -> list[int]:
    """Return the processes that a daemon has started, and those that they have."""
    assert run.process is not None
    by_parent: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        by_parent.setdefault(parent, []).append(int(stat.parent.name))
    found = [run.process.pid]
    for one in found:
        found += by_parent.get(one, [])
    return found[1:]


def shared_memory(processes: list[int]) -> set[Inode]:
    """Return the anonymous files that the daemon's processes have open or mapped."""
    found: set[Inode] = set()
    for process in processes:
        for folder in ("fd", "map_files"):
            try:
                entries = list(Path(f"/proc/{process}/{folder}").iterdir())
            except OSError:
                continue
            for entry in entries:
                try:
                    if "memfd:edge-runtime" in str(entry.readlink()):
                        facts = entry.stat()
                        found.add((facts.st_dev, facts.st_ino))
                except OSError:
                    continue
    return found


def left_behind(processes: list[int], memory: Set[Inode]) -> list[str]:
    """Return what of a daemon that has ended is still there: processes, anonymous files."""
    left = [f"process {one}" for one in processes if is_alive(one)]
    everyone = [int(one.name) for one in Path("/proc").glob("[0-9]*")]
    return left + [f"memory {one}" for one in shared_memory(everyone) & memory]


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def rss_mb(run: Daemon) -> float:
    assert run.process is not None
    pages = int(Path(f"/proc/{run.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
