"""The meter answers to another device number than the file asks."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, meter
from edge_runtime.practice.conditions import ReadingArrives
from edge_runtime.practice.exercise import (
    BoardSetup,
    Exercise,
    MeterRegister,
    ModbusMeter,
    SiteAction,
)

EXERCISE = Exercise(
    title=N_("The meter does not answer"),
    minutes=4,
    goal=N_("The voltage of the mill's power meter reaches the office, about 230 V."),
    story=N_(
        "The electrician put in the new power meter and connected A and B to your board. It is "
        "on, it shows 230 V, but nothing arrives."
    ),
    first_look=N_(
        "`edge-runtime doctor`: a sensor that does not answer was asked wrongly or is wired "
        "wrongly. The number on the meter first, it costs nothing."
    ),
    lesson=N_(
        "On RS-485 a device answers to its own number alone. Several meters on one cable need "
        "different numbers."
    ),
    hints=(
        N_("What does `edge-runtime doctor` say on serial: no port, garbage, or no answer?"),
        N_("Read the meter's sticker: `edge-runtime practice do look`."),
        N_("Set device = 7 in [streams.source.framing], then `edge-runtime practice restart`."),
    ),
    boards=(BoardSetup(head("mill-1") + meter(number=1)),),
    devices=(
        ModbusMeter(
            "rs485",
            (MeterRegister(0, (230.0, 3.0, 15.0)), MeterRegister(6, (4.0, 1.0, 9.0))),
            device=7,
        ),
    ),
    goals=(ReadingArrives("meter", "voltage", 210.0, 250.0),),
    actions=(
        SiteAction(
            "look",
            N_("look at the meter"),
            N_("The display shows 230 V. On the sticker: Modbus RTU, 9600 8N1, address 7."),
        ),
        SiteAction(
            "swap-a-and-b",
            N_("swap the wires A and B"),
            N_("You swap them, nothing answers, you swap them back: they were right."),
        ),
    ),
)
