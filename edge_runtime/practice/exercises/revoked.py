"""The office has shut this board out."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import DoctorAgrees, LinkHolds
from edge_runtime.practice.exercise import BoardSetup, BrokerSetup, Exercise, Extra, LineSensor

EXERCISE = Exercise(
    title=N_("The broker refuses a board that worked for a year"),
    minutes=7,
    goal=N_("The board has an identity of its own, and the broker acknowledges what it sends."),
    story=N_(
        "This board was thought stolen. It was only in the workshop, and is back now. Since then "
        "the broker does not take it. The office's commands are below."
    ),
    first_look=N_(
        "`office devices`: is the board in, or revoked? Only then the board: whoever was shut out "
        "cannot mend it by himself."
    ),
    lesson=N_(
        "A revoked certificate stays revoked. The board gets a new claim, makes a new key, and "
        "reads its six words to the office again."
    ),
    hints=(
        N_("What does `edge-runtime doctor` say on tls and message?"),
        N_(
            "Look at the board from the office's side: `edge-runtime office devices` with --folder."
        ),
        N_(
            "`edge-runtime office claim new` for --site practice --name well-1, --out "
            "usb/new.claim; `provision` with that file; `edge-runtime practice restart`."
        ),
    ),
    boards=(
        BoardSetup(
            head(
                url="mqtts://127.0.0.1:$broker_port",
                broker='identity = "provisioned"\nserver_name = "broker.practice.example"',
            )
            + well()
        ),
    ),
    broker=BrokerSetup(managed=True),
    extras=(Extra("usb/note.txt", "claims of well-1\n"),),
    office_commands=(
        (
            "office",
            "claim",
            "new",
            "--folder",
            "$office/ca",
            "--site",
            "practice",
            "--name",
            "well-1",
            "--out",
            "$folder/usb/well-1.claim",
        ),
        (
            "provision",
            "--claim",
            "$folder/usb/well-1.claim",
            "--config",
            "$folder/board/edge-runtime.toml",
            "--state-dir",
            "$folder/board/state",
            "--no-service",
            "--yes",
            "--wait",
            "0",
        ),
        ("office", "revoke", "--folder", "$office/ca", "practice/well-1"),
    ),
    commands=(
        "edge-runtime provision --claim $folder/usb/new.claim --config "
        "$folder/board/edge-runtime.toml --state-dir $folder/board/state --no-service --wait 0",
        "edge-runtime office claim list --folder $office/ca",
        "edge-runtime office devices --folder $office/ca",
    ),
    devices=(LineSensor("level-probe", ((2.5, 0.3, 20.0), (17.0, 0.5, 60.0)), digits=2),),
    goals=(LinkHolds(), DoctorAgrees("certificate"), DoctorAgrees("message")),
    listen_s=8.0,
)
