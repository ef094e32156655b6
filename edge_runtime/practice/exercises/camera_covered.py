"""Something hangs before the lens: the camera runs, and sees nothing."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import camera, head, road, yard
from edge_runtime.practice.conditions import EventArrives
from edge_runtime.practice.exercise import (
    BoardSetup,
    CameraUncover,
    Exercise,
    NetworkCamera,
    SiteAction,
)

EXERCISE = Exercise(
    title=N_("The camera runs and sees nothing"),
    minutes=4,
    goal=N_("Whoever comes onto the road is reported: events `enter` of the zone yard."),
    story=N_(
        "The painters were at the house yesterday. Since then not one report from the camera over "
        "the road. Its lamp is on, and the board says that pictures come."
    ),
    first_look=N_(
        "`edge-runtime status`, a minute after the start: a camera that sees nothing of its scene "
        "is said there. `edge-runtime snapshot road` shows the picture."
    ),
    lesson=N_(
        "That pictures come does not mean that there is something in them. The board compares them "
        "and says when the lens is covered, dirty, out of focus or turned away."
    ),
    hints=(
        N_("Pictures come. What is in them? `edge-runtime snapshot road`."),
        N_("`edge-runtime status` says what is wrong with the picture. Go and look."),
        N_("`edge-runtime practice do uncover`, then wait a minute."),
    ),
    boards=(
        BoardSetup(
            head("gate-1")
            + road(source=camera("127.0.0.1:$camera_port/stream1"), mode="events", rules=yard())
        ),
    ),
    camera=NetworkCamera(covered=True),
    goals=(EventArrives("road", "enter", rule="yard"),),
    actions=(
        SiteAction(
            "look",
            N_("climb up and look at the camera"),
            N_("A sheet of the painters hangs over the housing."),
        ),
        SiteAction(
            "uncover",
            N_("take away what hangs before the lens"),
            N_("The sheet is off. The lens is clean."),
            CameraUncover(),
        ),
    ),
    listen_s=25.0,
)
