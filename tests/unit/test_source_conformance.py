"""One suite for every kind of source: what the engine relies on holds for fake and real alike."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.errors import SourceError
from edge_runtime.raw import Frame, Samples
from edge_runtime.sources import KINDS, open_source
from edge_runtime.sources.base import Source
from support.sources import CASES, MANY, Case, Given, Make, take
from support.waiting import until

JOIN_S = 30.0


def rows(has: Callable[[Case], object]) -> pytest.MarkDecorator:
    """Run a test on each row of the table that has what it is about."""
    chosen = {name: case for name, case in CASES.items() if has(case)}
    return pytest.mark.parametrize("case", chosen.values(), ids=chosen.keys())


every_row = rows(lambda _case: True)
gives = rows(lambda case: case.gives)
waits = rows(lambda case: case.waits)
ends = rows(lambda case: case.ends)
lacks = rows(lambda case: case.lacks)


@contextmanager
def made(make: Make | None, folder: Path) -> Iterator[tuple[Source, Given]]:
    """Set a source up; it is not opened yet."""
    assert make is not None
    with make(folder) as given:
        source = open_source(given.options, SystemClock())
        try:
            yield source, given
        finally:
            source.close()


@pytest.fixture
def source(case: Case, tmp_path: Path) -> Iterator[Source]:
    """Return an open source that gives without end."""
    with made(case.gives, tmp_path) as (source, _given):
        source.open()
        yield source


def rows_of(sample: Frame | Samples) -> int:
    return len(sample.values) if isinstance(sample, Samples) else 1


def refused(call: Callable[[], object]) -> str:
    """Return the one line in which a call is refused."""
    with pytest.raises(SourceError) as told:
        call()
    said = str(told.value)
    assert said
    assert "\n" not in said
    return said


def test_no_kind_is_without_its_row() -> None:
    assert {case.kind for case in CASES.values()} == KINDS.keys()


@gives
def test_samples_are_numbered_without_a_hole_in_the_order_of_their_moments(source: Source) -> None:
    taken = take(source, 4)
    assert taken[0].index == 0
    for before, after in pairwise(taken):
        assert after.index == before.index + rows_of(before)
        assert before.stamp.monotonic_s < after.stamp.monotonic_s
        assert before.stamp.wall_s < after.stamp.wall_s


@gives
def test_a_frame_is_a_colour_picture_and_a_block_is_rows_of_numbers(source: Source) -> None:
    for sample in take(source, 2):
        if isinstance(sample, Frame):
            assert sample.image.dtype == np.uint8
            assert sample.image.ndim == 3
            assert sample.image.shape[2] == 3
        else:
            assert sample.values.dtype == np.float64
            assert sample.values.shape[1:] == (len(sample.channels),)
            assert np.isfinite(sample.values).all()
            assert sample.channels == source.channels  # type: ignore[attr-defined]
            assert len(sample.channels) == len(source.units)  # type: ignore[attr-defined]


@gives
def test_a_sample_stays_as_it_was_when_the_next_one_is_read(source: Source) -> None:
    first = take(source, 1)[0]
    raw = first.image if isinstance(first, Frame) else first.values
    kept = raw.copy()
    take(source, 3)
    assert np.array_equal(raw, kept)


@gives
def test_a_source_that_works_as_asked_has_no_notice(source: Source) -> None:
    take(source, 2)
    assert source.notice == ""


@gives
def test_a_source_opened_again_goes_on_counting_and_never_back_in_time(source: Source) -> None:
    before = take(source, 2)
    source.close()
    source.open()
    after = take(source, 2)
    assert after[0].index == before[-1].index + rows_of(before[-1])
    assert before[-1].stamp.monotonic_s < after[0].stamp.monotonic_s
    if isinstance(before[0], Samples) and isinstance(after[0], Samples):
        # What a sensor said while nobody listened is missing; a file has it still.
        assert (before[0].gap, after[0].gap) == (False, not source.lossless)


@every_row
def test_closed_it_refuses_to_be_read_however_often_it_was_closed(
    case: Case, tmp_path: Path
) -> None:
    with made(case.gives or case.waits, tmp_path) as (source, _given):
        assert "closed" in refused(source.read)
        source.open()
        source.close()
        source.close()
        assert "closed" in refused(source.read)


def close_while_it_reads(source: Source) -> None:
    """Close from this thread while another one reads: that one must come back, refused."""
    begun = threading.Event()
    told: list[str] = []

    def read_on() -> None:
        begun.set()
        told.append(refused(lambda: take(source, 1_000_000)))

    thread = threading.Thread(target=read_on, daemon=True)
    thread.start()
    assert begun.wait(JOIN_S)
    source.close()
    thread.join(JOIN_S)
    assert not thread.is_alive()
    assert len(told) == 1


@gives
def test_close_from_another_thread_ends_the_reading(source: Source) -> None:
    take(source, 1)
    close_while_it_reads(source)


@waits
def test_close_ends_a_read_that_waits_for_what_does_not_come(case: Case, tmp_path: Path) -> None:
    with made(case.waits, tmp_path) as (source, given):
        source.open()
        if not case.is_mute:
            take(source, 1)
        given.hush()
        close_while_it_reads(source)


@ends
def test_at_its_end_it_says_so_as_often_as_it_is_asked(case: Case, tmp_path: Path) -> None:
    with made(case.ends, tmp_path) as (source, _given):
        source.open()
        take(source, 3)
        assert [source.read() for _ in range(3)] == [None] * 3


@lacks
def test_what_is_not_there_is_said_each_time_and_leaves_it_closed(case: Case) -> None:
    assert case.lacks is not None
    source = open_source(case.lacks, SystemClock())
    for _ in range(2):
        said = refused(source.open)
        assert ";" in said  # what is wrong, then what to do
        assert "closed" in refused(source.read)
    source.close()


def held() -> list[int]:
    """Return how many files and threads this process has, those of native code too."""
    return [len(list(Path("/proc/self", what).iterdir())) for what in ("fd", "task")]


def open_often(make: Make | None, folder: Path, rounds: int, count: int) -> None:
    """Open, read and close; in the end the process holds what it held after the first time."""
    with made(make, folder) as (source, _given):

        def once() -> None:
            source.open()
            take(source, count)
            source.close()

        once()  # the first time loads what stays
        gc.collect()  # what earlier tests left open
        before = held()
        for _ in range(rounds):
            once()
        # The other side, in this same process, lets go a moment later.
        until(lambda: held() == before, f"{before} files and threads again")


@every_row
def test_opened_and_closed_again_and_again_it_keeps_nothing(case: Case, tmp_path: Path) -> None:
    open_often(case.gives or case.waits, tmp_path, case.rounds, 1 if case.gives else 0)


@pytest.mark.long
@rows(lambda case: case.rounds < MANY)
def test_opened_many_times_it_keeps_nothing(case: Case, tmp_path: Path) -> None:
    open_often(case.gives or case.waits, tmp_path, MANY, 1)
