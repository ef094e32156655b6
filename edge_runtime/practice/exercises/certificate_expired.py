"""The broker's certificate has expired."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, well
from edge_runtime.practice.conditions import DoctorAgrees, ReadingArrives
from edge_runtime.practice.exercise import (
    BoardSetup,
    BrokerSetup,
    CaFile,
    Exercise,
    LineSensor,
    NewCertificate,
    ServerCertificate,
    SiteAction,
    WrongTurn,
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
    boards=(
        BoardSetup(
            head(url="mqtts://127.0.0.1:$broker_port", broker='ca_file = "ca.pem"') + well()
        ),
    ),
    broker=BrokerSetup(
        certificate=ServerCertificate(
            ("broker.practice.example", "127.0.0.1"), from_day=-400.0, to_day=-0.5
        ),
        ca_files=(CaFile("board/ca.pem"),),
    ),
    devices=(LineSensor("level-probe", ((2.5, 0.3, 20.0), (17.0, 0.5, 60.0)), digits=2),),
    goals=(ReadingArrives("well", "level", 2.0, 3.0), DoctorAgrees("tls")),
    actions=(
        SiteAction(
            "call-office",
            N_("tell the office that the broker's certificate has expired"),
            N_('"You are right. We have made a new one, the broker has it now."'),
            NewCertificate(ServerCertificate(("broker.practice.example", "127.0.0.1"))),
        ),
    ),
    wrong_turns=(
        WrongTurn(
            DoctorAgrees("tls", ("skipped", "warning")),
            N_("Without TLS nobody has proved anything: go back to mqtts."),
        ),
    ),
)
