"""The port in the address is wrong."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.exercise import BoardSetup, Exercise
from edge_runtime.practice.exercise_parts import LEVEL_ARRIVES, LEVEL_PROBE

EXERCISE = Exercise(
    title=N_("A new broker, and the board does not find it"),
    minutes=3,
    goal=N_("The water level of the well reaches the office, between 2 and 3 m."),
    story=N_(
        "The office has moved its broker. They wrote: 127.0.0.1, port {broker_port}. My colleague "
        "has entered it. Since then nothing arrives."
    ),
    first_look=N_(
        "`edge-runtime doctor` on broker: refused means that nothing listens there; no answer "
        "means another network or a firewall."
    ),
    lesson=N_(
        "What was measured meanwhile is not lost: it waits in the outbox and is sent once the "
        "address is right."
    ),
    hints=(
        N_("What does `edge-runtime doctor` say on broker?"),
        N_(
            "Hold broker.url against what the office wrote, digit by digit: `edge-runtime "
            "practice show`."
        ),
        N_("Let broker.url end in the port {broker_port}, then `edge-runtime practice restart`."),
    ),
    boards=(BoardSetup(head(url="mqtt://127.0.0.1:$free_port") + well()),),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES,),
)
