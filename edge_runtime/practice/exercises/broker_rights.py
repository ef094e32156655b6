"""The board bears another name than the one the broker knows."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.exercise import (
    BoardSetup,
    BrokerAccount,
    BrokerSetup,
    Exercise,
    Extra,
    SiteAction,
)
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES, LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("Connected, and still nothing arrives"),
    minutes=5,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "The new board is connected, your own status says so. But the office has no values of it, "
        "not one."
    ),
    first_look=N_(
        "`edge-runtime status`, line link: connected and refused. Then the names: device.site and "
        "device.name must be those the office knows."
    ),
    lesson=N_(
        "A broker may let a device write its own topics alone. A wrong name is refused, and the "
        "results wait in the outbox."
    ),
    hints=(
        N_(
            "Read the line link of `edge-runtime status` to its end, then `edge-runtime doctor` "
            "on message."
        ),
        N_(
            "The broker refuses these topics. Ask which name the office knows: `edge-runtime "
            "practice do call-office`."
        ),
        N_('Set name = "well-1" in [device], then `edge-runtime practice restart`.'),
    ),
    boards=(
        BoardSetup(
            head("well1", broker='username = "well-1"\npassword_file = "password"') + well()
        ),
    ),
    broker=BrokerSetup(
        accounts=(BrokerAccount("well-1", "lua-moi-2026", ("edge/v1/practice/well-1/#",)),)
    ),
    extras=(Extra("board/password", "lua-moi-2026\n"),),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES,),
    actions=(
        SiteAction(
            "call-office",
            N_("ask the office how it knows this board"),
            N_(
                '"Site practice, device well-1, with a hyphen. It may write '
                'edge/v1/practice/well-1/ and nothing else."'
            ),
        ),
    ),
)
