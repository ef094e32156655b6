"""The outbox is full long before the link comes back."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import OutboxLasts
from edge_runtime.practice.exercise import BoardSetup, BrokerSetup, Exercise, LineSensor

EXERCISE = Exercise(
    title=N_("Each morning a part of the night is missing"),
    minutes=6,
    goal=N_("The board keeps a whole night, 8 hours without a link, and gives up nothing."),
    story=N_(
        "At night the operator switches the mast off. In the morning the results of the evening "
        "arrive, after that only summaries and gaps."
    ),
    first_look=N_(
        "`edge-runtime status`, line outbox: how much is used, of how much, and whether anything "
        "was dropped or summarised."
    ),
    lesson=N_(
        "outbox.max_mb must hold the longest outage: results an hour, times bytes of one, times "
        "hours. The rest of the card is free for it."
    ),
    hints=(
        N_(
            "The link is down at night, that is so. What does the line outbox of `edge-runtime "
            "status` say?"
        ),
        N_("Look at max_mb in [outbox]: how long does it last at this rate?"),
        N_("Set max_mb = 512 in [outbox], then `edge-runtime practice restart`."),
    ),
    boards=(BoardSetup(head(more="max_mb = 2") + well(dead_band=0.0, heartbeat_s=0.05)),),
    broker=BrokerSetup(running=False),
    devices=(
        LineSensor("level-probe", ((2.5, 0.3, 20.0), (17.0, 0.5, 60.0)), digits=2, every_s=0.05),
    ),
    goals=(OutboxLasts(8.0),),
)
