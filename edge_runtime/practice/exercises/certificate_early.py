"""The office's clock was two days ahead when it made the certificate."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.conditions import DoctorAgrees
from edge_runtime.practice.exercise import (
    BrokerSetup,
    CaFile,
    Exercise,
    NewCertificate,
    ServerCertificate,
    SiteAction,
)
from edge_runtime.practice.exercise_parts import (
    LEVEL_ARRIVES,
    LEVEL_PROBE,
    TLS_LEFT_OUT,
    WELL_WITH_TLS,
)

EXERCISE = Exercise(
    title=N_("The new certificate is not valid yet"),
    minutes=5,
    goal=N_("The water level reaches the office, and the broker has proved who it is."),
    story=N_(
        "The office gave its broker a new certificate an hour ago. Since then our board does not "
        "come through. Is its clock wrong?"
    ),
    first_look=N_(
        "The clock of the board first (`edge-runtime doctor`, `date`): it is wrong more often "
        "than any other. Then that of the office."
    ),
    lesson=N_(
        "Not valid yet is a matter of two clocks. Compare both with a third one before you set any."
    ),
    hints=(
        N_("`edge-runtime doctor`: what does it say on tls, and what on clock?"),
        N_(
            "Is this board's clock right? Compare it with your telephone: `edge-runtime practice "
            "do compare-clocks`."
        ),
        N_(
            "This board's clock is right. `edge-runtime practice do call-office`: theirs is two "
            "days ahead."
        ),
    ),
    boards=(WELL_WITH_TLS,),
    broker=BrokerSetup(
        certificate=ServerCertificate(
            ("broker.practice.example", "127.0.0.1"), from_day=2.0, to_day=400.0
        ),
        ca_files=(CaFile("board/ca.pem"),),
    ),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES, DoctorAgrees("tls")),
    actions=(
        SiteAction(
            "compare-clocks",
            N_("compare the board's clock with your telephone's"),
            N_("They agree to the second."),
        ),
        SiteAction(
            "call-office",
            N_("ask the office what time its computer has"),
            N_('"Oh: two days ahead. We have set the clock and made the certificate again."'),
            NewCertificate(ServerCertificate(("broker.practice.example", "127.0.0.1"))),
        ),
    ),
    wrong_turns=(TLS_LEFT_OUT,),
)
