"""Heat and load take the rate down by stated steps, and let it up again without flutter."""

from __future__ import annotations

import pytest

from edge_runtime.board.throttle import STEPS, Thinning, Throttle
from edge_runtime.board.vitals import Vitals

CORES = 4


def after(*vitals: Vitals) -> Throttle:
    throttle = Throttle(CORES)
    for one in vitals:
        throttle.look(one)
    return throttle


@pytest.mark.parametrize(
    ("vitals", "every"),
    [
        (Vitals(), 1),
        (Vitals(temperature_c=77.9, load_1m=31.9), 1),
        (Vitals(temperature_c=78.0), 2),
        (Vitals(temperature_c=82.0), 4),
        (Vitals(load_1m=32.0), 2),
        (Vitals(temperature_c=79.0, load_1m=64.0), 4),
    ],
)
def test_each_step_begins_where_it_is_stated(vitals: Vitals, every: int) -> None:
    assert after(vitals).every == every


def test_a_step_ends_only_well_below_where_it_began() -> None:
    hot, warm, cool = (Vitals(temperature_c=c) for c in (79.0, 75.0, 73.0))
    assert after(hot, warm).every == STEPS[0].every
    assert after(hot, warm, cool).every == 1
    assert after(warm).every == 1


def test_it_says_why_while_it_lasts() -> None:
    hot = after(Vitals(temperature_c=82.4))
    assert hot.fields() == {
        "every": 4,
        "reason": "the board is at 82 °C: one frame in 4 is inferred",
    }
    assert "load is 9.0 a core" in after(Vitals(load_1m=36.0)).reason
    assert after(Vitals(temperature_c=82.4), Vitals(temperature_c=40.0)).fields() == {}


def test_each_stream_keeps_one_frame_in_so_many() -> None:
    throttle = Throttle(CORES)
    thinning = Thinning(throttle)
    assert [thinning.admits() for _ in range(3)] == [True] * 3
    throttle.look(Vitals(temperature_c=82.0))
    assert sum(thinning.admits() for _ in range(40)) == 10
