"""The port is open, bytes come, and none of them can be read: the speeds differ."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import ConfigSays
from edge_runtime.practice.exercise import BoardSetup, Exercise, WrongTurn
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES, LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("Only garbage comes from the level probe"),
    minutes=4,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "We replaced the level probe of the well. The cable is in, its lamp blinks twice a "
        "second, but the office sees no level. On the sticker of the probe: 9600 8N1."
    ),
    first_look=N_(
        "`edge-runtime status`, then the sensor's sticker: bytes that come and cannot be read "
        "mean speed, parity or framing, seldom the cable."
    ),
    lesson=N_(
        "Where the speeds of sensor and port differ, bytes come all the same, but not those that "
        "were sent. `status` counts what cannot be read."
    ),
    hints=(
        N_("Look at the stream with `edge-runtime status`: does nothing come, or nothing good?"),
        N_("Hold baud in the stream's source against the sticker of the probe."),
        N_("Set baud = 9600 in [streams.source], then `edge-runtime practice restart`."),
    ),
    boards=(BoardSetup(head() + well(baud=19200)),),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES,),
    wrong_turns=(
        WrongTurn(
            ConfigSays("streams.0.source.baud", 115200),
            N_("115200 is the default, but the sticker of the probe says another speed."),
        ),
    ),
)
