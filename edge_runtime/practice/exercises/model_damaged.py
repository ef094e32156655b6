"""A bit of the model's file has changed on the card."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, road
from edge_runtime.practice.conditions import RecordArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise, PackCopy

EXERCISE = Exercise(
    title=N_("The model cannot be opened"),
    minutes=4,
    goal=N_("What the camera sees on the road reaches the office."),
    story=N_(
        "After the power cut the board came up again, but it sees nothing any more. The office's "
        "USB stick is in: folder usb, beside the folder board."
    ),
    first_look=N_(
        "`edge-runtime doctor` on model: a hash that differs means a damaged file. Then the card "
        "itself: why was it damaged?"
    ),
    lesson=N_(
        "Each pack carries the hash of its weights. A damaged model is never run: it would see "
        "what is not there."
    ),
    hints=(
        N_("What does `edge-runtime check` say with --config?"),
        N_(
            "The model's file is damaged. A good copy of the pack is on the stick, in the folder "
            "usb."
        ),
        N_(
            "Copy usb/village-road/village-road.tflite over "
            "board/models/village-road/village-road.tflite, then `edge-runtime practice restart`."
        ),
    ),
    boards=(BoardSetup(head("gate-1") + road(model='pack = "$folder/board/models/village-road"')),),
    packs=(PackCopy("board/models/village-road", damaged=True), PackCopy("usb/village-road")),
    goals=(RecordArrives("road", "detections"),),
    listen_s=20.0,
)
