"""Why a Modbus device gives no answer, by what came in its place. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edge_runtime.errors import Text
from edge_runtime.framing.causes import Cause, another_protocol, another_setting, rtu_devices
from edge_runtime.framing.registers import RegisterRequest

DEVICE_ITSELF = Text("check framing.device, and this device's power and wires")


def no_answer(
    heard: bytes,
    sent: Sequence[bytes],
    device: int,
    *,
    baud: int,
    answering: Collection[int] = (),
) -> Cause:
    """Return why a device on a line gave no answer to what was sent.

    `heard`: what came since; `answering`: the other devices on the line that do answer.
    """
    rest, echoes = without_echoes(heard, sent)
    if not rest.strip(b"\x00\xff"):
        return silent(len(sent), echoes, answering)
    if is_damaged_answer(rest, sent):
        return Cause(
            Text("the device answers, but its answers are damaged"),
            Text("check cable, shield, earth, and the resistors at both ends of the line"),
        )
    if answering:
        return silent(len(sent), echoes, answering)
    if strangers := [one for one in rtu_devices(rest) if one != device]:
        return Cause(
            Text("device {other} is on the line, not {device}", other=strangers[0], device=device),
            Text("correct framing.device, or stop what else asks on this line"),
        )
    return (
        another_protocol(rest, "modbus")
        or another_setting(rest, "modbus", baud)
        or Cause(
            Text("{count} bytes came that are no Modbus answer", count=len(rest)),
            Text("check baud, parity and stopbits, and that A is on A and B on B"),
        )
    )


def no_answer_by_tcp(heard: bytes, sent: Sequence[bytes]) -> Cause:
    """Return why a device gave no answer over a connection that is there."""
    if (devices := rtu_devices(heard)) or not heard:
        what = Text("connected, but not one byte came back to {count} requests", count=len(sent))
        if devices:
            what = Text("Modbus RTU telegrams come (device {device})", device=devices[0])
        return Cause(
            what,
            Text(
                "check framing.device (the unit id); a gateway that passes on RTU has "
                "socket:// in place of modbus-tcp://"
            ),
        )
    return Cause(
        Text("{count} bytes came that are no Modbus answer", count=len(heard)),
        Text("check host and port: something else than Modbus TCP may be there"),
    )


def silent(requests: int, echoes: int, answering: Collection[int]) -> Cause:
    """Return what it means that nothing came but what we sent, or what others say."""
    if answering:
        return Cause(
            Text(
                "no answer, while others on this line answer (device {devices})",
                devices=", ".join(map(str, sorted(answering))),
            ),
            DEVICE_ITSELF,
        )
    if echoes:
        return Cause(
            Text("only our own requests come back (an echo of the adapter), and no answer"),
            Text("check the device's power, framing.device, baud, and that A is on A and B on B"),
        )
    return Cause(
        Text("not one byte came back to {count} requests", count=requests),
        Text("check the device's power, framing.device, baud, and that A is on A and B on B"),
    )


def without_echoes(heard: bytes, sent: Sequence[bytes]) -> tuple[bytes, int]:
    """Return what came without our own requests, and how many of them came back."""
    echoes = 0
    for one in set(sent):
        echoes += heard.count(one)
        heard = heard.replace(one, b"")
    return heard, echoes


def is_damaged_answer(heard: bytes, sent: Sequence[bytes]) -> bool:
    """Say whether answers begin as they should, with the device, the function and the size.

    Then baud and parity are right, and only some of the bytes came wrong.
    """
    return any(answer_head(one) in heard for one in sent)


def answer_head(sent: bytes) -> bytes:
    """Return how the answer to a request of RTU's begins."""
    asked = RegisterRequest(sent[1], 0, int.from_bytes(sent[4:6], "big"))
    return sent[:2] + bytes((asked.data_bytes & 0xFF,))
