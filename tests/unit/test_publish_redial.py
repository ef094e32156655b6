"""How long the publisher waits for its next connection: weak links, twins, whole districts."""

from __future__ import annotations

import heapq
import random
from collections import Counter

import pytest

from edge_runtime.publish.redial import BRIEF_S, Redial

LONGEST_S = 60.0
BOARDS = 2000

# What came, in order (`x` no link; `s` brokers were found that had no turn yet; a number: so long
# did a link stand on which something was taken), and between what the wait after it lies.
TABLE = (
    ("x", 0.0, 1.5),
    ("x x x x", 0.0, 12.0),
    ("x x x x x x x x x", 0.0, LONGEST_S),
    ("x x x x x x x 30", 0.0, 1.5),
    ("x x x x x x x 1", 0.0, 1.5),
    ("x x x x 30 x", 0.0, 1.5),
    ("s s s s x", 0.0, 1.5),
    ("x x x x s", 0.0, 1.5),
    ("1 1", 0.0, 1.5),
    ("1 1 1 1 1 1", 0.0, 12.0),
    ("1 1 1 1 1 1 30", 0.0, 1.5),
    ("1 1 1 1 1 1 30 1 1", 0.0, 1.5),
    ("1 1 1 1 1 1 30 1 1 1", 0.0, 1.5),
    ("10 10 10 10 10 10", 0.0, 1.5),
)


@pytest.mark.parametrize(("story", "least_s", "most_s"), TABLE)
def test_the_wait_after_what_came(story: str, least_s: float, most_s: float) -> None:
    drawn = []
    for seed in range(300):
        redial = Redial(LONGEST_S, random.Random(seed))
        waits = {"x": redial.failed_s, "s": redial.soon_s}
        for what in story.split():
            wait_s = waits[what]() if what in waits else redial.ended_s(float(what))
        drawn.append(wait_s)
    assert least_s <= min(drawn) < 0.05 * most_s, "from nothing on"
    assert 0.95 * most_s < max(drawn) <= most_s, "to the whole"


@pytest.mark.parametrize(("lives_s", "share"), [(25.0, 0.95), (10.0, 0.85), (BRIEF_S, 0.75)])
def test_a_weak_link_is_used_while_it_is_there(lives_s: float, share: float) -> None:
    redial = Redial(LONGEST_S, random.Random(1))
    for _ in range(10):
        redial.failed_s()  # an outage was before
    waited_s = sum(redial.ended_s(lives_s) for _ in range(1000))
    assert 1000 * lives_s / (1000 * lives_s + waited_s) >= share


def test_two_devices_of_one_name_come_to_rest() -> None:
    for seed in range(20):
        redials = [Redial(LONGEST_S, random.Random(2 * seed + n)) for n in (0, 1)]
        coming = [(0.0, 0), (0.4, 1)]
        online, since_s, connects = 1, 0.0, []
        while coming[0][0] < 3600.0:
            at_s, board = heapq.heappop(coming)
            connects.append(at_s)
            if online != board and len(connects) > 1:  # the other one is thrown out
                heapq.heappush(coming, (at_s + redials[online].ended_s(at_s - since_s), online))
            online, since_s = board, at_s
        settled = [at_s for at_s in connects if at_s > 300.0]
        assert len(settled) < 3300 / 8, "less than one in eight seconds, of both together"


def test_a_district_whose_broker_went_away_does_not_come_back_as_one() -> None:
    """The links of all boards end in one moment; the broker is back at once, or after an hour."""
    at_once: Counter[int] = Counter()
    later: Counter[int] = Counter()
    for seed in range(BOARDS):
        redial = Redial(LONGEST_S, random.Random(seed))
        now_s = redial.ended_s(3600.0)
        at_once[int(now_s * 10)] += 1
        while now_s < 3600.0:
            now_s += redial.failed_s()
        later[int(now_s)] += 1
    assert sum(at_once.values()) == sum(later.values()) == BOARDS
    assert max(at_once.values()) < 2 * BOARDS / 15, "in a tenth of the second and a half"
    assert max(later.values()) < 5 * BOARDS / LONGEST_S, "in a second"
