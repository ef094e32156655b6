"""Which records came twice, and which are missing: the ledger of a device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.consume import SequenceHole, SequenceLedger
from edge_runtime.consume.ledger import (
    MOST_BOOTS,
    MOST_DEVICES,
    MOST_PENDING,
    MOST_SPANS,
    DeviceLedger,
)

GRACE_S = 30.0
HERE = ("hill", "gate")


def ledger_of(*seqs: int, boot: int = 3) -> SequenceLedger:
    ledger = SequenceLedger(GRACE_S)
    for seq in seqs:
        assert ledger.note(*HERE, boot, seq, 0.0)
    return ledger


def device(ledger: SequenceLedger) -> DeviceLedger:
    return ledger.of(*HERE)


def spans(ledger: SequenceLedger, now_s: float) -> list[tuple[int, int, int]]:
    return [(hole.boot, hole.from_seq, hole.to_seq) for hole in ledger.due(now_s)]


def test_a_hole_is_reported_once_after_the_grace_time() -> None:
    ledger = ledger_of(10, 11, 15, 16)
    assert spans(ledger, GRACE_S - 1) == []
    assert spans(ledger, GRACE_S) == [(3, 12, 14)]
    assert spans(ledger, 10 * GRACE_S) == []


def test_what_was_before_the_consumer_came_is_no_hole() -> None:
    assert spans(ledger_of(500, 501), GRACE_S) == []


def test_a_boot_that_begins_meanwhile_is_expected_from_its_first_record() -> None:
    ledger = ledger_of(500)
    ledger.note(*HERE, 4, 4, 0.0)
    assert spans(ledger, GRACE_S) == [(4, 1, 3)]


def test_a_restart_that_was_watched_is_expected_from_its_first_record() -> None:
    ledger = ledger_of(7)
    device(ledger).note_boot(3)
    device(ledger).note_boot(4)  # its birth goes before all its records
    ledger.note(*HERE, 4, 3, 0.0)
    assert spans(ledger, GRACE_S) == [(4, 1, 2)]


def test_an_earlier_boot_that_comes_late_is_not_expected_from_its_first_record() -> None:
    ledger = SequenceLedger(GRACE_S)
    device(ledger).note_boot(3)
    ledger.note(*HERE, 2, 40, 0.0)
    ledger.note(*HERE, 3, 900, 0.0)
    assert spans(ledger, 2 * GRACE_S) == []


def test_a_lane_that_overtakes_leaves_no_hole_once_the_other_has_come() -> None:
    assert spans(ledger_of(1, 5, 2, 3, 4, 6), GRACE_S) == []


def test_a_backlog_that_drains_downwards_of_what_came_first_is_waited_for() -> None:
    ledger = ledger_of(100, 101)
    one = device(ledger)
    one.note_late(GRACE_S - 1)
    ledger.note(*HERE, 3, 20, GRACE_S - 1)
    assert spans(ledger, GRACE_S + 1) == []
    for seq in range(21, 90):
        one.note_late(GRACE_S + seq)
        ledger.note(*HERE, 3, seq, GRACE_S + seq)
    assert spans(ledger, GRACE_S + 90) == []
    assert spans(ledger, GRACE_S + 90 + GRACE_S) == [(3, 90, 99)]


def test_a_device_whose_link_broke_is_waited_for() -> None:
    ledger = ledger_of(1, 5)
    device(ledger).note_late(GRACE_S - 1)
    assert spans(ledger, GRACE_S) == []
    assert spans(ledger, 2 * GRACE_S) == [(3, 2, 4)]


def test_a_gap_explains_what_is_missing_of_the_boot_that_it_names() -> None:
    ledger = ledger_of(1, 9)
    device(ledger).explain(3, 2, 5)
    device(ledger).explain(4, 6, 8)
    assert spans(ledger, GRACE_S) == [(3, 6, 8)]


def test_a_gap_of_a_boot_of_which_nothing_came_makes_no_hole() -> None:
    ledger = ledger_of(1)
    device(ledger).explain(2, 2, 8)
    ledger.note(*HERE, 2, 20, 0.0)
    assert spans(ledger, GRACE_S) == []


def test_what_a_gap_explained_and_came_all_the_same_is_no_duplicate() -> None:
    ledger = ledger_of(1, 9)
    device(ledger).explain(3, 2, 8)
    assert ledger.note(*HERE, 3, 4, 0.0)
    assert not ledger.note(*HERE, 3, 4, 0.0)


def test_duplicates_are_told_apart_by_boot() -> None:
    ledger = ledger_of(1, 2)
    assert not ledger.note(*HERE, 3, 2, 0.0)
    assert ledger.note(*HERE, 4, 2, 0.0)


BOOTS = (2, 3, 4, 5)
KNOWN_BOOT = 3
LAST = 12
EXPLAINED = st.tuples(st.sampled_from(BOOTS), st.integers(1, LAST), st.integers(0, 3))
ARRIVALS = st.lists(st.tuples(st.sampled_from(BOOTS), st.integers(1, LAST)), max_size=60)


def numbers(holes: Iterable[SequenceHole]) -> list[tuple[int, int]]:
    """Return each record of holes as (boot, seq)."""
    return sorted(
        (hole.boot, seq) for hole in holes for seq in range(hole.from_seq, hole.to_seq + 1)
    )


def expected(came: set[tuple[int, int]], explained: set[tuple[int, int]]) -> Iterator[tuple]:
    """Yield what is missing, worked out from everything that came."""
    for boot in BOOTS:
        seqs = [seq for one, seq in came if one == boot]
        first = 1 if boot > KNOWN_BOOT else min(seqs, default=0)
        for seq in range(first, max(seqs, default=0)):
            if (boot, seq) not in came | explained:
                yield boot, seq


@given(
    arrivals=ARRIVALS,
    gaps=st.lists(EXPLAINED, max_size=3),
    healed=st.randoms(use_true_random=False),
)
def test_holes_are_exactly_what_is_missing_and_filling_them_leaves_none(arrivals, gaps, healed):  # type: ignore[no-untyped-def]
    """Any order, repetitions, losses and boots; gaps before, between and after the records."""
    ledger = SequenceLedger(GRACE_S)
    device(ledger).note_boot(KNOWN_BOOT)
    came: set[tuple[int, int]] = set()
    explained: set[tuple[int, int]] = set()
    steps = [*arrivals, *gaps]
    healed.shuffle(steps)
    for step in steps:
        if len(step) == 3:
            boot, first, more = step
            device(ledger).explain(boot, first, first + more)
            explained |= {(boot, seq) for seq in range(first, first + more + 1)}
        else:
            assert ledger.note(*HERE, *step, 0.0) == (step not in came)
            came.add(step)
    holes = list(ledger.due(GRACE_S))
    assert numbers(holes) == sorted(expected(came, explained))
    assert all(ledger.missing(hole) == hole.size for hole in holes)
    missing = numbers(holes)
    healed.shuffle(missing)
    for record in missing:
        assert ledger.note(*HERE, *record, GRACE_S)
    assert [ledger.missing(hole) for hole in holes] == [0] * len(holes)
    assert list(ledger.due(10 * GRACE_S)) == []


# Bounds of memory


def test_too_many_devices_and_boots_are_forgotten_and_that_is_said() -> None:
    ledger = SequenceLedger(GRACE_S)
    for number in range(MOST_DEVICES + 50):
        ledger.note("s", f"d{number}", 1, 1, 0.0)
    assert (losses := ledger.take_losses()) is not None
    assert (losses.devices, losses.boots, losses.holes) == (50, 0, 0)
    for boot in range(1, 500):
        ledger.note("s", "one", boot, 5, 0.0)
    assert (losses := ledger.take_losses()) is not None
    assert (losses.devices, losses.boots) == (1, 499 - MOST_BOOTS)
    assert losses.holes == 499 - MOST_BOOTS - 1  # each later boot lacked 1 to 4
    assert ledger.take_losses() is None
    assert spans(ledger, GRACE_S) == [(boot, 1, 4) for boot in range(500 - MOST_BOOTS, 500)]


def test_a_device_that_publishes_is_not_forgotten_for_others() -> None:
    ledger = ledger_of(1)
    for number in range(MOST_DEVICES + 50):
        ledger.note("s", f"d{number}", 1, 1, 0.0)
        if number % 1000 == 0:
            ledger.note(*HERE, 3, number + 2, 0.0)
    assert not ledger.note(*HERE, 3, 1, 0.0)


def test_of_too_many_boots_the_one_unheard_of_longest_is_forgotten() -> None:
    ledger = SequenceLedger(GRACE_S)
    for boot in range(1, MOST_BOOTS + 1):
        ledger.note(*HERE, boot, 1, 0.0)
    ledger.note(*HERE, 1, 2, 0.0)
    ledger.note(*HERE, MOST_BOOTS + 1, 1, 0.0)
    assert not ledger.note(*HERE, 1, 1, 0.0)
    assert ledger.note(*HERE, 2, 1, 0.0), "its records are not known any more"


def test_holes_of_a_device_that_was_forgotten_are_counted_as_losses_and_not_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge_runtime.consume.ledger.MOST_DEVICES", 3)
    ledger = ledger_of(1, 5)
    for number in range(3):
        ledger.note("s", f"d{number}", 1, 1, 0.0)
    losses = ledger.take_losses()
    assert losses is not None
    assert (losses.devices, losses.holes) == (1, 1)
    assert spans(ledger, GRACE_S) == []


def test_a_boot_that_was_forgotten_and_comes_again_is_not_expected_from_its_first_record() -> None:
    ledger = ledger_of(1)
    ledger.note(*HERE, 4, 1, 0.0)
    for boot in range(5, 5 + MOST_BOOTS):
        ledger.note(*HERE, boot, 1, 0.0)
    ledger.note(*HERE, 4, 800, 0.0)
    assert spans(ledger, GRACE_S) == []


def test_of_too_many_runs_the_lower_ones_are_neither_missing_nor_taken_for_duplicates() -> None:
    ledger = SequenceLedger(GRACE_S)
    last = 2 * MOST_SPANS + 1
    for seq in range(1, last + 1, 2):
        ledger.note(*HERE, 3, seq, 0.0)
    assert (losses := ledger.take_losses()) is not None
    assert losses.parts == 1
    assert losses.holes == MOST_SPANS - MOST_PENDING
    for _ in range(2):
        assert ledger.note(*HERE, 3, 2, 0.0), "it never came, or nothing is kept of it"
    assert not ledger.note(*HERE, 3, last, 0.0)
    assert ledger.missing(SequenceHole(*HERE, 3, 2, 2)) is None
    reported = spans(ledger, GRACE_S)
    assert len(reported) == MOST_PENDING
    assert reported[-1] == (3, last - 1, last - 1)
