"""The password holds a character that ends a URL."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import camera, head, road
from edge_runtime.practice.conditions import RecordArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise, NetworkCamera

EXERCISE = Exercise(
    title=N_("The right password, and still no picture"),
    minutes=5,
    goal=N_("What the camera sees on the road reaches the office."),
    story=N_(
        "The camera's password is mua#2026, for the user viewer. I have typed it three times, "
        "letter by letter. In the camera's app it works."
    ),
    first_look=N_(
        "What `edge-runtime check` says of the URL. In a URL some characters mean something: # / "
        "? @."
    ),
    lesson=N_(
        "In user names and passwords of URLs write %23 for #, %2F for /, %3F for ?, %40 for @."
    ),
    hints=(
        N_("Read all that `edge-runtime check` says, to its end."),
        N_("In a URL the '#' ends the address: what stands behind it is not seen."),
        N_("Write viewer:mua%232026@ in device, then `edge-runtime practice restart`."),
    ),
    boards=(
        BoardSetup(
            head("gate-1") + road(source=camera("viewer:mua#2026@127.0.0.1:$camera_port/stream1"))
        ),
    ),
    camera=NetworkCamera(user="viewer", password="mua#2026"),
    goals=(RecordArrives("road", "detections"),),
    listen_s=20.0,
)
