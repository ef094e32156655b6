"""The board itself: memory limits, supply voltage, heat."""

from __future__ import annotations

from collections.abc import Iterator

from edge_runtime.board.limits import memory_is_limited
from edge_runtime.board.power import power
from edge_runtime.board.throttle import STEPS
from edge_runtime.board.vitals import Board
from edge_runtime.doctor.base import CheckContext, Finding

HOT_C = 70.0  # an hour of sun more, and the first step of `board/throttle.py` is reached
TOO_HOT_C = 85.0  # a Raspberry Pi cuts its clock from here on
LITTLE_MEMORY_MB = 64.0


def check_memory(context: CheckContext) -> Iterator[Finding]:
    """Is there memory left, and can the service's limit work?"""
    free_mb = Board(context.state_dir, context.root).vitals().memory_free_mb
    if free_mb is not None and free_mb < LITTLE_MEMORY_MB:
        yield Finding(
            "memory",
            "warning",
            context.text("only {free:.0f} MB of memory are free", free=free_mb),
            context.text("Stop other programs, or use fewer streams or a smaller model."),
        )
    if memory_is_limited(context.root) is False:
        yield Finding(
            "memory",
            "warning",
            context.text(
                "the kernel limits no memory (cgroup_disable=memory): MemoryMax of the service "
                "does nothing"
            ),
            context.text(
                "Add cgroup_enable=memory to the line in /boot/firmware/cmdline.txt and start the "
                "board again."
            ),
        )
    elif free_mb is None:
        yield Finding("memory", "skipped", context.text("the kernel does not tell"))
    elif free_mb >= LITTLE_MEMORY_MB:
        yield Finding(
            "memory", "ok", context.text("{free:.0f} MB of memory are free", free=free_mb)
        )


def check_power(context: CheckContext) -> Iterator[Finding]:
    """Is the voltage high enough? A Raspberry Pi tells; it is behind most riddles in the field."""
    supply = power(context.root)
    if supply is None:
        yield Finding("power", "skipped", context.text("this board does not measure its voltage"))
        return
    better = context.text(
        "Use the board's own power supply and a short, thick cable; take the power of cameras and "
        "disks from a powered USB hub."
    )
    cooler = context.text("See to shade and air; after that start the board again.")
    if supply.low_now:
        text = context.text("the voltage is too low now: the board may stop or spoil its card")
        yield Finding("power", "failed", text, better)
    elif supply.low_before:
        text = context.text("the voltage was too low at some time since the start")
        yield Finding("power", "warning", text, better)
    elif supply.slow_now or supply.slow_before:
        text = context.text("the board is or was slowed down because of heat")
        yield Finding("power", "warning", text, cooler)
    else:
        yield Finding("power", "ok", context.text("the voltage is and was high enough"))


def check_heat(context: CheckContext) -> Iterator[Finding]:
    """Is it too hot?"""
    heat_c = Board(context.state_dir, context.root).vitals().temperature_c
    if heat_c is None:
        text = context.text("this board does not measure its temperature")
        yield Finding("heat", "skipped", text)
        return
    text = context.text("the board is at {heat:.0f} °C", heat=heat_c)
    if heat_c < HOT_C:
        yield Finding("heat", "ok", text)
        return
    yield Finding(
        "heat",
        "failed" if heat_c >= TOO_HOT_C else "warning",
        text,
        context.text(
            "Give it shade, air or a heat sink. From {step:.0f} °C on fewer pictures are looked "
            "at, from {cut:.0f} °C on the board slows down by itself.",
            step=STEPS[0].temperature_c,
            cut=TOO_HOT_C,
        ),
    )
