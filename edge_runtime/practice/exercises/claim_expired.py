"""The claim on the stick is too old."""

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
    boards=(PROVISIONED_WELL,),
    broker=BrokerSetup(managed=True),
    extras=(Extra("usb/note.txt", "claim of well-1\n"),),
    office_commands=(new_claim("--hours", "0.0001"),),
    commands=(" ".join(("edge-runtime", *provision(CLAIM_FILE))), *OFFICE_COMMANDS),
    devices=(LEVEL_PROBE,),
    goals=(LinkHolds(), DoctorAgrees("certificate"), DoctorAgrees("message")),
    listen_s=8.0,
)
