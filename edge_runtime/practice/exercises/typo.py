"""A key that does not exist: the daemon does not start."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.exercise import BoardSetup, Exercise
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES, LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("The board says nothing since the file was changed"),
    minutes=2,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "My colleague changed something in the configuration yesterday and went home. Since then "
        "the office hears nothing of the well. He says that he only tidied up."
    ),
    first_look=N_(
        "`edge-runtime check` with --config: it names file, place and key before anybody drives "
        "anywhere."
    ),
    lesson=N_(
        "An unknown key is an error, it is never ignored: nobody knows what was meant. Check a "
        "file before the daemon reads it."
    ),
    hints=(
        N_(
            "Does the daemon run? `edge-runtime status` says so, and the end of its log says why "
            "not."
        ),
        N_("`edge-runtime check` with --config names the place within the file."),
        N_("The key is spelled `separator`. Correct `seperator` in the board's file and save it."),
    ),
    boards=(BoardSetup(head() + well(framing='seperator = ";"')),),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES,),
)
