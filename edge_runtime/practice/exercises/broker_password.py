"""The password at the broker was changed."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.exercise import (
    BoardSetup,
    BrokerAccount,
    BrokerSetup,
    Exercise,
    Extra,
)
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES, LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("The broker lets the board in no more"),
    minutes=3,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "The office has made new passwords for all devices, for safety. Ours should be on your "
        "stick, they say: folder usb, beside the folder board."
    ),
    first_look=N_(
        "`edge-runtime doctor` on message: the broker's own words. Refused is not unreachable."
    ),
    lesson=N_(
        "The password lies in a file of its own, not in the configuration: it can be changed "
        "without touching the rest."
    ),
    hints=(
        N_("How far does the board come? `edge-runtime doctor`: broker, then message."),
        N_(
            "The password is refused. Which file does broker.password_file name? The new one is "
            "on the stick."
        ),
        N_("Copy usb/password over board/password. The next try to connect reads it."),
    ),
    boards=(BoardSetup(head(broker='username = "well-1"\npassword_file = "password"') + well()),),
    broker=BrokerSetup(accounts=(BrokerAccount("well-1", "lua-moi-2026"),)),
    extras=(Extra("board/password", "lua-cu-2025\n"), Extra("usb/password", "lua-moi-2026\n")),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES,),
)
