"""The probe sends centimetres, the file takes them for decimetres."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import ReadingArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise, LineSensor, WrongTurn
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES

EXERCISE = Exercise(
    title=N_("Twenty-five metres of water in a well of four"),
    minutes=3,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "The office says there are 25 m of water in our well. The well is 4 m deep. In the "
        "probe's manual: level in cm, temperature in °C."
    ),
    first_look=N_(
        "What arrives (`edge-runtime watch`), held against one value read by hand. Off by ten, a "
        "hundred, a thousand: it is the scale."
    ),
    lesson=N_(
        "A value that is wrong by a power of ten is no broken sensor. Give min and max too: then "
        "what cannot be is reported as missing, not sent."
    ),
    hints=(
        N_("See what arrives: `edge-runtime watch`. By what factor is it wrong?"),
        N_("The probe sends cm, the office wants m. What must a value be multiplied with?"),
        N_("Set scale = 0.01 in the column level, then `edge-runtime practice restart`."),
    ),
    boards=(BoardSetup(head() + well(level=", scale = 0.1", dead_band=0.2)),),
    devices=(LineSensor("level-probe", ((250.0, 30.0, 20.0), (17.0, 0.5, 60.0))),),
    goals=(LEVEL_ARRIVES,),
    wrong_turns=(
        WrongTurn(
            ReadingArrives("well", "level", 100.0, 400.0),
            N_("Now centimetres arrive as if they were metres: a scale is needed."),
        ),
        WrongTurn(
            ReadingArrives("well", "level", 0.1, 0.4), N_("Now the value is ten times too small.")
        ),
    ),
)
