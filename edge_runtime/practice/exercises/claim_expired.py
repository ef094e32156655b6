"""The claim on the stick is too old."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import DoctorAgrees, LinkHolds
from edge_runtime.practice.exercise import BoardSetup, BrokerSetup, Exercise, Extra, LineSensor

EXERCISE = Exercise(
    title=N_("The claim is not accepted"),
    minutes=6,
    goal=N_("The board has an identity of its own, and the broker acknowledges what it sends."),
    story=N_(
        "The stick with the claim for this board lay in the car for two weeks. You have the "
        "office's computer before you, too: its commands are below."
    ),
    first_look=N_(
        "The day on the claim, before you drive: `office claim list` shows what is open, used or "
        "expired."
    ),
    lesson=N_(
        "A claim is good once, for one device, for some days. A new one costs a minute; the old "
        "one needs no cancelling."
    ),
    hints=(
        N_("Type the `provision` command that stands below the story: what does it say?"),
        N_(
            "The claim has expired. Make a new one: `edge-runtime office claim new` with "
            "--folder, --site, --name and --out."
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
    extras=(Extra("usb/note.txt", "claim of well-1\n"),),
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
            "--hours",
            "0.0001",
            "--out",
            "$folder/usb/well-1.claim",
        ),
    ),
    commands=(
        "edge-runtime provision --claim $folder/usb/well-1.claim --config "
        "$folder/board/edge-runtime.toml --state-dir $folder/board/state --no-service --wait 0",
        "edge-runtime office claim list --folder $office/ca",
        "edge-runtime office devices --folder $office/ca",
    ),
    devices=(LineSensor("level-probe", ((2.5, 0.3, 20.0), (17.0, 0.5, 60.0)), digits=2),),
    goals=(LinkHolds(), DoctorAgrees("certificate"), DoctorAgrees("message")),
    listen_s=8.0,
)
