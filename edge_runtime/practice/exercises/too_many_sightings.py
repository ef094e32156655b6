"""Nothing is in the picture for long enough to be followed."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, road, yard
from edge_runtime.practice.conditions import EventArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise

EXERCISE = Exercise(
    title=N_("Seen again and again, and never counted"),
    minutes=5,
    goal=N_("Whoever comes onto the road is reported: events `enter` of the zone yard."),
    story=N_(
        "The model sees everybody, with good scores, I have checked that. But not one event. The "
        "zone is right, the labels are right, min_score is right."
    ),
    first_look=N_(
        "`edge-runtime why --stream road --at 1m`: seen, followed, in the zone, reported; it names "
        "the first step that nobody passed."
    ),
    lesson=N_(
        "A thing gets its number once it was seen track.min_hits times. Without a number no rule "
        "speaks of it. Three are enough for nearly all cameras."
    ),
    hints=(
        N_("Scores and zone are right. What lies between the model and the rules?"),
        N_("`edge-runtime why` says that nothing got an id. Look at track in the file."),
        N_("Set min_hits = 3, then `edge-runtime practice restart`."),
    ),
    boards=(
        BoardSetup(
            head("gate-1") + road(mode="events", rules=yard(), more="track = { min_hits = 100 }")
        ),
    ),
    goals=(EventArrives("road", "enter", rule="yard"),),
    listen_s=25.0,
)
