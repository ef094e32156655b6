"""Six streams that do their worst beside two healthy ones, in one daemon with two workers.

    tests/faults/run hostile --deaths 10

A model that loops, one that takes 8 GB; a camera with pictures of 16000 x 16000, one with a
description of 2 GB, one that drips; one whose decoder dies with SIGSEGV again and again. The two
healthy streams go on, each of the six says what is wrong with it, and the daemon stays small.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
from consumer import Consumer

from edge_runtime.daemon.status_socket import ask
from support.broker import Mosquitto
from support.daemon import RUN, Daemon
from support.hostile import DrippingCamera, EndlessDescription, HugePictures
from support.hostile_models import write_hostile_pack
from support.manager import Manager
from support.paths import ROOT
from support.rtsp_camera import RtspCamera
from support.waiting import until

PACK = ROOT / "models" / "village-road"
HEALTHY = ("north", "south")
REASONS = {
    "loops": "inference hangs",
    "fills": "failed as it ran",
    "huge": "16000x16000 are too large",
    "endless": "sent no video",
    "drips": "sent no video",
    "dies": "crashed (SIGSEGV)",
}
WINDOW_S = 10.0
LOOK_S = 0.5
WATCHDOG_S = 20

HEAD = """
[device]
site = "siege"
name = "board"
[broker]
url = "mqtt://127.0.0.1:{port}"
[outbox]
max_mb = 8
commit_interval_s = 0.5
[engine]
workers = 2
"""
STREAM = """
[[streams]]
name = "{name}"
source = {source}
model = {{ pack = "{pack}" }}
publish = {{ mode = "every_inference" }}
"""
DRAWN = '{{ kind = "synthetic", width = {width}, height = {height}, rate_fps = {rate} }}'
SEEN = '{{ kind = "camera", device = "{url}", open_timeout_s = {patience}, read_timeout_s = 5 }}'


class Outcome(msgspec.Struct):
    """What came of a siege. `windows`: new results of each healthy stream, window by window."""

    reasons: dict[str, str] = {}
    windows: list[dict[str, int]] = []
    restarts: dict[str, int] = {}
    holes: list[tuple[int, int]] = []
    declared: list[tuple[int, int, int, str]] = []
    most_rss_mb: float = 0.0
    fed: int = 0
    status: int = -1
    log: str = ""


class Look:
    """Looks at the daemon from outside, in a thread of its own, until it is left."""

    def __init__(self, run: Daemon, manager: Manager, outcome: Outcome, window_s: float) -> None:
        self._run = run
        self._manager = manager
        self._outcome = outcome
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
        before: dict[str, int] | None = None
        end_s = 0.0
        while not self._over.wait(LOOK_S):
            self._outcome.fed += sum("WATCHDOG=1" in told for told in self._manager.waiting())
            if time.monotonic() < end_s or not all_running(self._run):
                continue
            end_s = time.monotonic() + self._window_s
            streams = streams_of(self._run)
            now = {name: streams[name]["inferred"] for name in HEALTHY}
            if before is not None:
                self._outcome.windows.append({name: now[name] - before[name] for name in HEALTHY})
            before = now
            self._outcome.most_rss_mb = max(self._outcome.most_rss_mb, rss_mb(self._run))


def besiege(
    folder: Path, *, deaths: int, window_s: float, patience_s: float, program: Sequence[str] = RUN
) -> Outcome:
    """Run the siege until each of the six has said its reason and the one has died so often."""
    outcome = Outcome()
    with ExitStack() as stack:
        manager = stack.enter_context(Manager(folder))
        broker = Mosquitto(folder)
        broker.start()
        stack.callback(broker.stop)
        consumer = stack.enter_context(Consumer(broker.port))
        cameras = {
            "huge": HugePictures(),
            "endless": EndlessDescription(),
            "drips": DrippingCamera(),
        }
        for camera in cameras.values():
            stack.enter_context(camera)
        dying = stack.enter_context(RtspCamera(rate_fps=5.0))
        urls = {name: camera.url for name, camera in cameras.items()} | {"dies": dying.url}
        text = HEAD.format(port=broker.port) + streams(folder, urls, patience_s)
        run = Daemon(folder, text, program=program)
        environment = {"WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000)} | manager.environment
        process = run.start(**environment)
        stack.callback(run.stop)
        with Look(run, manager, outcome, window_s):
            until(lambda: all_running(run), "the healthy streams", within_s=60)
            for _ in range(deaths):
                outcome.reasons["dies"] = die(run, dying.port)
            outcome.reasons = until(lambda: reasons(run, outcome.reasons), "six reasons",
                                    within_s=90.0)  # fmt: skip
            until(lambda: len(outcome.windows) >= 3, "three windows", within_s=60)
            told = streams_of(run)
            outcome.restarts = {name: told[name].get("restarts", 0) for name in HEALTHY}
            assert process.poll() is None, run.text()[-2000:]
            outcome.status = run.stop()
        books = consumer.of("board")
        outcome.holes, outcome.declared = books.holes(), books.declared
        outcome.log = run.text()
    return outcome


def streams(folder: Path, urls: dict[str, str], patience_s: float) -> str:
    """Return the eight streams of the configuration."""
    road = DRAWN.format(width=320, height=180, rate=5)
    small = DRAWN.format(width=64, height=64, rate=5)
    made = [STREAM.format(name=name, source=road, pack=PACK) for name in HEALTHY]
    for misdeed in ("loops", "fills"):
        pack = write_hostile_pack(folder / misdeed, misdeed)
        made.append(STREAM.format(name=misdeed, source=small, pack=pack))
    for name, url in urls.items():
        source = SEEN.format(url=url, patience=patience_s)
        made.append(STREAM.format(name=name, source=source, pack=PACK))
    return "".join(made)


def streams_of(run: Daemon) -> dict[str, Any]:
    told = ask(run.state) if run.state.is_dir() else None
    return told["streams"] if told is not None else {}


def all_running(run: Daemon) -> bool:
    told = streams_of(run)
    return all(told.get(name, {}).get("state") == "running" for name in HEALTHY)


def reasons(run: Daemon, known: dict[str, str]) -> dict[str, str]:
    """Note what each of the six says; return it once all have said what is wrong."""
    for name, one in streams_of(run).items():
        if name in REASONS and REASONS[name] in (one.get("reason") or ""):
            known[name] = one["reason"]
    return known if len(known) == len(REASONS) else {}


def die(run: Daemon, port: int) -> str:
    """Send SIGSEGV to the process that decodes the camera at a port; return what is said of it."""
    child = until(lambda: client_of(run, port), "the process of the camera", within_s=60)
    os.kill(child, signal.SIGSEGV)

    def reason() -> str:
        said: str = streams_of(run)["dies"].get("reason", "")
        return said if REASONS["dies"] in said else ""

    said = until(reason, "its reason")
    until(lambda: streams_of(run)["dies"]["state"] == "running", "it works again", within_s=60)
    return said


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


def rss_mb(run: Daemon) -> float:
    assert run.process is not None
    pages = int(Path(f"/proc/{run.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deaths", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = besiege(Path(folder), deaths=options.deaths, window_s=WINDOW_S, patience_s=5.0)
    for name, reason in outcome.reasons.items():
        print(f"{name:8} {reason}")
    for name in HEALTHY:
        print(f"{name:8} results in {WINDOW_S:g} s each: {[one[name] for one in outcome.windows]}")
    print(f"restarts of theirs  {outcome.restarts}")
    print(f"undeclared holes    {outcome.holes}; declared {outcome.declared}")
    print(f"most RSS of the daemon, MiB  {outcome.most_rss_mb:.0f}")
    print(f"watchdog fed        {outcome.fed} times; exit status {outcome.status}")


if __name__ == "__main__":
    main()
