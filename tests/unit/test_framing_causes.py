"""What bytes that are none of ours are taken for: other protocols, other settings of the port."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.framing.causes import (
    LineErrors,
    another_protocol,
    another_setting,
    counted,
    is_slower,
    rtu_devices,
)
from edge_runtime.framing.modbus_causes import no_answer, no_answer_by_tcp
from edge_runtime.framing.registers import RegisterRequest
from edge_runtime.framing.rtu import telegram
from support.serial_device import sentence, with_crc
from support.uart import read_at

NMEA = sentence("GPGSV,3,1,11,03,03,111,00") * 3
UBX = b"\xb5\x62\x01\x07\x5c\x00" + bytes(92) + b"\x12\x34"
RTU = with_crc(bytes((5, 3, 2, 0, 77))) * 2
LINES = b"".join(b"%d.5,%d\r\n" % (i, i * 7) for i in range(30))
NOISE = bytes(i * 89 % 251 for i in range(1, 250))
ASKED = telegram(1, RegisterRequest(3, 0, 2))


@pytest.mark.parametrize(
    ("data", "expected", "what"),
    [
        (NMEA, "lines", "NMEA sentences come (GPGSV)"), (NMEA, "modbus", "NMEA sentences come"),
        (UBX, "nmea", "the receiver sends UBX"), (RTU, "lines", "Modbus RTU telegrams come (dev"),
        (LINES, "modbus", "text comes ('"), (LINES, "slip", "text comes ('"),
    ],
)  # fmt: skip
def test_another_protocol_is_named(data: bytes, expected: str, what: str) -> None:
    cause = another_protocol(b"\x91\x00" * (expected != "modbus") + data, expected)
    if data is LINES:
        cause = another_protocol(data, expected)
    assert cause is not None
    assert what in cause.what
    assert cause.advice


@pytest.mark.parametrize(
    ("data", "expected"),
    [(NMEA, "nmea"), (NMEA + UBX, "nmea"), (LINES, "lines"), (RTU, "modbus"), (NOISE, "lines")],
)
def test_what_is_expected_or_noise_is_taken_for_no_other_protocol(
    data: bytes, expected: str
) -> None:
    assert another_protocol(data, expected) is None


@pytest.mark.parametrize("parity", ["even", "odd"])
def test_seven_data_bits_with_parity_are_told(parity: str) -> None:
    is_odd = parity == "odd"
    data = bytes(b | 0x80 if (b.bit_count() % 2 == 1) != is_odd else b for b in LINES)
    cause = another_setting(data, "lines", 9600)
    assert cause is not None
    assert cause.advice == f'set bytesize = 7 and parity = "{parity}"'


@pytest.mark.parametrize(("sent", "ours"), [(9600, 19_200), (9600, 38_400), (9600, 57_600)])
def test_a_sensor_that_sends_more_slowly_is_told(sent: int, ours: int) -> None:
    cause = another_setting(read_at(LINES, sent, ours), "lines", ours)
    assert cause is not None
    assert cause.what == f"the sensor sends more slowly than baud = {ours}"


def test_a_sensor_that_sends_faster_is_no_text() -> None:
    cause = another_setting(read_at(LINES * 4, 115_200, 9600), "lines", 9600)
    assert cause is not None
    assert "bytes are no text" in cause.what
    assert not is_slower(LINES)
    assert not is_slower(NOISE)


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_a_line_at_the_wrong_level_is_told(byte: int) -> None:
    cause = another_setting(bytes((byte,)) * 100, "lines", 9600)
    assert cause is not None
    assert cause.what == f"only the byte 0x{byte:02X} comes"
    assert cause.advice.startswith("raise baud" if byte else "lower baud")
    assert read_at(LINES, 4800, 115_200).strip(b"\0") == b"", "what a far slower sensor looks like"


def test_what_a_uart_has_counted() -> None:
    assert counted(LineErrors()) is None
    now, before = LineErrors(9, 5, 0, 0), LineErrors(2, 5, 0, 0)
    framing, parity = counted(now.since(before)), counted(LineErrors(0, 3))
    assert framing is not None
    assert parity is not None
    assert (framing.what, parity.what) == (
        "the port counted 7 framing errors", "the port counted 3 parity errors",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("heard", "answering", "what"),
    [
        (b"", (), "not one byte came back to 2 requests"),
        (ASKED * 2, (), "only our own requests come back (an echo"),
        (b"", (4,), "no answer, while others on this line answer (device 4)"),
        (RTU, (5,), "no answer, while others on this line answer (device 5)"),
        (RTU, (), "device 5 is on the line, not 1"),
        (bytes((1, 3, 4, 9, 9, 9, 9, 0, 0)), (), "its answers are damaged"),
        (NMEA, (), "NMEA sentences come"),
        (NOISE, (), "249 bytes came that are no Modbus answer"),
    ],
)
def test_why_a_modbus_device_gives_no_answer(
    heard: bytes, answering: tuple[int, ...], what: str
) -> None:
    cause = no_answer(heard, (ASKED, ASKED), 1, baud=9600, answering=answering)
    assert what in cause.what


def test_why_there_is_no_answer_by_tcp() -> None:
    assert "not one byte came back to 1 requests" in no_answer_by_tcp(b"", (ASKED,)).what
    assert "Modbus RTU telegrams come" in no_answer_by_tcp(RTU, (ASKED,)).what
    assert "are no Modbus answer" in no_answer_by_tcp(b"HTTP/1.0 400 Bad", (ASKED,)).what


@given(st.binary(max_size=200), st.sampled_from(["lines", "nmea", "modbus", "binary"]))
def test_any_bytes_can_be_looked_at(data: bytes, expected: str) -> None:
    another_protocol(data, expected)
    another_setting(data, expected, 9600)
    no_answer(data, (ASKED,), 1, baud=9600)


@given(st.integers(1, 247), st.lists(st.integers(0, 65535), min_size=1, max_size=60), st.binary())
def test_whole_telegrams_are_found_among_others(
    device: int, words: list[int], noise: bytes
) -> None:
    answer = with_crc(bytes((device, 3, 2 * len(words))) + struct.pack(f">{len(words)}H", *words))
    assert device in rtu_devices(answer)
    assert device in rtu_devices(b"\x00" + answer + noise)
