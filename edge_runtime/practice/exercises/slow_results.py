"""Results wait on the board for a minute."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import ArrivesSoon, ConfigSays
from edge_runtime.practice.exercise import BoardSetup, Exercise, WrongTurn
from edge_runtime.practice.exercise_parts import LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("Everything arrives a minute late"),
    minutes=4,
    goal=N_("Readings are at most 8 s old when they reach the office."),
    story=N_(
        "The pump is steered by what your board sends. The values are right, but they are old: up "
        "to a minute."
    ),
    first_look=N_(
        "`edge-runtime status`: the link is up and nothing is refused. So results wait on the "
        "board: commit_interval_s."
    ),
    lesson=N_(
        "Results are written to the card in groups, then sent. A long interval spares the card, a "
        "short one is fast; 5 s suits most."
    ),
    hints=(
        N_("Where do results wait: before the board, on it, or behind it? `edge-runtime status`."),
        N_("Look at [outbox] in the file."),
        N_("Set commit_interval_s = 2, then `edge-runtime practice restart`."),
    ),
    boards=(BoardSetup(head(commit_interval_s=60) + well()),),
    devices=(LEVEL_PROBE,),
    goals=(ArrivesSoon("well", 8.0),),
    wrong_turns=(
        WrongTurn(
            ConfigSays("outbox.commit_interval_s", 0),
            N_("That is fast, and wears the card out: each value is written alone."),
        ),
    ),
)
