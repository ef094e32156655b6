"""Two boards of one name throw each other out."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import DevicesArrive, LinkHolds
from edge_runtime.practice.exercise import BoardSetup, Exercise, LineSensor
from edge_runtime.practice.exercise_parts import LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("Two wells, and never both"),
    minutes=5,
    goal=N_("Both wells reach the office, each under its own name, and the link holds."),
    story=N_(
        "We have two wells now, with a board each. The second one was made from a copy of the "
        "first one's card. You are at the second. The link of both comes and goes."
    ),
    first_look=N_(
        "The log: connected, thrown out, connected, again and again. That is no bad link, it is a "
        "second device of the same name."
    ),
    lesson=N_(
        "site and name together name one board for ever. A copied card needs a new name, and an "
        "identity of its own."
    ),
    hints=(
        N_(
            "How long does the link hold? `edge-runtime status` twice, and `edge-runtime practice "
            "log`."
        ),
        N_(
            "The broker throws a board out when another one comes with the same name. What is "
            "this board's name?"
        ),
        N_('Set name = "well-2" in [device], then `edge-runtime practice restart`.'),
    ),
    boards=(BoardSetup(head() + well(port="level-probe-2")), BoardSetup(head() + well())),
    devices=(
        LEVEL_PROBE,
        LineSensor("level-probe-2", ((4.5, 0.3, 20.0), (18.0, 0.5, 60.0)), digits=2),
    ),
    goals=(DevicesArrive(2, "well"), LinkHolds()),
)
