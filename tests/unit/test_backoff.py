"""Waiting times between tries: they double up to the longest, and no two devices wait alike."""

from __future__ import annotations

import random

from edge_runtime.backoff import Backoff

DEVICES = 300


def waits_s(seed: int, tries: int, *, longest_s: float = 60.0) -> list[float]:
    backoff = Backoff(1.0, longest_s, random.Random(seed))
    return [backoff.next_s() for _ in range(tries)]


def test_devices_spread_over_the_later_half_of_each_wait() -> None:
    for whole_s, drawn in zip(
        (1.0, 2.0, 4.0, 8.0, 8.0),
        zip(*(waits_s(seed, 5, longest_s=8.0) for seed in range(DEVICES)), strict=True),
        strict=True,
    ):
        assert 0.5 * whole_s <= min(drawn) < 0.55 * whole_s
        assert 0.95 * whole_s < max(drawn) <= whole_s
        assert len(set(drawn)) == DEVICES


def test_a_wait_of_the_first_length_leaves_the_next_one_as_it_was() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(1), least=1.0)
    assert [backoff.first_s(), backoff.next_s(), backoff.first_s(), backoff.next_s()] == [
        1.0, 1.0, 1.0, 2.0,
    ]  # fmt: skip
    backoff.reset()
    assert backoff.next_s() == 1.0


def test_a_wait_stays_finite_after_years_of_tries() -> None:
    assert 30.0 <= waits_s(1, 5000)[-1] <= 60.0
