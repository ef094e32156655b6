"""The plug of the sensor has come out."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.exercise import BoardSetup, Exercise, PlugIn, SiteAction
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES, LEVEL_PROBE_UNPLUGGED

EXERCISE = Exercise(
    title=N_("The well is silent since the floor was cleaned"),
    minutes=2,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "Until noon all was well. Then the pump house was cleaned. Nobody has touched the board, "
        "I am sure."
    ),
    first_look=N_(
        "What was changed last? Nobody touched the file, so cable, plug and power come first. "
        "`edge-runtime practice do` shows what hands can do."
    ),
    lesson=N_(
        "A port that is not there is a cable or an adapter, not a setting. A file that worked in "
        "the morning is seldom the cause at noon."
    ),
    hints=(
        N_("Ask `edge-runtime doctor` what it says on serial."),
        N_("The port is gone. Look at the plug: `edge-runtime practice do look`."),
        N_(
            "`edge-runtime practice do plug-in`, then wait some seconds: the daemon finds the "
            "port by itself."
        ),
    ),
    boards=(BoardSetup(head() + well()),),
    devices=(LEVEL_PROBE_UNPLUGGED,),
    goals=(LEVEL_ARRIVES,),
    actions=(
        SiteAction(
            "look",
            N_("look at probe, cable and plug"),
            N_("The plug of the level probe lies on the floor, behind the table."),
        ),
        SiteAction(
            "plug-in",
            N_("put the plug in"),
            N_("The plug is in. The lamp of the probe blinks."),
            PlugIn("level-probe"),
        ),
        SiteAction(
            "turn-board-off-and-on",
            N_("switch the board off and on"),
            N_("The board starts again. All is as before."),
        ),
    ),
)
