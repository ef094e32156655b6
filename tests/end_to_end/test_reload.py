"""A reload changes what differs, and nothing else: cameras, tracks, rules and link go on."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_runtime.board.notify import Notifier
from edge_runtime.clock import SystemClock
from edge_runtime.config import parse
from edge_runtime.daemon import probation
from edge_runtime.daemon.build import build_mqtt
from edge_runtime.daemon.change import ChangeOutcome, ConfigChange
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.daemon.crash_loop import CrashLoopGuard
from edge_runtime.daemon.daemon import Daemon as DaemonInProcess
from edge_runtime.daemon.status_socket import ask
from edge_runtime.errors import ConfigError
from edge_runtime.options import CameraOptions, Config
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore
from edge_runtime.toml_file import read_toml
from support.broker import Mosquitto
from support.daemon import Daemon, Ear
from support.road import head, stream, synthetic
from support.waiting import until

ENDLESS = synthetic("rate_fps = 8, width = 320, height = 180")
LINE = '{ kind = "line", name = "milestone", start = [0.5, 0.0], end = [0.5, 1.0] }'
EACH = '{ kind = "count", name = "each-half", every_s = 0.5 }'
RULES = f"rules = [{LINE}]"
FULL = 'publish = { mode = "every_inference" }'
ROAD = stream("road", ENDLESS, more=f"{RULES}\n{FULL}")
YARD = stream(
    "yard",
    synthetic("rate_fps = 8, seed = 2, width = 320, height = 180"),
    more=f"track = {{}}\n{FULL}",
)


class Reloaded:
    """A daemon whose file is changed, what it says of itself, and what a subscriber gets."""

    def __init__(self, run: Daemon, ear: Ear, broker: Mosquitto) -> None:
        self.run = run
        self.ear = ear
        self.broker = broker
        assert run.process is not None
        self._process = run.process

    def streams(self) -> dict[str, Any]:
        """Return the streams' status; every one of them works."""

        def all_run() -> Any:
            told = ask(self.run.state)
            states = [one.get("state") for one in told["streams"].values()] if told else []
            return told["streams"] if told and set(states) == {"running"} else None

        found: dict[str, Any] = until(all_run, "all streams run", within_s=60)
        return found

    def births(self) -> int:
        return sum(one["state"] == "online" for one in self.ear.of("status"))

    def change(self, *replaced: tuple[str, str]) -> None:
        """Change the file and have it read; return once what follows is announced and at work."""
        text = self.run.config.read_text()
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        self.run.config.write_text(text)
        births = self.births()
        self._process.send_signal(signal.SIGHUP)
        self.ear.wait_for(lambda _: self.births() == births + 1)
        assert "config" not in self.ear.of("status")[-1]
        before = self.streams()
        until(lambda: self._all_later(before), "further frames", within_s=60)

    def _all_later(self, before: dict[str, Any]) -> bool:
        now = self.streams()
        return all(now[name]["captured"] > one["captured"] for name, one in before.items())

    def connects(self) -> int:
        log = (self.broker.folder / "mosquitto.log").read_text()
        return log.count("as edge:test:board (")

    def assert_nothing_is_lost_or_doubled(self) -> None:
        seqs = sorted(one["seq"] for one in records(self.ear))
        assert seqs == list(range(1, len(seqs) + 1))


def records(ear: Ear) -> list[Any]:
    kinds = ("detections", "event", "counts", "summary", "gap")
    return [one.payload for one in ear.heard if one.kind in kinds]


def is_tracked(ear: Ear, name: str) -> bool:
    """Say whether the latest picture of a stream shows something that has an id."""
    of_it = [one for one in ear.heard if (one.stream, one.kind) == (name, "detections")]
    return bool(of_it) and any("track" in each for each in of_it[-1].payload["objects"])


