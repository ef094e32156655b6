"""The rule is on in a mode that nobody has chosen since the holiday."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, road, yard
from edge_runtime.practice.conditions import EventArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise

EXERCISE = Exercise(
    title=N_("The market is closed, and nobody is reported"),
    minutes=4,
    goal=N_("While the market is closed, whoever comes is reported: events `enter` of yard."),
    story=N_(
        "The market has been closed since yesterday. Somebody was on the grounds all the same, "
        "the picture shows him, but no report came. The rule is in the file, I have looked."
    ),
    first_look=N_(
        "`edge-runtime why --stream road --at 1m`: it knows which rules were off, and why. "
        "`edge-runtime status` shows the mode that holds."
    ),
    lesson=N_(
        "A rule with modes is on in these alone. The mode is switched by `edge-runtime mode` or by "
        "the office, and kept over restarts."
    ),
    hints=(
        N_("The rule is right. Was it on? Ask `edge-runtime why` for the last minute."),
        N_("It is on in mode closed. Which one holds? `edge-runtime mode` says it."),
        N_("Type `edge-runtime mode closed`, with the --state-dir of the site."),
    ),
    boards=(
        BoardSetup(
            head("gate-1", more='[modes]\nnames = ["open", "closed"]\n')
            + road(mode="events", rules=yard(more=', modes = ["closed"]'))
        ),
    ),
    goals=(EventArrives("road", "enter", rule="yard"),),
    listen_s=25.0,
)
