"""The office's broker does not run."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.exercise import (
    BoardSetup,
    BrokerSetup,
    Exercise,
    SiteAction,
    StartBroker,
)
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES, LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("All boards are silent at once"),
    minutes=3,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "Three of our sites are silent since ten o'clock, all at once. You are at one of them."
    ),
    first_look=N_(
        "How many are silent? One: look at the board. All at the same minute: look at what they "
        "share, before you touch a board."
    ),
    lesson=N_(
        "A board that is at work needs no hand while its broker is away: it keeps everything and "
        "sends it later, marked late."
    ),
    hints=(
        N_("What does `edge-runtime doctor` say on broker, and what on all else?"),
        N_(
            "The address is that of all boards. Who looks after the broker? `edge-runtime "
            "practice do`."
        ),
        N_("`edge-runtime practice do call-office`: the office starts its broker again."),
    ),
    boards=(BoardSetup(head() + well()),),
    broker=BrokerSetup(running=False),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES,),
    actions=(
        SiteAction(
            "call-office",
            N_("call the office about its broker"),
            N_('"You are right, after the update it was not started. Now it runs."'),
            StartBroker(),
        ),
        SiteAction(
            "turn-board-off-and-on",
            N_("switch the board off and on"),
            N_("The board starts again. All is as before."),
        ),
    ),
)
