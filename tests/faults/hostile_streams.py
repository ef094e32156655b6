"""Six streams that do their worst beside two healthy ones, in one daemon with two workers.

    tests/faults/run hostile --deaths 10

A model that loops, one that takes 8 GB; a camera with pictures of 16000 x 16000, one with a
description of 2 GB, one that drips; one whose decoder dies with SIGSEGV again and again. The two
healthy streams go on, each of the six says what is wrong with it in `status` and in `health`, the
daemon stays small, and nothing of it is left when it has stopped. Exits with 1 where a reason took
longer than a minute.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
from hostile_looks import (
    Ledger,
    Look,
    Told,
    client_of,
    descendants,
    left_behind,
    shared_memory,
    streams_of,
)

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
    "endless": "does not speak RTSP",
    "drips": "does not answer OPTIONS within",
    "dies": "crashed (SIGSEGV)",
}
WINDOW_S = 10.0
PROMISED_S = 60.0  # from a fault to its reason, in status and in health
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
[inference]
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
    """What came of a siege. `windows`: new results of each healthy stream, window by window.

    `in_status_s`, `in_health_s`: from each fault to its reason there. A fault begins where a camera
    is first asked, a model gets its first picture, a decoder gets its signal.
    """

    reasons: dict[str, str] = {}
    in_status_s: dict[str, float] = {}
    in_health_s: dict[str, float] = {}
    healths: int = 0
    windows: list[dict[str, int]] = []
    longest_holes_s: dict[str, float] = {}
    dropped: dict[str, float] = {}
    restarts: dict[str, int] = {}
    holes: list[tuple[int, int]] = []
    declared: list[tuple[int, int, int, str]] = []
    most_rss_mb: float = 0.0
    fed: int = 0
    status: int = -1
    left_behind: list[str] = []
    log: str = ""


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
        ledger = stack.enter_context(Ledger(broker.port, REASONS))
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
        with Look(run, manager, Told(REASONS), all_running, window_s) as look:
            until(lambda: all_running(streams_of(run)), "the healthy streams", within_s=60)
            begun_s = {"dies": die_often(run, dying.port, deaths)}
            until(lambda: look.told.all_told, "six reasons in status", within_s=90.0)
            until(lambda: ledger.told.all_told, "six reasons in health", within_s=90.0)
            until(lambda: len(look.pictures) >= 4, "three windows", within_s=60)
            begun_s |= {name: camera.met_s for name, camera in cameras.items()}
            begun_s |= {name: look.first_picture_s[name] for name in ("loops", "fills")}
            note_streams(outcome, streams_of(run))
            assert process.poll() is None, run.text()[-2000:]
        processes = descendants(run)
        memory = shared_memory([process.pid, *processes])
        outcome.status = run.stop()
        outcome.left_behind = left_behind(processes, memory)
        note_told(outcome, begun_s, look, ledger)
        outcome.log = run.text()
    return outcome


def note_streams(outcome: Outcome, told: Mapping[str, Any]) -> None:
    """Note what the healthy streams say of themselves at the end."""
    for name in HEALTHY:
        outcome.restarts[name] = told[name].get("restarts", 0)
        outcome.dropped[name] = told[name].get("dropped", 0) / told[name]["captured"]


def note_told(outcome: Outcome, begun_s: Mapping[str, float], look: Look, ledger: Ledger) -> None:
    """Note what was said when, by the daemon and by what it published."""
    outcome.reasons = look.told.words
    outcome.in_status_s = {name: at - begun_s[name] for name, at in look.told.at_s.items()}
    outcome.in_health_s = {name: at - begun_s[name] for name, at in ledger.told.at_s.items()}
    outcome.healths = ledger.healths
    outcome.windows = [
        {name: after[name] - before[name] for name in HEALTHY}
        for before, after in itertools.pairwise(look.pictures)
    ]
    outcome.longest_holes_s = {name: ledger.longest_hole_s(name) for name in HEALTHY}
    outcome.most_rss_mb, outcome.fed = look.most_rss_mb, look.fed
    books = ledger.of("board")
    outcome.holes, outcome.declared = books.holes(), books.declared


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


def all_running(told: Mapping[str, Any]) -> bool:
    return all(told.get(name, {}).get("state") == "running" for name in HEALTHY)


def die_often(run: Daemon, port: int, deaths: int) -> float:
    """Have the process that decodes the camera at a port die so often; return when it first did."""
    return min(die(run, port) for _ in range(deaths))


def die(run: Daemon, port: int) -> float:
    """Send SIGSEGV to the process that decodes the camera at a port; return when, once it says so
    and works again.
    """
    child = until(lambda: client_of(run, port), "the process of the camera", within_s=60)
    sent_s = time.monotonic()
    os.kill(child, signal.SIGSEGV)
    until(lambda: REASONS["dies"] in streams_of(run)["dies"].get("reason", ""), "its reason")
    until(lambda: streams_of(run)["dies"]["state"] == "running", "it works again", within_s=60)
    return sent_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deaths", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = besiege(Path(folder), deaths=options.deaths, window_s=WINDOW_S, patience_s=5.0)
    for name, reason in outcome.reasons.items():
        status_s, health_s = outcome.in_status_s[name], outcome.in_health_s[name]
        print(f"{name:8} {status_s:5.1f} s to status, {health_s:5.1f} s to health: {reason}")
    for name in HEALTHY:
        print(
            f"{name:8} results in {WINDOW_S:g} s each: {[one[name] for one in outcome.windows]}; "
            f"longest hole {outcome.longest_holes_s[name]:.1f} s; "
            f"{outcome.dropped[name]:.1%} of the pictures left out"
        )
    print(f"restarts of theirs  {outcome.restarts}")
    print(f"undeclared holes    {outcome.holes}; declared {outcome.declared}")
    print(f"most RSS of the daemon, MiB  {outcome.most_rss_mb:.0f}")
    print(f"watchdog fed        {outcome.fed} times; {outcome.healths} healths published")
    print(f"exit status         {outcome.status}; left behind {outcome.left_behind}")
    late = [name for name in REASONS if not said_in_time(outcome, name)]
    if late or outcome.left_behind:
        sys.exit(f"longer than {PROMISED_S:g} s to its reason: {late}")


def said_in_time(outcome: Outcome, stream: str) -> bool:
    """Say whether a reason stood in status and in health within the time that is promised."""
    return max(outcome.in_status_s[stream], outcome.in_health_s[stream]) <= PROMISED_S


if __name__ == "__main__":
    main()
