"""Binary framings: sync words, lengths, checks, SLIP and COBS, by hand-made bytes."""

from __future__ import annotations

import math
import struct

import pytest

from edge_runtime.framing import framing_of
from edge_runtime.framing.checks import CHECKS
from edge_runtime.framing.packets import uncobs, unslip
from edge_runtime.framing.rows import Framing
from edge_runtime.options import BinaryOptions, CobsOptions, FieldOptions, SlipOptions
from support.serial_device import SYNC, cobs, frame, slip, with_crc

XYZ = (FieldOptions("x", scale=0.5), FieldOptions("y"), FieldOptions("z", offset=1.0))


def binary(*fields: FieldOptions, check: str = "crc16-ccitt-false", **options: object) -> Framing:
    wanted = {"sync": "AA55", "check": check, **options}
    return framing_of(BinaryOptions(fields=fields or XYZ, **wanted))  # type: ignore[arg-type]


def rows(framing: Framing, data: bytes) -> list[list[float]]:
    return [row for run in framing.feed(data) for row in run.values.tolist()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("crc16-ccitt-false", 0x29B1), ("crc16-xmodem", 0x31C3),
        ("crc16-modbus", 0x4B37), ("crc32", 0xCBF43926), ("none", 0),
    ],
)  # fmt: skip
def test_checks_give_the_catalogues_values(name: str, expected: int) -> None:
    assert CHECKS[name].of(b"123456789") == expected


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"none"}))
def test_a_frame_is_taken_with_the_right_check_alone(name: str) -> None:
    good = frame((10, 20, 30), check=name)
    framing = binary(check=name)
    assert rows(framing, good) == [[5.0, 20.0, 31.0]]
    spoilt = good[:4] + bytes((good[4] ^ 1,)) + good[5:]
    assert rows(framing, spoilt + good) == [[5.0, 20.0, 31.0]]
    assert framing.rows.tally.bad == {"checksum": 1}
    assert framing.rows.tally.skipped == len(spoilt)


def test_a_frame_may_come_byte_by_byte() -> None:
    framing = binary()
    data = b"\x00\xaa" + frame((2, 0, 0)) + frame((4, 0, 0))
    found = [row[0] for byte in data for row in rows(framing, bytes((byte,)))]
    assert found == [1.0, 2.0]
    assert framing.rows.tally.skipped == 2


def test_a_sync_word_inside_a_frame_does_not_cut_it() -> None:
    inside = struct.unpack("<h", SYNC)[0]
    data = frame((inside, inside, inside)) * 3
    assert len(rows(binary(), data[3:])) == 2  # joined in the middle: the first is lost


def test_a_frame_that_is_cut_costs_no_other() -> None:
    framing = binary()
    cut, good = frame((2, 2, 2)), frame((4, 4, 4))
    runs = framing.feed(good + cut[:5] + good + good)
    assert [(len(run.values), run.gap) for run in runs] == [(1, False), (2, True)]


def test_every_number_type_in_both_orders() -> None:
    types = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
    values = (-1, 255, -2, 65535, -3, 4294967295, 1.5, -2.25)
    for endian, order in (("little", "<"), ("big", ">")):
        fields = tuple(FieldOptions(name, type=name) for name in types)  # type: ignore[arg-type]
        body = struct.pack(f"{order}bBhHiIfd", *values)
        data = SYNC + with_crc(body, "crc32", order)
        found = rows(binary(*fields, check="crc32", endian=endian), data)
        assert found == [list(values)]


def test_bytes_that_mean_nothing_are_skipped() -> None:
    framing = binary(
        FieldOptions("a", type="uint8", skip=1), FieldOptions("b", type="uint8", skip=2),
        rows=2, header_bytes=3, trailer_bytes=1,
    )  # fmt: skip
    body = b"HHH" + b"-\x01--\x02" + b"-\x03--\x04" + b"T"
    assert rows(framing, SYNC + with_crc(body, "crc16-ccitt-false")) == [[1.0, 2.0], [3.0, 4.0]]


def test_a_check_may_cover_the_sync_word() -> None:
    body = SYNC + struct.pack("<3h", 2, 3, 4)
    framing = binary(check_covers="frame")
    assert rows(framing, with_crc(body, "crc16-ccitt-false")) == [[1.0, 3.0, 5.0]]
    assert rows(framing, frame((2, 3, 4)) + bytes(8)) == []


@pytest.mark.parametrize(("length", "form"), [("uint8", "<B"), ("uint16", "<H")])
def test_frames_tell_how_many_rows_they_hold(length: str, form: str) -> None:
    framing = binary(length=length, rows=10)
    data = b"".join(
        frame(range(3 * count), head=struct.pack(form, 6 * count)) for count in (1, 10, 3)
    )
    assert len(rows(framing, data)) == 14


