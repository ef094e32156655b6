"""Nothing is ever certain enough."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, road, yard
from edge_runtime.practice.conditions import EventArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise

EXERCISE = Exercise(
    title=N_("The camera sees, but reports nothing"),
    minutes=4,
    goal=N_("Whoever comes onto the road is reported: events `enter` of the zone yard."),
    story=N_(
        "We had a false alarm last week, so I made it stricter. Now it is quiet, very quiet. "
        "Motorbikes go by and nothing is reported."
    ),
    first_look=N_(
        "`edge-runtime status`: pictures are inferred, results are few. So it is what counts as "
        "seen: min_score, labels, zone, in this order."
    ),
    lesson=N_(
        "min_score is the least score that counts. Above 0.9 a model finds almost nothing; "
        "against false alarms rules help more."
    ),
    hints=(
        N_("Does the stream run, and are pictures inferred? `edge-runtime status`."),
        N_("Look at model in the file: from which score on does something count?"),
        N_("Set min_score = 0.5, then `edge-runtime practice restart`."),
    ),
    boards=(
        BoardSetup(
            head("gate-1")
            + road(model='pack = "village-road", min_score = 0.999', mode="events", rules=yard())
        ),
    ),
    goals=(EventArrives("road", "enter", rule="yard"),),
    listen_s=25.0,
)
