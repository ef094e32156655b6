"""The state folder may not be written."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.exercise import BoardSetup, Exercise
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES, LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("The daemon starts again and again"),
    minutes=4,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "We restored the board from a backup on a USB disk. All files are there, but the daemon "
        "does not stay up."
    ),
    first_look=N_(
        "The last lines of the log, then `ls -ld` of the folder that they name: owner and rights."
    ),
    lesson=N_(
        "Results are kept on disk before they are sent: without a folder that may be written "
        "there is no daemon. Copying as root changes owners."
    ),
    hints=(
        N_("The end of the daemon's log says why it ends: `edge-runtime practice log`."),
        N_("`edge-runtime doctor` says it on disk. Look at the folder state with `ls -ld`."),
        N_("`chmod u+w` on the folder state of this board; the daemon comes up by itself."),
    ),
    boards=(BoardSetup(head() + well(), writable=False),),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES,),
)