def ids_that_go_on(ear: Ear, name: str) -> list[set[int]]:
    """Return, for each further birth, the ids that a stream's tracks have before and after it."""
    found = []
    for at in [n for n, one in enumerate(ear.heard) if one.kind == "status"][1:]:
        sides = []
        for part in (ear.heard[:at][::-1], ear.heard[at:]):
            seen = [one for one in part if (one.stream, one.kind) == (name, "detections")][:8]
            objects = [each for one in seen for each in one.payload["objects"]]
            sides.append({each["track"] for each in objects if "track" in each})
        found.append(sides[0] & sides[1])
    return found


@pytest.fixture
def reloaded(
    daemon: Callable[..., Daemon], ear: Ear, mosquitto: Mosquitto
) -> Iterator[Callable[[str], Reloaded]]:
    def start(streams: str) -> Reloaded:
        run = daemon(streams)
        run.start()
        one = Reloaded(run, ear, mosquitto)
        ear.wait_for(lambda _: one.births() == 1)
        one.streams()
        return one

    return start


def test_what_is_exchanged_in_place_leaves_cameras_tracks_and_the_link_as_they_are(
    reloaded: Callable[[str], Reloaded],
) -> None:
    device = reloaded(ROAD + YARD)
    begun = device.streams()
    for replaced in (
        ("start = [0.5, 0.0]", "start = [0.4, 0.0]"),
        ("model = { pack", "model = { min_score = 0.4, pack"),
        (RULES[:7], f'gate = {{ kind = "motion" }}\n{RULES[:7]}'),
    ):
        device.ear.wait_for(lambda heard: is_tracked(heard, "road") and is_tracked(heard, "yard"))
        device.change(replaced)
    device.change((f"{LINE.replace('0.5, 0.0', '0.4, 0.0')}]\n{FULL}", f"{LINE}]\npublish = {{}}"))
    device.change((f"{LINE}]\npublish = {{}}", f"{LINE}]\n{FULL}"))
    now = device.streams()
    for name in ("road", "yard"):
        assert (begun[name]["opens"], now[name]["opens"]) == (1, 1)
        assert now[name]["captured"] > begun[name]["captured"]
        assert "restarts" not in now[name]
        assert all(ids_that_go_on(device.ear, name)[:3])
    assert device.connects() == 1
    assert device.run.stop() == 0
    device.ear.wait_for_the_end()
    device.assert_nothing_is_lost_or_doubled()
    assert "Traceback" not in device.run.text()


def test_each_change_restarts_what_it_touches_alone(reloaded: Callable[[str], Reloaded]) -> None:
    device = reloaded(ROAD + YARD)
    device.change(("seed = 2", "seed = 3"))
    now = device.streams()
    assert (now["road"]["opens"], now["yard"]["opens"]) == (1, 2)
    device.change(("[outbox]", "[inference]\nworkers = 1\n[outbox]"))
    device.change((YARD.replace("seed = 2", "seed = 3"), ""))
    assert device.streams().keys() == {"road"}
    with device.run.config.open("a") as file:
        file.write(YARD.replace("yard", "lane"))
    device.change()
    assert device.streams().keys() == {"road", "lane"}
    assert device.connects() == 1
    device.assert_nothing_is_lost_or_doubled()
    device.change(("[broker]", "[broker]\nkeepalive_s = 30"))
    assert device.connects() == 2
    device.change(("commit_interval_s = 0.2", "commit_interval_s = 0.1"))
    assert device.connects() == 3
    now = device.streams()
    assert (now["road"]["opens"], now["lane"]["opens"]) == (1, 1)
    assert device.run.stop() == 0
    device.ear.wait_for_the_end()
    # Another outbox is another boot; what the first one held came before it, or late.
    names = {(one["boot"], one["seq"]) for one in records(device.ear)}
    for boot in (1, 2):
        seqs = sorted(seq for of, seq in names if of == boot)
        assert seqs == list(range(1, len(seqs) + 1))


