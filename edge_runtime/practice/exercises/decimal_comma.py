"""The sensor writes numbers with a decimal comma."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.exercise import BoardSetup, Exercise, LineSensor
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES

EXERCISE = Exercise(
    title=N_("The probe from abroad"),
    minutes=4,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "This probe comes from a French project. On the laptop we see its lines: 2,51;17,0. The "
        "board cannot read them."
    ),
    first_look=N_(
        "`edge-runtime status`: it counts lines that cannot be parsed. Then one line as the "
        "sensor sends it, letter by letter."
    ),
    lesson=N_(
        "Bytes that come whole and still cannot be read: separator, decimal sign or number of "
        "columns."
    ),
    hints=(
        N_("`edge-runtime status` says what is wrong with the lines."),
        N_("Hold one line, 2,51;17,0, against separator and decimal in [streams.source.framing]."),
        N_('Add decimal = "," below the separator, then `edge-runtime practice restart`.'),
    ),
    boards=(BoardSetup(head() + well()),),
    devices=(
        LineSensor("level-probe", ((2.5, 0.3, 20.0), (17.0, 0.5, 60.0)), digits=2, decimal=","),
    ),
    goals=(LEVEL_ARRIVES,),
)
