"""A technician who practises: what he types to mend each exercise, and who types it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

# A shell's lines; $SITE is the folder of the site, $EDGE the program, $PRACTICE the command.
FILE = "$SITE/board/edge-runtime.toml"
RESTART = "$PRACTICE restart"


def edit(*commands: str) -> list[str]:
    """Return lines that edit the board's file by `sed` and restart the daemon."""
    return [*(f"sed -i '{one}' {FILE}" for one in commands), RESTART]


ENROL = [
    "$EDGE office claim new --folder $SITE/office/ca --site practice --name well-1 "
    "--out $SITE/usb/new.claim",
    "$EDGE provision --claim $SITE/usb/new.claim --config $SITE/board/edge-runtime.toml "
    "--state-dir $SITE/board/state --no-service --yes --wait 0",
    RESTART,
]
CURES: dict[str, list[str]] = {
    "typo": [f"sed -i 's/seperator/separator/' {FILE}"],
    "wrong-port": edit("s/usb-adapter-old/level-probe/"),
    "cable-off": ["$PRACTICE do plug-in"],
    "wrong-baud": edit("s/19200/9600/"),
    "wrong-scale": edit("s/scale = 0.1/scale = 0.01/"),
    "decimal-comma": edit('s/^separator.*/&\\ndecimal = ","/'),
    "meter-number": edit("s/device = 1/device = 7/"),
    "meter-words": edit('s/"float32"/"float32", words = "low-first"/'),
    "no-fix": ["$PRACTICE do move-antenna"],
    "quiet-readings": edit("s/level = 2 /level = 0.02 /"),
    "alarm-limit": edit("s/above = 32/above = 3.2/"),
    "camera-off": ["$PRACTICE do switch-on"],
    "camera-covered": ["$PRACTICE do uncover"],
    "camera-path": edit("s|live/main|stream1|"),
    "camera-login": edit("s/viewer:1234/viewer:lua-vang-26/"),
    "camera-character": edit("s/mua#2026/mua%232026/"),
    "model-damaged": [
        "cp $SITE/usb/village-road/village-road.tflite $SITE/board/models/village-road/",
        RESTART,
    ],
    "score-too-high": edit("s/0.999/0.5/"),
    "wrong-label": edit('s/"truck"/"person"/'),
    "zone-corner": edit("s/0.04/0.4/g; s/0.10/1.0/g"),
    "mode-forgotten": ["$EDGE mode closed --state-dir $SITE/board/state"],
    "too-many-sightings": edit("s/min_hits = 100/min_hits = 3/"),
    "mask-too-large": edit("s/0.95/0.3/g"),
    "state-folder": ["chmod u+w $SITE/board/state"],
    "slow-results": edit("s/commit_interval_s = 60/commit_interval_s = 2/"),
    "outbox-small": edit("s/max_mb = 2/max_mb = 512/"),
    "daily-limit": edit("s/daily_mb = 0.01/daily_mb = 10/"),
    "broker-address": edit("s/127.0.0.1:[0-9]*/127.0.0.1:$BROKER_PORT/"),
    "broker-down": ["$PRACTICE do call-office"],
    "broker-password": ["cp $SITE/usb/password $SITE/board/password"],
    "broker-rights": edit('s/"well1"/"well-1"/'),
    "name-clash": edit('s/name = "well-1"/name = "well-2"/'),
    "wrong-ca": ["cp $SITE/usb/ca.pem $SITE/board/ca.pem", RESTART],
    "certificate-name": edit('s/^ca_file.*/&\\nserver_name = "broker.practice.example"/'),
    "certificate-expired": ["$PRACTICE do call-office"],
    "certificate-early": ["$PRACTICE do call-office"],
    "claim-expired": ENROL,
    "revoked": ENROL,
    "missing-records": [
        "$EDGE watch --broker mqtt://127.0.0.1:$OFFICE_PORT --grace 3 --heal --seconds 30 --json"
    ],
}
CURES["broker-address"][0] = CURES["broker-address"][0].replace("'", '"')


class Technician:
    """Types commands in a practice folder; `prefix` goes before each, such as `setpriv …`."""

    def __init__(self, folder: Path, prefix: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self._prefix = prefix

    def practice(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type `edge-runtime practice …` in English."""
        line = f"$PRACTICE {' '.join(map(shlex.quote, words))}"
        return self.type(line, name="")

    def cure(self, name: str) -> None:
        """Type what mends an exercise."""
        for line in CURES[name]:
            done = self.type(line, name=name)
            assert done.returncode in (0, 1), (line, done.stdout, done.stderr)

    def type(self, line: str, *, name: str) -> subprocess.CompletedProcess[str]:
        """Type a shell's line."""
        return subprocess.run(
            [*self._prefix, "sh", "-c", line],
            env={**os.environ, **self.variables(name)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def variables(self, name: str) -> dict[str, str]:
        """Return what the lines name; the ports stand in the story and below it."""
        edge = f"{sys.executable} -m edge_runtime"
        practice = f"{edge} practice --folder {self.folder}"
        found = {"EDGE": edge, "PRACTICE": practice, "SITE": str(self.folder / name)}
        found["EDGE_RUNTIME_LANG"] = "en"  # `--lang` at a terminal is remembered, as root for all
        if name and (values := self.facts(name).get("values")):
            found["BROKER_PORT"] = str(values["broker_port"])
            found["OFFICE_PORT"] = str(values["office_port"])
        return found

    def facts(self, name: str) -> dict[str, Any]:
        """Return what the site's process wrote of itself."""
        file = self.folder / name / "site.json"
        return dict(json.loads(file.read_text())) if file.exists() else {}
