"""The certificate is for the broker's name, the address is a number."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.conditions import DoctorAgrees
from edge_runtime.practice.exercise import (
    BrokerSetup,
    CaFile,
    Exercise,
    ServerCertificate,
)
from edge_runtime.practice.exercise_parts import (
    LEVEL_ARRIVES,
    LEVEL_PROBE,
    TLS_LEFT_OUT,
    WELL_WITH_TLS,
)

EXERCISE = Exercise(
    title=N_("The broker moved, and its certificate has another name"),
    minutes=4,
    goal=N_("The water level reaches the office, and the broker has proved who it is."),
    story=N_(
        "There is no name server out here, so I have entered the broker's address as a number. "
        "The office says its certificate is for broker.practice.example."
    ),
    first_look=N_(
        "`edge-runtime doctor` on tls: for another name. Which name is in the certificate, and "
        "which one does the board expect?"
    ),
    lesson=N_(
        "broker.server_name is the name that is checked, at whatever address the broker stands. "
        "Never leave the check out."
    ),
    hints=(
        N_("How far does the board come? `edge-runtime doctor`: broker, then tls."),
        N_(
            "The certificate bears a name, the address is a number. Which key in [broker] says "
            "what name to expect?"
        ),
        N_(
            'Add server_name = "broker.practice.example" in [broker], then `edge-runtime '
            "practice restart`."
        ),
    ),
    boards=(WELL_WITH_TLS,),
    broker=BrokerSetup(
        certificate=ServerCertificate(("broker.practice.example",)),
        ca_files=(CaFile("board/ca.pem"),),
    ),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES, DoctorAgrees("tls")),
    wrong_turns=(TLS_LEFT_OUT,),
)