def test_records_bear_the_names_of_their_rules_while_those_change_places(
    reloaded: Callable[[str], Reloaded],
) -> None:
    rules = [f"rules = [{a}, {b}]" for a, b in ((LINE, EACH), (EACH, LINE))]
    publish = 'publish = { encoding = "cbor" }'
    device = reloaded(stream("road", ENDLESS, more=f"{rules[0]}\n{publish}"))
    for number in range(4):
        device.change((rules[number % 2], rules[1 - number % 2]))
    device.ear.wait_for(lambda heard: bool(heard.of("event")))
    assert device.run.stop() == 0
    device.ear.wait_for_the_end()
    assert {one["rule"] for one in device.ear.of("counts")} == {"each-half"}
    assert {one["rule"] for one in device.ear.of("event")} == {"milestone"}
    device.assert_nothing_is_lost_or_doubled()
    counts = device.ear.of("counts")
    assert all(abs(b["from"] - a["to"]) < 0.002 for a, b in itertools.pairwise(counts))


# Changes that are proposed from within


@contextmanager
def in_process(folder: Path, text: str) -> Iterator[tuple[DaemonInProcess, Config]]:
    """Run a daemon in a thread; it stops at the end."""
    file, state = folder / "edge-runtime.toml", folder / "state"
    file.write_text(text)
    requests, clock = ControlRequests(), SystemClock()
    one = DaemonInProcess(
        file, state, PackStore(state, bundled_models()), clock, Notifier({}), requests,
        CrashLoopGuard(state, ""), build_mqtt,
    )  # fmt: skip
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(one.run()))
    thread.start()
    try:
        yield one, parse(read_toml(file, ConfigError), file)
    finally:
        requests.ask("stop")
        thread.join(30.0)
    assert ended == [True]


def test_a_change_that_does_not_prove_itself_is_undone_and_whoever_asked_is_told(
    tmp_path: Path, mosquitto: Mosquitto, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probation, "PROBATION_S", 4.0)
    with in_process(tmp_path, head(mosquitto.url) + ROAD + YARD) as (one, good):
        state = tmp_path / "state"

        def streams() -> Any:
            told = ask(state)
            return told["streams"] if told else {}

        def all_run() -> bool:
            states = [one.get("state") for one in streams().values()]
            return states == ["running"] * 2

        until(all_run, "both run", within_s=60)
        ear.wait_for(lambda heard: bool(heard.of("status")))
        outcomes: list[ChangeOutcome] = []

        def propose(config: Config) -> ChangeOutcome:
            one.propose(ConfigChange(lambda: one.loader.check(config), outcomes.append))
            return until(lambda: outcomes.pop() if outcomes else None, "an answer", within_s=60)

        road, yard = good.streams
        moved = msgspec.structs.replace(road.rules[0], end=(0.6, 1.0))
        changed = msgspec.structs.replace(road, rules=(moved,))
        better = msgspec.structs.replace(good, streams=(changed, yard))
        assert propose(better) == ChangeOutcome("kept")
        broken = CameraOptions("/dev/nothing", open_timeout_s=0.1, read_timeout_s=0.1)
        worse = msgspec.structs.replace(
            better, streams=(road, msgspec.structs.replace(yard, source=broken))
        )
        undone = propose(worse)
        assert undone.ending == "undone"
        assert undone.reason.startswith("not proved within 4 s: stream yard: ")
        until(all_run, "both run again", within_s=60)
        assert streams()["road"]["opens"] == 1
        assert one.loaded.setups[0].options == changed
        nowhere = msgspec.structs.replace(road, model=msgspec.structs.replace(road.model, pack="x"))
        refused = propose(msgspec.structs.replace(better, streams=(nowhere, yard)))
        assert (refused.ending, "streams[0].model.pack" in refused.reason) == ("refused", True)
    births = [one for one in ear.of("status") if one["state"] == "online"]
    assert len(births) == 4
