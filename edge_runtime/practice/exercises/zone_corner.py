"""The zone lies in the sky: a digit is missing."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, road, yard
from edge_runtime.practice.conditions import EventArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise

EXERCISE = Exercise(
    title=N_("Nobody ever enters the yard"),
    minutes=4,
    goal=N_("Whoever comes onto the road is reported: events `enter` of the zone yard."),
    story=N_(
        "I have drawn the zone as you told me, from four tenths of the height down to the lower "
        "edge. Everybody walks through it and it reports nobody."
    ),
    first_look=N_(
        "The corners of the zone, on paper, over a picture: x to the right, y from the top down, "
        "0 to 1."
    ),
    lesson=N_(
        "Corners are parts of the picture's width and height, from the upper left. What counts is "
        "the foot of the box."
    ),
    hints=(
        N_("The stream runs and things are seen. Which rule decides what is reported?"),
        N_("Draw the polygon of yard on paper. y = 0 is the upper edge of the picture."),
        N_("In polygon write 0.4 for 0.04 and 1.0 for 0.10, then `edge-runtime practice restart`."),
    ),
    boards=(
        BoardSetup(
            head("gate-1")
            + road(
                mode="events", rules=yard("[[0.0, 0.04], [1.0, 0.04], [1.0, 0.10], [0.0, 0.10]]")
            )
        ),
    ),
    goals=(EventArrives("road", "enter", rule="yard"),),
    listen_s=25.0,
)
