"""The file asks for trucks, the customer for people."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, road, yard
from edge_runtime.practice.conditions import EventArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise

EXERCISE = Exercise(
    title=N_("People are not reported"),
    minutes=3,
    goal=N_("People on the road are reported: events `enter` with the label person."),
    story=N_(
        "This camera is for people at the gate. It reports, but never a person. The file comes "
        "from the quarry, where it works well."
    ),
    first_look=N_(
        "What arrives (`edge-runtime watch`), by label; then labels in model and in the rules."
    ),
    lesson=N_(
        "A file that is copied from another site brings that site's wishes with it. Read it once "
        "from top to bottom."
    ),
    hints=(
        N_("What labels arrive? `edge-runtime watch` shows them."),
        N_("The model knows person, motorbike, car, truck. Which of them does the file ask for?"),
        N_('Set labels = ["person"], then `edge-runtime practice restart`.'),
    ),
    boards=(
        BoardSetup(
            head("gate-1")
            + road(model='pack = "village-road", labels = ["truck"]', mode="events", rules=yard())
        ),
    ),
    goals=(EventArrives("road", "enter", rule="yard", label="person"),),
    listen_s=25.0,
)
