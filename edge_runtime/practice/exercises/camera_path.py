"""The camera knows another path."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import camera, head, road
from edge_runtime.practice.conditions import RecordArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise, NetworkCamera, SiteAction

EXERCISE = Exercise(
    title=N_("The new camera gives no picture"),
    minutes=4,
    goal=N_("What the camera sees on the road reaches the office."),
    story=N_(
        "The old camera broke. We put in one of another make, at the same address. With the "
        "maker's app on my phone I see a picture."
    ),
    first_look=N_(
        "`edge-runtime doctor`: it can be reached, but sends no video. So power, cable and "
        "address are right; path or login are not."
    ),
    lesson=N_(
        "Each maker has paths of its own in rtsp:// URLs. They stand in the manual, or on the "
        "camera's own web page."
    ),
    hints=(
        N_("Can the camera not be reached, or does it send no video? `edge-runtime doctor` knows."),
        N_(
            "It is there, but not what is asked for. What does its manual say? `edge-runtime "
            "practice do read-manual`."
        ),
        N_(
            "Let device end in /stream1 in place of /live/main, then `edge-runtime practice "
            "restart`."
        ),
    ),
    boards=(BoardSetup(head("gate-1") + road(source=camera("127.0.0.1:$camera_port/live/main"))),),
    camera=NetworkCamera(),
    goals=(RecordArrives("road", "detections"),),
    actions=(
        SiteAction(
            "read-manual",
            N_("read the camera's manual"),
            N_('"RTSP: port as set, path /stream1 (large) …"'),
        ),
    ),
    listen_s=20.0,
)
