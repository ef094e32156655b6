"""The day's limit was typed in the wrong unit."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, road
from edge_runtime.practice.conditions import ConfigSays, RecordArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise, Extra, WrongTurn

EXERCISE = Exercise(
    title=N_("Only counts arrive, and the day is young"),
    minutes=4,
    goal=N_("Each thing that the camera sees reaches the office again."),
    story=N_(
        "Our SIM card has 300 MB a month. I set a limit of 10 MB a day. Since this morning we get "
        "counts, no objects any more."
    ),
    first_look=N_(
        "`edge-runtime status`, line uplink: how much was sent today, how much may be, and what "
        "the board does about it."
    ),
    lesson=N_(
        "At 80 % of the day's bytes a stream sends events, at 95 % counts; rules' events always. "
        "Nothing breaks off in the evening."
    ),
    hints=(
        N_("Read the line uplink of `edge-runtime status`."),
        N_("10 MB a day was meant. What does daily_mb in [uplink] say?"),
        N_("Set daily_mb = 10, then `edge-runtime practice restart`."),
    ),
    boards=(BoardSetup(head("gate-1", more="\n[uplink]\ndaily_mb = 0.01") + road()),),
    extras=(
        Extra("board/state/uplink.json", '{"date":"","age_s":60.0,"bytes":{"detections":2000000}}'),
    ),
    goals=(RecordArrives("road", "detections", at_least=3),),
    wrong_turns=(
        WrongTurn(
            ConfigSays("uplink.daily_mb", 0),
            N_("Without a limit a bad day may use up the whole month: 10 MB a day was meant."),
        ),
    ),
)
