"""The board trusts the CA of last year."""

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
    title=N_("The broker's certificate is not trusted"),
    minutes=4,
    goal=N_("The water level reaches the office, and the broker has proved who it is."),
    story=N_(
        "The office has a new certification authority since this month. The board still has the "
        "old one. The new file is on the stick: folder usb, beside the folder board."
    ),
    first_look=N_(
        "`edge-runtime doctor` on tls: not signed by the CA that this device trusts. Is it "
        "another broker, or another CA? Ask before you replace."
    ),
    lesson=N_(
        "The CA's file decides whom a board believes. Take it from the office's hand alone, never "
        "from the network."
    ),
    hints=(
        N_("How far does the board come? `edge-runtime doctor`: broker, then tls."),
        N_(
            "The certificate is not signed by the CA in broker.ca_file. The office's new one is "
            "on the stick."
        ),
        N_("Copy usb/ca.pem over board/ca.pem, then `edge-runtime practice restart`."),
    ),
    boards=(WELL_WITH_TLS,),
    broker=BrokerSetup(
        certificate=ServerCertificate(("broker.practice.example", "127.0.0.1")),
        ca_files=(CaFile("board/ca.pem", is_old=True), CaFile("usb/ca.pem")),
    ),
    devices=(LEVEL_PROBE,),
    goals=(LEVEL_ARRIVES, DoctorAgrees("tls")),
    wrong_turns=(TLS_LEFT_OUT,),
)
