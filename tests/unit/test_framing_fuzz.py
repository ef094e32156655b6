"""Whatever comes: no framing raises, grows, lets a false number through, or misses what is good."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.framing import framing_of
from edge_runtime.framing.packets import uncobs, unslip
from edge_runtime.framing.rows import Framing
from edge_runtime.options import (
    BinaryOptions,
    CobsOptions,
    ColumnOptions,
    FieldOptions,
    LinesOptions,
    NmeaOptions,
    SlipOptions,
)
from support.serial_device import SYNC, cobs, frame, sentence, slip, with_crc

XY = (FieldOptions("x"), FieldOptions("y"))
AB = (ColumnOptions("a"), ColumnOptions("b"))
PLAIN_BYTES = 50_000
LONG_BYTES = 1_000_000
MAX_MEMORY_BYTES = 400_000  # the chunk, the frame in progress and the rows of one chunk
CHUNK_BYTES = 4096


def packet(x: int, y: int) -> bytes:
    return with_crc(struct.pack("<2h", x, y), "crc32")


def gga(x: int, y: int) -> bytes:
    return sentence(f"GNGGA,{x}.{y},4807.038,N,01131.000,W,1,08,0.9,545.4,M,46.9,M,,")


Kind = tuple[Callable[[], Framing], Callable[[int, int], bytes], bytes]

# How each framing is made, a good frame of two numbers, and what ends any garbage before it.
KINDS: dict[str, Kind] = {
    "csv": (
        lambda: framing_of(LinesOptions(columns=AB, max_line_bytes=256)),
        lambda x, y: f"{x},{y}\n".encode(), b"\n",
    ),
    "json": (
        lambda: framing_of(LinesOptions(columns=AB, format="json", max_line_bytes=256)),
        lambda x, y: f'{{"a":{x},"b":{y}}}\n'.encode(), b"\n",
    ),
    "nmea": (lambda: framing_of(NmeaOptions(values=("latitude", "longitude"))), gga, b"\n"),
    "binary": (
        lambda: framing_of(BinaryOptions(fields=XY, sync="aa55", check="crc32")),
        lambda x, y: frame((x, y), check="crc32"), b"",
    ),
    "binary with a length": (
        lambda: framing_of(
            BinaryOptions(fields=XY, sync="aa55", check="crc32", rows=100, length="uint16")
        ),
        lambda x, y: frame((x, y), check="crc32", head=b"\x04\0"), b"",
    ),
    "slip": (
        lambda: framing_of(SlipOptions(fields=XY, rows=100, check="crc32")),
        lambda x, y: slip(packet(x, y)), b"\xc0",
    ),
    "cobs": (
        lambda: framing_of(CobsOptions(fields=XY, rows=100, check="crc32")),
        lambda x, y: cobs(packet(x, y)), b"\0",
    ),
}  # fmt: skip

# What never ends a frame, where it is not the sync word over and over.
ENDLESS = {"csv": b"1", "json": b"[", "nmea": b"$", "slip": b"\xdb", "cobs": b"\x01"}

each_kind = pytest.mark.parametrize("kind", sorted(KINDS))


def feed(framing: Framing, data: bytes, size: int = CHUNK_BYTES) -> int:
    """Feed in chunks; return how many rows came, each with a value, none of them infinite."""
    rows = 0
    for at in range(0, len(data), size):
        for run in framing.feed(data[at : at + size]):
            assert run.values.dtype == np.float64
            assert np.isfinite(run.values).any(axis=1).all()
            assert not np.isinf(run.values).any()
            rows += len(run.values)
    return rows


def pieces(kind: str, count: int, seed: int) -> Iterator[tuple[bytes, bool]]:
    """Yield garbage of all sorts and good frames, each with whether it is good."""
    dice = random.Random(seed)
    _, good, end = KINDS[kind]
    for number in range(count):
        whole = good(number, -number)
        yield whole, True
        sort = dice.randrange(5)
        if sort == 0:
            yield dice.randbytes(dice.randrange(200)) + end, False
        elif sort == 1:
            yield whole[: dice.randrange(len(whole) // 2)] + end, False
        elif sort == 2:
            at = dice.randrange(2, len(whole) - 1)
            yield whole[:at] + bytes((whole[at] ^ 0x41,)) + whole[at + 1 :] + end, False
        elif sort == 3:
            yield SYNC + dice.randbytes(2) + end, False


def good_frames_are_found(kind: str, count: int) -> None:
    made = list(pieces(kind, count, seed=7))
    # Long enough behind the last frame that no false length waits for what never comes.
    data = KINDS[kind][2] + b"".join(piece for piece, _ in made) + bytes(500) + KINDS[kind][2]
    framing = KINDS[kind][0]()
    found = feed(framing, data, 997)
    wanted = sum(is_good for _, is_good in made)
    if kind in (
        "csv",
        "json",
    ):  # a number with a digit changed is a number: only a check would tell
        assert found >= wanted
    else:
        assert found == wanted
    tally = framing.rows.tally
    assert tally.good == found
    assert tally.bad.total() > 0
    assert tally.skipped > 0


@each_kind
def test_all_good_frames_among_garbage_are_found(kind: str) -> None:
    good_frames_are_found(kind, 500)


@pytest.mark.long
@each_kind
def test_all_good_frames_among_much_garbage_are_found(kind: str) -> None:
    good_frames_are_found(kind, 20_000)


def memory_stays(kind: str, size: int) -> None:
    framing = KINDS[kind][0]()
    dice = random.Random(3)
    endless = ENDLESS.get(kind, SYNC)
    tracemalloc.start()
    try:
        for fill in (lambda: endless * (CHUNK_BYTES // len(endless)),
                     lambda: dice.randbytes(CHUNK_BYTES)):  # fmt: skip
            for _ in range(size // 2 // CHUNK_BYTES):
                feed(framing, fill())
        assert tracemalloc.get_traced_memory()[1] < MAX_MEMORY_BYTES
    finally:
        tracemalloc.stop()
    assert framing.rows.tally.skipped > size // 2
    _, good, end = KINDS[kind]
    assert feed(framing, end + good(1, 2) + bytes(500)) == 1


@each_kind
def test_memory_is_flat_and_the_next_good_frame_taken(kind: str) -> None:
    memory_stays(kind, PLAIN_BYTES)


@pytest.mark.long
@each_kind
def test_memory_is_flat_over_a_million_bytes(kind: str) -> None:
    memory_stays(kind, LONG_BYTES)


@each_kind
@settings(max_examples=60)
@given(st.lists(st.binary(max_size=64), max_size=12))
def test_nothing_raises_and_bytes_are_accounted_for(kind: str, chunks: list[bytes]) -> None:
    framing = KINDS[kind][0]()
    for chunk in chunks:
        feed(framing, chunk)
    assert framing.rows.tally.skipped <= sum(map(len, chunks))


@each_kind
@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 32767), st.integers(0, 32767)), min_size=1, max_size=20,
             unique=True),
    st.integers(1, 64),
)  # fmt: skip
def test_what_is_good_comes_through_however_it_is_cut(
    kind: str, values: list[tuple[int, int]], size: int
) -> None:
    make, good, end = KINDS[kind]
    framing = make()
    assert feed(framing, end + b"".join(good(x, y) for x, y in values), size) == len(values)
    assert framing.rows.tally.bad == {}
    assert framing.rows.tally.skipped == 0


@settings(max_examples=200)
@given(st.binary(max_size=600))
def test_stuffing_and_unstuffing_give_back_the_same(body: bytes) -> None:
    assert unslip(slip(body)[1:-1]) == body
    assert uncobs(cobs(body)[:-1]) == body


@settings(max_examples=200)
@given(st.lists(st.floats(width=64), min_size=1, max_size=30))
def test_only_finite_numbers_come_through(values: list[float]) -> None:
    framing = framing_of(
        BinaryOptions(fields=(FieldOptions("v", type="float64"),), sync="aa55", check="crc32",
                      rows=30,
               length="uint8")
    )  # fmt: skip
    body = struct.pack(f"<B{len(values)}d", 8 * len(values), *values)
    found = feed(framing, SYNC + with_crc(body, "crc32"))
    assert found == sum(abs(value) <= 3.4028234e38 for value in values)
    assert found + framing.rows.tally.bad["range"] == len(values)