@pytest.mark.parametrize("length", [0, 5, 7, 66, 65535])
def test_an_absurd_length_is_not_waited_for(length: int) -> None:
    framing = binary(length="uint16", rows=10)
    good = frame((2, 2, 2), head=b"\x06\0")
    assert len(rows(framing, SYNC + struct.pack("<H", length) + good)) == 1
    assert framing.rows.tally.bad == {"length": 1}


def test_without_a_check_a_frame_is_believed_where_another_follows() -> None:
    framing = binary(check="none")
    good = SYNC + struct.pack("<3h", 2, 2, 2)
    assert rows(framing, b"??" + SYNC + b"cut" + good) == []
    assert len(rows(framing, good)) == 2  # the one before is confirmed by it, and we are in step
    assert len(rows(framing, good * 3)) == 3
    assert framing.rows.tally.bad == {"length": 1}


def test_values_that_are_no_numbers_split_the_run_and_are_counted() -> None:
    framing = binary(FieldOptions("a", type="float32", max=100.0), rows=6, check="crc32")
    values = struct.pack("<6f", 1.0, math.nan, math.inf, 2.0, 3.0, 101.0)
    runs = framing.feed(SYNC + with_crc(values, "crc32"))
    assert [(run.values[:, 0].tolist(), run.gap) for run in runs] == [
        ([1.0], False), ([2.0, 3.0], True),
    ]  # fmt: skip
    assert framing.rows.tally.bad == {"range": 3}
    assert framing.rows.tally.good == 3


def test_a_signalling_nan_is_refused_as_any_other() -> None:
    framing = binary(FieldOptions("a", type="float32"), check="crc32")
    assert rows(framing, SYNC + with_crc(bytes.fromhex("0100a07f"), "crc32")) == []
    assert framing.rows.tally.bad == {"range": 1}


def test_a_value_that_scaling_makes_too_large_is_refused() -> None:
    framing = binary(FieldOptions("a", type="float64", scale=1e10), check="crc32")
    assert rows(framing, SYNC + with_crc(struct.pack("<d", 1e305), "crc32")) == []
    assert rows(framing, SYNC + with_crc(struct.pack("<d", 1.0), "crc32")) == [[1e10]]


def test_reset_forgets_a_frame_that_has_begun() -> None:
    framing = binary()
    framing.feed(frame((2, 2, 2))[:6])
    framing.reset()
    assert len(rows(framing, frame((2, 2, 2)))) == 1
    assert framing.rows.tally.skipped == 0


BODY = bytes(range(256)) + b"\xc0\xdb\xdc\xdd\x00\x00\xff" + bytes(3) + bytes(range(1, 256)) * 2


def test_slip_and_cobs_are_undone() -> None:
    assert unslip(slip(BODY).strip(b"\xc0")) == BODY
    assert uncobs(cobs(BODY)[:-1]) == BODY
    assert unslip(b"\xdb\xdd\xdc") == b"\xdb\xdc"
    # The examples of the COBS paper's authors.
    assert uncobs(bytes.fromhex("0311220233")) == bytes.fromhex("11220033")
    assert uncobs(bytes.fromhex("01010101")) == bytes(3)


@pytest.mark.parametrize("kind", ["slip", "cobs"])
def test_packets_are_taken_and_garbage_between_them_costs_only_itself(kind: str) -> None:
    options = (SlipOptions if kind == "slip" else CobsOptions)(
        fields=XYZ, rows=2, check="crc16-xmodem"
    )
    stuff, delimiter = (slip, b"\xc0") if kind == "slip" else (cobs, b"\0")
    framing = framing_of(options)
    one = stuff(with_crc(struct.pack("<3h", 0, -64, 219), "crc16-xmodem"))
    two = stuff(with_crc(struct.pack("<6h", *range(6)), "crc16-xmodem"))
    wrong = stuff(struct.pack("<4h", 1, 2, 3, 4))
    short = stuff(b"\x01")
    assert rows(framing, one + two) == [[0.0, -64.0, 220.0], [0.0, 1.0, 3.0], [1.5, 4.0, 6.0]]
    data = delimiter + wrong + short + b"\xdb\xdb" * 20 + delimiter + b"\x01" * 500 + delimiter
    runs = framing.feed(data + one)
    assert [run.values.tolist() for run in runs] == [[[0.0, -64.0, 220.0]]]
    assert runs[0].gap
    assert set(framing.rows.tally.bad) >= {"checksum", "length"}
    assert framing.rows.tally.bad.total() == 4


@pytest.mark.parametrize("packet", [b"\xdb", b"\xdb\x01", b"a\xdb\xdb\xdc"])
def test_a_false_escape_is_refused(packet: bytes) -> None:
    with pytest.raises(ValueError, match="escape"):
        unslip(packet)


@pytest.mark.parametrize("packet", [b"\x05abc", b"\xffabc", b"\x02"])
def test_a_cut_block_is_refused(packet: bytes) -> None:
    with pytest.raises(ValueError, match="cut"):
        uncobs(packet)
