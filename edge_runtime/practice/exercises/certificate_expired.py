"""The broker's certificate has expired."""

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
    title=N_("Since midnight no board comes through"),
    minutes=4,
    goal=N_("The water level reaches the office, and the broker has proved who it is."),
    story=N_(
        "At midnight all of our boards fell silent. In the office everything runs, they say, "
        "nobody has changed anything."
    ),
    first_look=N_(
        "`edge-runtime doctor` on tls and on clock: has the certificate expired, or is this "
        "board's clock wrong? All boards at once: it is the certificate."
    ),
    lesson=N_(
        "Certificates end on a day that is known. `edge-runtime doctor` warns two weeks before: "
        "run it on one board each month."
    ),
    hints=(
        N_("`edge-runtime doctor`: what does it say on tls, and what on clock?"),
        N_(
            "The clock is right, the certificate has expired. Who can make a new one? "
            "`edge-runtime practice do`."
        ),
        N_("`edge-runtime practice do call-office`: the office renews its broker's certificate."),
    ),
    boards=(WELL_WITH_TLS,),
    broker=BrokerSetup(
        certificate=ServerCertificate(
            ("broker.practice.example", "127.0.0.1"), from_day=-400.0, to_day=-0.5
        ),
        ca_files=(CaFile("board/ca.pem"),),
    ),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES, DoctorAgrees("tls")),
    actions=(
        SiteAction(
            "call-office",
            N_("tell the office that the broker's certificate has expired"),
            N_('"You are right. We have made a new one, the broker has it now."'),
            NewCertificate(ServerCertificate(("broker.practice.example", "127.0.0.1"))),
        ),
    ),
    wrong_turns=(TLS_LEFT_OUT,),
)
