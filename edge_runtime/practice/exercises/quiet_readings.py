"""The dead band is wider than anything that happens in the well."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import ReadingArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise
from edge_runtime.practice.exercise_parts import LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("The office gets one value an hour"),
    minutes=4,
    goal=N_("The office gets a new level whenever the water has moved by a few centimetres."),
    story=N_(
        "The well rises and falls by half a metre, but in the office the line is flat. The probe "
        "is fine, I looked at it."
    ),
    first_look=N_(
        "`publish` of the stream: a board that runs, is connected and sends little mostly does "
        "what it was told."
    ),
    lesson=N_(
        "A reading is sent once it has left its dead band, and at each heartbeat. The dead band "
        "has the unit of the value."
    ),
    hints=(
        N_(
            "`edge-runtime status`: the stream runs and the link is up. What does it take for a "
            "value to be sent?"
        ),
        N_("Look at dead_band and heartbeat_s in publish. How many metres does the water move?"),
        N_("In dead_band set level = 0.02, then `edge-runtime practice restart`."),
    ),
    boards=(BoardSetup(head() + well(dead_band=2.0, heartbeat_s=3600)),),
    devices=(LEVEL_PROBE,),
    goals=(ReadingArrives("well", "level", 2.0, 3.0, at_least=4),),
    listen_s=15.0,
)
