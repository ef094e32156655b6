"""A board beside its fault: its daemon, its doctor, and what both of them name as the cause."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge_runtime.daemon.status_socket import ask
from support.broker import Mosquitto
from support.daemon import Daemon, Ear
from support.owners import OWNER
from support.waiting import until
from world_faults.fault import STATE, Planted, Site

HEAD = """
[device]
site = "test"
name = "board"
[broker]
{broker}
retry_max_s = 0.5
[outbox]
commit_interval_s = 0.2
{outbox}
{streams}
"""
PATIENCE_S = 60.0


class Board:
    """One board; `told`: all that was said of its faults, by place."""

    def __init__(self, site: Site, planted: Planted) -> None:
        self._site = site
        self._planted = planted
        self.told: dict[str, list[str]] = {}
        broker = planted.broker or f'url = "mqtt://127.0.0.1:{site.broker_port}"'
        text = HEAD.format(broker=broker, outbox=planted.outbox, streams=planted.streams)
        self._run = Daemon(site.folder, text, program=[*planted.program, "run"])
        self._state = site.folder / STATE
        if planted.is_other_user and not self._state.exists():
            self._state.mkdir(0o700)
            os.chown(self._state, OWNER, OWNER)

    def doctor(self) -> list[dict[str, str]]:
        """Return what the doctor finds."""
        done = self._command("doctor", "--config", str(self._run.config), "--json")
        assert "Traceback" not in done.stderr, done.stderr
        found: list[dict[str, str]] = json.loads(done.stdout)
        return found

    def status(self) -> dict[str, Any]:
        """Return what `status` tells a program."""
        facts: dict[str, Any] = json.loads(self._command("status", "--json").stdout)
        return facts

    def last_words(self) -> str:
        """Return what a daemon says that does not stay."""
        self._run.start(**self._planted.environment)
        assert self._run.wait(PATIENCE_S) != 0
        assert "Traceback" not in self._run.text()
        return self._run.text()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Run the daemon."""
        process = self._run.start(**self._planted.environment)
        try:
            until(lambda: self._state.is_dir() and ask(self._state), "the daemon answers")
            yield
            assert self._run.stop() == 0
            assert "Traceback" not in self._run.text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    @contextlib.contextmanager
    def with_broker(self) -> Iterator[Ear]:
        """Run the good broker, and listen to it."""
        folder = self._site.folder / "good-broker"
        folder.mkdir(exist_ok=True)
        broker = Mosquitto(folder)
        broker.port = self._site.broker_port
        broker.config.write_text(f"listener {broker.port} 127.0.0.1\nallow_anonymous true\n")
        broker.start()
        ear = Ear(broker.port)
        try:
            yield ear
        finally:
            ear.close()
            broker.stop()

    def strike(self) -> None:
        """Let the fault happen to a board that works."""
        until(self._works, "the board works", within_s=PATIENCE_S)
        assert self._planted.strike is not None
        if self._planted.restarts:
            assert self._run.stop() == 0
        self._planted.strike()
        if self._planted.restarts:
            self._run.start(**self._planted.environment)

    def await_told(self, place: str, is_it: Callable[[str], bool]) -> None:
        """Wait until the daemon tells on the board, at a place, what is looked for."""

        def look() -> bool:
            self._note(places(ask(self._state) or {}), place)
            return any(map(is_it, self.told.get(place, [])))

        until(look, f"the cause at {place}: {self.told}", within_s=PATIENCE_S, every_s=0.05)

    def await_health(self, ear: Ear, place: str, is_it: Callable[[str], bool]) -> dict[str, Any]:
        """Wait until health tells over the link what is looked for; return that message."""

        def found(heard: Ear) -> list[dict[str, Any]]:
            for health in heard.of("health"):
                self._note(places(health), place)
            return [one for one in heard.of("health") if any(map(is_it, places(one)[place]))]

        ear.wait_for(lambda heard: bool(found(heard)))
        return found(ear)[0]

    def _note(self, told: dict[str, list[str]], place: str) -> None:
        kept = self.told.setdefault(place, [])
        kept += [one for one in told.get(place, []) if one not in kept]

    def _works(self) -> bool:
        facts = ask(self._state) or {}
        states = [stream.get("state") for stream in facts.get("streams", {}).values()]
        return states == ["running"] and facts["link"]["state"] == "connected"

    def _command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._planted.program, *arguments, "--state-dir", str(self._state)],
            env={**os.environ, **self._planted.environment, "LC_ALL": "C"},
            cwd=Path("/"), capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip


def places(health: dict[str, Any]) -> dict[str, list[str]]:
    """Return what is said to be wrong, by the place of which it is said."""
    told: dict[str, list[str]] = {"stream": [], "link": [], "outbox": [], "config": []}
    for stream in health.get("streams", {}).values():
        told["stream"] += [stream.get("reason", ""), stream.get("notice", "")]
        told["stream"] += [*stream.get("channels", {}).values()]
    for place in ("link", "outbox", "config"):
        told[place].append(health.get(place, {}).get("reason", ""))
    return {place: [str(text) for text in texts if text] for place, texts in told.items()}
