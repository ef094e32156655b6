"""The camera's password was changed."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import camera, head, road
from edge_runtime.practice.conditions import RecordArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise, NetworkCamera, SiteAction

EXERCISE = Exercise(
    title=N_("The camera refuses since the inspection"),
    minutes=3,
    goal=N_("What the camera sees on the road reaches the office."),
    story=N_(
        "Two men from the province inspected our cameras yesterday and said the passwords were "
        "too simple. Since then the office gets nothing."
    ),
    first_look=N_(
        "`edge-runtime doctor`: it can be reached, but sends no video. Path or login, then; and "
        "what was changed last is the login."
    ),
    lesson=N_(
        "A password belongs to somebody: ask, don't guess. Many cameras shut out who guesses."
    ),
    hints=(
        N_("What does `edge-runtime doctor` say on camera: not reached, or no video?"),
        N_(
            "It is reached. Yesterday the passwords were changed: ask for this one, `edge-runtime "
            "practice do call-province`."
        ),
        N_("Write rtsp://viewer:lua-vang-26@… in device, then `edge-runtime practice restart`."),
    ),
    boards=(
        BoardSetup(
            head("gate-1") + road(source=camera("viewer:1234@127.0.0.1:$camera_port/stream1"))
        ),
    ),
    camera=NetworkCamera(user="viewer", password="lua-vang-26"),
    goals=(RecordArrives("road", "detections"),),
    actions=(
        SiteAction(
            "call-province",
            N_("call the men from the province"),
            N_('"Right, the viewer has a new password: lua-vang-26."'),
        ),
    ),
    listen_s=20.0,
)
