"""The office beside the boards: its CA, enrolment, broker and a subscriber, all of them real."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_runtime.office.folder import OfficeFolder
from support.broker import Mosquitto
from support.daemon import Ear, command
from support.office import ReportingMosquitto
from support.waiting import until

BROKER_NAME = "broker.hil.example"
SITE = "hil"
BROKER_PORT, EST_PORT = 8883, 8443
START_S = 30.0


class Office:
    """`office init`, `office serve` and Mosquitto in a folder. Use as a context manager."""

    def __init__(self, folder: Path, address: str) -> None:
        self.address = address
        self._files = OfficeFolder(folder / "office")
        self._folder = folder
        self._enrolment: subprocess.Popen[bytes] | None = None
        self._claims = 0

    def __enter__(self) -> Office:
        broker, est = f"{self.address}:{BROKER_PORT}", f"{self.address}:{EST_PORT}"
        self.run(
            "init", "--broker-name", BROKER_NAME, "--broker-address", broker, "--est-address", est
        )
        self.broker: Mosquitto = ReportingMosquitto(self._files, self._folder)
        self.broker.start()
        self.start_enrolment()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop_enrolment()
        self.broker.stop()

    def run(self, *arguments: str) -> str:
        """Run `edge-runtime office …` on this office; return what it printed."""
        done = command("office", *arguments, "--folder", str(self._files.path))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def claim(self, device: str, *options: str) -> Path:
        """Make a claim for a device of this site; return its file."""
        self._claims += 1
        file = self._folder / f"{device}-{self._claims}.claim"
        self.run("claim", "new", "--site", SITE, "--name", device, "--out", str(file), *options)
        return file

    def devices(self) -> list[dict[str, Any]]:
        """Return what the office knows of its devices."""
        listed: list[dict[str, Any]] = json.loads(self.run("devices", "--json"))
        return listed

    def start_enrolment(self) -> None:
        """Start `office serve`; return when it takes connections."""
        serve = [sys.executable, "-m", "edge_runtime", "office", "serve"]
        with (self._folder / "enrolment.log").open("ab") as log:
            process = self._enrolment = subprocess.Popen(
                [*serve, "--folder", str(self._files.path)], stdout=log, stderr=log
            )

        def answers() -> bool:
            assert process.poll() is None, (self._folder / "enrolment.log").read_text()
            with contextlib.suppress(OSError):
                socket.create_connection((self.address, EST_PORT), timeout=1).close()
                return True
            return False

        until(answers, "an enrolment server", within_s=START_S, every_s=0.05)

    def stop_enrolment(self) -> None:
        """End `office serve`."""
        if self._enrolment is not None:
            self._enrolment.terminate()
            self._enrolment.wait(START_S)
            self._enrolment = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[Ear]:
        """Give a subscriber with the office's own certificate."""
        tls = ssl.create_default_context(cafile=str(self._files.ca))
        tls.load_cert_chain(self._files.office, self._files.office_key)
        ear = Ear(BROKER_PORT, f"edge/v1/{SITE}/#", address=self.address, tls=tls)
        try:
            yield ear
        finally:
            ear.close()
