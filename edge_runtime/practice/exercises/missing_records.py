"""The link to the office loses records; the board still has them."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import HolesFilled
from edge_runtime.practice.exercise import BoardSetup, BrokerSetup, Exercise, LineSensor

EXERCISE = Exercise(
    title=N_("There are holes in the office's table"),
    minutes=5,
    goal=N_("Records that the link lost are asked for, and come after all."),
    story=N_(
        "Our table of the well has holes, five rows here, five rows there. The board was never "
        "off. Between its broker and ours stands an old bridge."
    ),
    first_look=N_(
        "`edge-runtime watch` at the office: it counts seq and names each hole. What a gap "
        "explains is no hole."
    ),
    lesson=N_(
        "A board keeps what was acknowledged for a while. With --heal a reader asks for what is "
        "missing, and the board sends it again."
    ),
    hints=(
        N_(
            "Watch what arrives for half a minute: `edge-runtime watch` with --grace 3 names holes."
        ),
        N_(
            "The board has sent them, and keeps them still. `edge-runtime watch` has an option "
            "that asks for them."
        ),
        N_(
            "`edge-runtime watch` as shown below the story, with --grace 3 --heal --seconds 60. "
            "Wait for the word closed."
        ),
    ),
    boards=(
        BoardSetup(head(url="mqtt://127.0.0.1:$local_port") + well(dead_band=0.0, heartbeat_s=0.2)),
    ),
    broker=BrokerSetup(relayed=True),
    devices=(
        LineSensor("level-probe", ((2.5, 0.3, 20.0), (17.0, 0.5, 60.0)), digits=2, every_s=0.2),
    ),
    goals=(HolesFilled(),),
)
