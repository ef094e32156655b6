"""The receiver speaks, but sees no satellites."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, position
from edge_runtime.practice.conditions import ReadingArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise, FreeSky, GnssReceiver, SiteAction

EXERCISE = Exercise(
    title=N_("The boat has no position"),
    minutes=3,
    goal=N_("The position of the boat reaches the office."),
    story=N_(
        "The board on the boat is connected to its GPS, the file is the one of the other boats. "
        "Those are on the map, this one is not."
    ),
    first_look=N_(
        "`edge-runtime status`: sentences come, without a position. Then the antenna: does it see "
        "the sky?"
    ),
    lesson=N_(
        "A receiver without a free sky speaks all the same, and says that it knows nothing. Give "
        "it some minutes under the open sky."
    ),
    hints=(
        N_("Does the receiver send anything? `edge-runtime status` says what is missing."),
        N_("There is no fix: look where the antenna is, `edge-runtime practice do look`."),
        N_("`edge-runtime practice do move-antenna`: the file is right as it is."),
    ),
    boards=(BoardSetup(head("boat-1") + position()),),
    devices=(GnssReceiver("gnss", 20.91, 107.18, has_fix=False),),
    goals=(ReadingArrives("position", "latitude", 20.0, 22.0),),
    actions=(
        SiteAction(
            "look",
            N_("look at the antenna"),
            N_("The antenna lies below the steel deck, beside the engine."),
        ),
        SiteAction(
            "move-antenna",
            N_("fix the antenna on the roof of the cabin"),
            N_("The antenna sees the sky."),
            FreeSky("gnss"),
        ),
    ),
)
