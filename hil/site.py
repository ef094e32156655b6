"""A board at work for an office: what a technician does there, and what both sides can see."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.encode.reader import Decoded
from hil.board import Board, Done, write_file
from hil.office import Office
from support.books import Books, committed
from support.daemon import Ear
from support.paths import ROOT
from support.road import stream, synthetic
from support.waiting import until

DEVICE = "board"
SERVICE = "edge-runtime"
CONFIG = "/etc/edge-runtime/edge-runtime.toml"
STATE = "/var/lib/edge-runtime"
STICK = "/media/stick"
AFTER_CUT = "/var/tmp/after-cut"
TABLES = """
[outbox]
max_mb = 16
commit_interval_s = 0.2
backlog_per_s = 5000
"""
# The bench's own: shorter patience than in the field, and a copy of what each start finds.
DROP_IN = f"""\
[Service]
WatchdogSec={{watchdog_s:.0f}}
TimeoutStartSec={{start_s:.0f}}
ExecStartPre=+/bin/sh -c 'rm -rf {AFTER_CUT}; cp -a {STATE}/outbox {AFTER_CUT} || true'
"""
WATCHDOG_S, START_S = 10.0, 60.0


def road(name: str, options: str, more: str = 'publish = { mode = "every_inference" }') -> str:
    """Return a stream of a simulated road; each picture that is inferred gives a record."""
    small = f"width = 320, height = 180, {options}"
    return stream(name, synthetic(small), model='pack = "village-road"', more=more)


PULSE = road("pulse", "rate_fps = 10")


class Bringing(msgspec.Struct, frozen=True):
    """What the two commands said, and how long each took."""

    installed: Done
    provisioned: Done
    install_s: float
    provision_s: float


class Site:
    """One board, its office, and a subscriber. One thread."""

    def __init__(self, board: Board, office: Office, ear: Ear, bundle: Path) -> None:
        self.board = board
        self.office = office
        self.ear = ear
        self._bundle = bundle
        self._head = ""
        self.text = ""

    # The technician

    def bring_up(self, claim: Path) -> Bringing:
        """Bring a stick, and type two commands."""
        self.load_stick(self._bundle, claim)
        began_s = time.monotonic()
        installed = self.install(self._bundle)
        after_s = time.monotonic()
        provisioned = self.provision(claim)
        return Bringing(installed, provisioned, after_s - began_s, time.monotonic() - after_s)

    def load_stick(self, bundle: Path, claim: Path | None = None) -> None:
        """Put the installer, a bundle, a claim and the answers for a board without a camera."""
        for name in ("install", "install-parts"):
            self.board.put(ROOT / "scripts" / name, f"{STICK}/{name}")
        self.board.put(bundle, f"{STICK}/{bundle.name}")
        if claim is not None:
            self.board.put(claim, f"{STICK}/{claim.name}")
        self.write(f"{STICK}/answers.toml", TABLES + PULSE)

    def install(self, bundle: Path, *options: str) -> Done:
        """Type the first command."""
        words = " ".join(options)
        return self.board.sh(
            f"{STICK}/install --bundle {STICK}/{bundle.name} {words}",
            timeout_s=300 * self.board.slowness,
        )

    def provision(self, claim: Path) -> Done:
        """Type the second command."""
        return self.board.sh(
            f"edge-runtime provision --claim {STICK}/{claim.name} --yes "
            f"--answers {STICK}/answers.toml",
            timeout_s=240 * self.board.slowness,
        )

    def shorten_patience(self) -> None:
        """Have the service's time limits end soon, and each start's outbox copied."""
        slowness = self.board.slowness
        text = DROP_IN.format(watchdog_s=WATCHDOG_S * slowness, start_s=START_S * slowness)
        self.write(f"/etc/systemd/system/{SERVICE}.service.d/90-hil.conf", text)
        self.must("systemctl daemon-reload")

    def make_sound(self) -> None:
        """Have the board at work on its pulse, whatever was done to it before."""
        self.board.on()
        self.board.restore_link()
        if self._is_sound():
            self.hear_more(count=1)
            return
        self.shorten_patience()
        self.configure(PULSE)
        self.hear_more()

    def _is_sound(self) -> bool:
        as_it_should = {"ActiveState": "active", "NRestarts": "0"}
        return self.text == self.configuration(PULSE) and self.show(*as_it_should) == as_it_should

    def configuration(self, streams: str) -> str:
        """Return the file that provisioning wrote, with other streams."""
        self._head = self._head or self.must(f"cat {CONFIG}").partition("\n[outbox]")[0]
        return f"{self._head}\n{TABLES}{streams}"

    def configure(self, streams: str) -> None:
        """Give the service other streams, and have it start with them."""
        self.write_config(self.configuration(streams))
        self.must(f"systemctl restart {SERVICE}", timeout_s=120 * self.board.slowness)

    def write_config(self, text: str) -> None:
        """Replace the configuration file."""
        self.text = text
        self.write(CONFIG, text)
        self.must(f"chgrp edge-runtime {CONFIG} && chmod 640 {CONFIG}")

    # On the board

    def must(self, command: str, timeout_s: float = 60.0) -> str:
        """Run a command that has to succeed; return what it said."""
        done = self.board.sh(command, timeout_s)
        assert done.rc == 0, f"{command}: {done.rc}: {done.out}"
        return done.out

    def write(self, remote: str, text: str) -> None:
        """Write a file."""
        write_file(self.board, remote, text)

    def show(self, *properties: str) -> dict[str, str]:
        """Return properties of the service, as systemd sees it."""
        listed = self.must(f"systemctl show {SERVICE} --property={','.join(properties)}")
        return dict(line.split("=", 1) for line in listed.splitlines())

    def status(self) -> dict[str, Any]:
        """Return what the daemon says of itself; empty where none answers."""
        done = self.board.sh("edge-runtime status --json")
        found: dict[str, Any] = json.loads(done.out) if done.rc == 0 else {}
        return found

    def doctor(self) -> dict[str, dict[str, str]]:
        """Return what the doctor finds, by check."""
        done = self.board.sh("edge-runtime doctor --json --lang en 2>/dev/null", timeout_s=180.0)
        return {one["check"]: one for one in json.loads(done.out)}

    def log(self, lines: int = 30) -> str:
        """Return the end of the service's log."""
        return self.board.sh(f"journalctl -u {SERVICE} -n {lines} -o cat --no-pager").out

    def state_of(self, stream: str) -> str:
        """Return whether a stream is `running` or `degraded`; empty where no daemon answers."""
        return str(self.status().get("streams", {}).get(stream, {}).get("state", ""))

    def committed(self) -> dict[int, int]:
        """Return the last seq by boot that the latest start of the service found on the disk."""
        with tempfile.TemporaryDirectory() as place:
            for name in ("outbox.db", "outbox.db-wal"):
                if self.board.sh(f"test -e {AFTER_CUT}/{name}").rc == 0:
                    self.board.get(f"{AFTER_CUT}/{name}", Path(place) / name)
            return committed(Path(place))

    # At the office

    def books(self) -> Books:
        """Return the accounts of all that the office has heard of the board."""
        books = Books()
        for one in self.records():
            # A reading is a SenML pack, whose first record bears the names.
            books.enter(one.kind, one.payload[0] if one.kind == "reading" else one.payload)
        return books

    def records(self, stream: str | None = None) -> list[Decoded]:
        """Return what came of one stream, or of all that publish plain records."""
        return [
            one
            for one in list(self.ear.heard)
            if one.device == DEVICE and one.stream and stream in (None, one.stream)
        ]

    def births(self) -> list[dict[str, Any]]:
        """Return each `online` that the board has said."""
        return [one for one in self.ear.of("status") if one["state"] == "online"]

    def hear(self, what: str, look: Callable[[], object], within_s: float = 60.0) -> None:
        """Wait for something that the subscriber sees."""
        limit_s = within_s * self.board.slowness
        until(look, f"{what}\n{self.log()}", within_s=limit_s, every_s=0.1)

    def hear_more(self, stream: str = "pulse", count: int = 5, within_s: float = 60.0) -> None:
        """Wait for so many further records of a stream."""
        seen = len(self.records(stream))
        self.hear(
            f"{count} more of {stream}", lambda: len(self.records(stream)) >= seen + count, within_s
        )

    def miss_nothing(self) -> None:
        """Wait until each record below the newest has come, or is declared not to come."""
        limit_s = 60.0 * self.board.slowness
        until(lambda: not self.books().holes(), "all records", within_s=limit_s, every_s=1.0)

    def see(self, what: str, look: Callable[[], object], within_s: float = 60.0) -> None:
        """Wait for something that can be seen on the board; looking takes its time away."""
        slowness = self.board.slowness
        until(look, f"{what}\n{self.log()}", within_s=within_s * slowness, every_s=0.5 * slowness)
