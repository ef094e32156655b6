"""The meter sends the low word of its numbers first."""

from __future__ import annotations

from edge_runtime.language import N_
from edge_runtime.practice.board_texts import head, meter
from edge_runtime.practice.conditions import ReadingArrives
from edge_runtime.practice.exercise import BoardSetup, Exercise, MeterRegister, ModbusMeter

EXERCISE = Exercise(
    title=N_("The meter answers, with numbers that cannot be"),
    minutes=5,
    goal=N_("The voltage of the mill's power meter reaches the office, about 230 V."),
    story=N_(
        "Your meter answers now, thank you. But the office shows a voltage of almost nothing, or "
        "of billions. The display of the meter shows 230 V."
    ),
    first_look=N_(
        "One raw value (`edge-runtime watch`) beside the display of the meter. Nonsense, and not "
        "a factor: type or order of the words."
    ),
    lesson=N_(
        "A 32-bit value lies in two registers, and makers do not agree which comes first. `words` "
        "in the register says it."
    ),
    hints=(
        N_("See what arrives with `edge-runtime watch`. Is it wrong by a factor, or nonsense?"),
        N_("A float32 lies in two registers of 16 bits. The meter's manual says: low word first."),
        N_('Add words = "low-first" to both registers, then `edge-runtime practice restart`.'),
    ),
    boards=(BoardSetup(head("mill-1") + meter()),),
    devices=(
        ModbusMeter(
            "rs485",
            (
                MeterRegister(0, (230.0, 3.0, 15.0), low_word_first=True),
                MeterRegister(6, (4.0, 1.0, 9.0), low_word_first=True),
            ),
            device=1,
        ),
    ),
    goals=(ReadingArrives("meter", "voltage", 210.0, 250.0),),
)
