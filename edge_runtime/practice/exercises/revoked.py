"""The office has shut this board out."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.conditions import DoctorAgrees, LinkHolds
from edge_runtime.practice.exercise import BrokerSetup, Exercise, Extra
from edge_runtime.practice.exercise_parts import (
    CLAIM_FILE,
    LEVEL_PROBE,
    OFFICE_COMMANDS,
    PROVISIONED_WELL,
    new_claim,
    provision,
)

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
    boards=(PROVISIONED_WELL,),
    broker=BrokerSetup(managed=True),
    extras=(Extra("usb/note.txt", "claims of well-1\n"),),
    office_commands=(
        new_claim(),
        (*provision(CLAIM_FILE), "--yes"),
        ("office", "revoke", "--yes", "--folder", "$office/ca", "practice/well-1"),
    ),
    commands=(" ".join(("edge-runtime", *provision("$folder/usb/new.claim"))), *OFFICE_COMMANDS),
    devices=(LEVEL_PROBE,),
    goals=(LinkHolds(), DoctorAgrees("certificate"), DoctorAgrees("message")),
    listen_s=8.0,
)
