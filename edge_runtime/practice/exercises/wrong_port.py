"""The path of the port is that of the adapter that was there before."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.exercise import BoardSetup, Exercise
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES, LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("The new adapter is not found"),
    minutes=3,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "The USB adapter of the level probe was broken. I put in a new one, of another make. Its "
        "lamp is on, but the board does not see the probe."
    ),
    first_look=N_(
        "The folder of the ports, with `ls -l`: which name does the adapter have now? On a board "
        "that is /dev/serial/by-id."
    ),
    lesson=N_(
        "Each adapter has a name of its own. After a change of hardware the path in the file has "
        "to change, too."
    ),
    hints=(
        N_("`edge-runtime doctor` says which port it looks for, and whether that is there."),
        N_(
            "The ports of this site are in the folder ports, beside the folder board. Look at "
            "them with `ls -l`."
        ),
        N_(
            "In [streams.source], let url end in /ports/level-probe, then `edge-runtime practice "
            "restart`."
        ),
    ),
    boards=(BoardSetup(head() + well(port="usb-adapter-old")),),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES,),
)
