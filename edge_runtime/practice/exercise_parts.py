"""Parts that several exercises share: the well's probe, its board with TLS, one of the office's."""

from __future__ import annotations

import msgspec

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import DoctorAgrees, ReadingArrives
from edge_runtime.practice.exercise import BoardSetup, LineSensor, WrongTurn

# Sends `level;temperature`; the level goes between 2.2 and 2.8 m once a minute or faster.
LEVEL_PROBE = LineSensor("level-probe", ((2.5, 0.3, 20.0), (17.0, 0.5, 60.0)), digits=2)
LEVEL_PROBE_UNPLUGGED = msgspec.structs.replace(LEVEL_PROBE, plugged=False)
LEVEL_ARRIVES = ReadingArrives("well", "level", 2.0, 3.0)

WELL_WITH_TLS = BoardSetup(
    head(url="mqtts://127.0.0.1:$broker_port", broker='ca_file = "ca.pem"') + well()
)
TLS_LEFT_OUT = WrongTurn(
    DoctorAgrees("tls", ("skipped", "warning")),
    N_("Without TLS nobody has proved anything: go back to mqtts."),
)

PROVISIONED_WELL = BoardSetup(
    head(
        url="mqtts://127.0.0.1:$broker_port",
        broker='identity = "provisioned"\nserver_name = "broker.practice.example"',
    )
    + well()
)
CLAIM_FILE = "$folder/usb/well-1.claim"
OFFICE_COMMANDS = (
    "edge-runtime office claim list --folder $office/ca",
    "edge-runtime office devices --folder $office/ca",
)


def new_claim(*more: str) -> tuple[str, ...]:
    """Return the office's command that makes the well's claim; `more` are further options."""
    site = ("--folder", "$office/ca", "--site", "practice", "--name", "well-1")
    return ("office", "claim", "new", *site, *more, "--out", CLAIM_FILE)


def provision(claim: str) -> tuple[str, ...]:
    """Return the technician's command that provisions the board."""
    board = ("--config", "$folder/board/edge-runtime.toml", "--state-dir", "$folder/board/state")
    return ("provision", "--claim", claim, *board, "--no-service", "--wait", "0")
