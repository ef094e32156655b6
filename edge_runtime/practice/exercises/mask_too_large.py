"""The mask over the neighbour's garden covers the road as well."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, road, yard
from edge_runtime.practice.conditions import EventArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise

EXERCISE = Exercise(
    title=N_("Since the neighbour complained"),
    minutes=5,
    goal=N_(
        "Whoever comes onto the road is reported: events `enter` of the zone yard. The upper "
        "third of the picture stays masked."
    ),
    story=N_(
        "The neighbour did not want his garden in the picture: it is the upper third. I masked it "
        "for him. Since then the road is empty, says the board."
    ),
    first_look=N_(
        "`edge-runtime snapshot road`: the picture as the model gets it. What is black in it, "
        "nobody sees."
    ),
    lesson=N_(
        "A mask is black before anything looks: gate, model, previews, recordings. y counts from "
        "the upper edge down."
    ),
    hints=(
        N_("What does the model get to see? `edge-runtime snapshot road`, or `edge-runtime why`."),
        N_("The mask reaches from y = 0 down to 0.95. How far down does the garden reach?"),
        N_("In mask write 0.3 for 0.95, then `edge-runtime practice restart`."),
    ),
    boards=(
        BoardSetup(
            head("gate-1")
            + road(
                mode="events",
                rules=yard(),
                more="mask = [[[0.0, 0.0], [1.0, 0.0], [1.0, 0.95], [0.0, 0.95]]]",
            )
        ),
    ),
    goals=(EventArrives("road", "enter", rule="yard"),),
    listen_s=25.0,
)
