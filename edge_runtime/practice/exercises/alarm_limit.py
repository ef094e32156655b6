"""The alarm's limit is ten times too high."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import flood, head, well
from edge_runtime.practice.conditions import EventArrives, ReadingArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise, LineSensor

EXERCISE = Exercise(
    title=N_("The water was in the house and no alarm came"),
    minutes=3,
    goal=N_("An alarm reaches the office when the water is above 3.2 m."),
    story=N_(
        "At 3.2 m the water stands at our door. Today it did, more than once, and nobody called us."
    ),
    first_look=N_(
        "The rule beside the readings: `edge-runtime watch` shows the level, the rule in the file "
        "says from where on it is an alarm."
    ),
    lesson=N_(
        "An alarm that was never seen to come is no alarm. Try each once, with a limit that is "
        "passed today."
    ),
    hints=(
        N_("The level arrives. Which rule should make an alarm of it?"),
        N_("Hold above in the rule flood against the customer's 3.2 m."),
        N_("Set above = 3.2 in the rule flood, then `edge-runtime practice restart`."),
    ),
    boards=(BoardSetup(head() + well(rules=flood(32.0))),),
    devices=(LineSensor("level-probe", ((3.1, 0.5, 8.0), (17.0, 0.5, 60.0)), digits=2),),
    goals=(EventArrives("well", "alarm", rule="flood"), ReadingArrives("well", "level", 2.4, 3.8)),
    listen_s=20.0,
)
