"""The camera has no power."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import camera, head, road
from edge_runtime.practice.conditions import RecordArrives
from edge_runtime.practice.exercise import (
    BoardSetup,
    CameraPower,
    Exercise,
    NetworkCamera,
    SiteAction,
)

EXERCISE = Exercise(
    title=N_("The camera at the gate is gone"),
    minutes=2,
    goal=N_("What the camera sees on the road reaches the office."),
    story=N_(
        "Since the storm last night we get nothing from the camera at the gate. The board in the "
        "house blinks as always."
    ),
    first_look=N_(
        "`edge-runtime doctor`: cannot be reached means power, cable or address. Power and cable "
        "first, after a storm above all."
    ),
    lesson=N_(
        "Walk the way of the data: power, cable, address, login, path. The first step that fails "
        "is the one to mend."
    ),
    hints=(
        N_("What does `edge-runtime doctor` say on camera?"),
        N_("Nothing answers at the address. Go and look: `edge-runtime practice do look`."),
        N_("`edge-runtime practice do switch-on`, then wait some seconds."),
    ),
    boards=(BoardSetup(head("gate-1") + road(source=camera("127.0.0.1:$camera_port/stream1"))),),
    camera=NetworkCamera(powered=False),
    goals=(RecordArrives("road", "detections"),),
    actions=(
        SiteAction(
            "look",
            N_("look at the camera and its power supply"),
            N_("The camera's lamp is dark. Its fuse has blown."),
        ),
        SiteAction(
            "switch-on",
            N_("put in a new fuse"),
            N_("The lamp of the camera is on."),
            CameraPower(),
        ),
    ),
    listen_s=20.0,
)
