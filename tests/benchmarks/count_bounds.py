"""Whether the truth lies between `low` and `high` of a count, and the table that they come from.

    python tests/benchmarks/count_bounds.py --write          makes edge_runtime/rules/count_table.py
    python tests/benchmarks/count_bounds.py [--json] [FOLDER…]  judges it

The table is made of drawn roads alone, and judged on others (crowds, dusk, rain, fog, what hides
each other, 2 to 25 frames a second, a stretch without frames now and then) and on annotated
sequences of still cameras.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE / "peers")]

from sequences import folders_of  # noqa: E402

from counting import MOVING, annotated  # noqa: E402
from drawn_boxes import drawn_road  # noqa: E402
from edge_runtime.clock import Stamp  # noqa: E402
from edge_runtime.label_groups import LabelGroups  # noqa: E402
from edge_runtime.options import CountOptions  # noqa: E402
from edge_runtime.records import Detection  # noqa: E402
from edge_runtime.rules.count import Count  # noqa: E402
from edge_runtime.rules.count_bounds import Rate, bounds  # noqa: E402
from edge_runtime.rules.evidence import Kind, number_of  # noqa: E402
from edge_runtime.simulate.scene import LABELS  # noqa: E402
from tracking import new_tracker  # noqa: E402

TABLE = HERE.parents[1] / "edge_runtime" / "rules" / "count_table.py"
LEARNT, JUDGED = range(1_000, 1_120), range(5_000, 5_200)
LENGTH_S = 90.0
EVERY_S = (15.0, 30.0, 45.0)
OUTAGE_IN = 5  # of so many roads one has a stretch without frames
OUTAGE_S = (30.0, 42.0)
SEQUENCE_EVERY_S = 10.0
SEQUENCE_EVERY = (1, 2, 3)  # every so many-th frame

Numbers = NDArray[np.float64]
PROCESSES = 2


@dataclass(frozen=True)
class Judged:
    """One label in one interval: what was counted, how it looked, and what truly came."""

    kinds: tuple[Kind, ...]
    rate: Rate
    looked: float
    truth: int

    @property
    def entered(self) -> int:
        return number_of(self.kinds)

    @property
    def width(self) -> int:
        low, high = bounds(self.kinds, self.rate, self.looked)
        return high - low

    @property
    def is_inside(self) -> bool:
        low, high = bounds(self.kinds, self.rate, self.looked)
        return low <= self.truth <= high


def judge(
    frames: Iterable[tuple[float, tuple[Detection, ...]]],
    came: Sequence[tuple[float, str]],
    labels: tuple[str, ...],
    every_s: float,
) -> list[Judged]:
    """Count some frames, and lay the truth beside it: when a thing of which label came."""
    seen: list[tuple[tuple[Kind, ...], Rate, float]] = []

    def estimate(counted: Sequence[Kind], rate: Rate, looked: float) -> tuple[int, int]:
        seen.append((tuple(counted), rate, looked))
        return 0, 0

    options = CountOptions(name="all", every_s=every_s)
    rule = Count(options, 0, frozenset(range(len(labels))), estimate)
    tracker = new_tracker()
    groups = LabelGroups(labels)
    judged: list[Judged] = []
    began_s, stamp = -1.0, Stamp(0.0, 0.0)

    def take(records: Iterable[object]) -> None:
        nonlocal began_s
        lines = [line for record in records for line in getattr(record, "labels", ())]
        for line, (kinds, rate, looked) in zip(lines, seen, strict=True):
            label = labels[line.class_id]
            truth = sum(one == label and began_s < at_s <= stamp.monotonic_s for at_s, one in came)
            judged.append(Judged(kinds, rate, looked, truth))
        if lines:
            began_s = stamp.monotonic_s
        seen.clear()

    for at_s, objects in frames:
        stamp = Stamp(at_s, at_s)
        take(rule.update(tracker.update(objects, at_s, groups=groups).live, stamp))
    take(rule.finish(stamp))
    return judged


def judge_road(seed: int) -> list[Judged]:
    road = drawn_road(seed, LENGTH_S)
    label_of = {each.track: each.label for objects in road.truth for each in objects}
    came = [(at_s, label_of[track]) for track, at_s in road.came_at_s().items()]
    frames = [(index / road.rate_fps, objects) for index, objects in enumerate(road.frames)]
    if seed % OUTAGE_IN == 0:
        frames = [one for one in frames if not OUTAGE_S[0] < one[0] < OUTAGE_S[1]]
    return judge(frames, came, LABELS, EVERY_S[seed % len(EVERY_S)])


def judge_roads(seeds: Iterable[int]) -> list[Judged]:
    with Pool(PROCESSES) as pool:
        return [one for found in pool.imap(judge_road, seeds) for one in found]


def judge_sequence(folder: Path, every: int) -> list[Judged]:
    walk = annotated(folder)
    came = [(min(path) / walk.rate_fps, "person") for path in walk.paths.values()]
    frames = [(index / walk.rate_fps, objects) for index, objects in enumerate(walk.frames)]
    return judge(frames[::every], came, ("person",), SEQUENCE_EVERY_S)


KINDS: tuple[Kind, ...] = get_args(Kind)
RATES: tuple[Rate, ...] = get_args(Rate)
CELLS = tuple(itertools.product(KINDS, RATES))
# So many counted tracks speak for 1 each in every cell: of a rare kind little is known.
PRIOR_WEIGHT = 5.0
COVERED = 0.89  # of the intervals that it is made of; a little more than it promises


def table_of(judged: Sequence[Judged]) -> str:
    """Return the module that says what a counted track stands for, made of these intervals."""
    looked = [one for one in judged if one.looked >= 1.0]
    numbers = np.array([[one.kinds.count(k) * (one.rate == r) for k, r in CELLS] for one in looked])
    truth = np.array([one.truth for one in looked], dtype=float)
    weights = 1.0 / np.sqrt(1.0 + numbers.sum(axis=1))
    prior = math.sqrt(PRIOR_WEIGHT) * np.eye(len(CELLS))
    means, _ = nnls(
        np.vstack([numbers * weights[:, None], prior]),
        np.concatenate([truth * weights, prior.sum(axis=1)]),
    )
    expected = numbers @ means
    at_rate = np.array([[one.rate == rate for rate in RATES] for one in looked], dtype=float)
    parts = np.hstack([numbers, at_rate, expected[:, None] ** 2])
    variances, _ = nnls(parts * weights[:, None] ** 2, (truth - expected) ** 2 * weights**2)
    counted = np.array([one.entered for one in looked])
    some = (truth > 0) | (counted > 0)
    rows = [
        f'    ("{kind}", "{rate}"): ({mean:.3f}, {variance:.3f}),'
        for (kind, rate), mean, variance in zip(CELLS, means, variances, strict=False)
    ]
    at = len(CELLS)
    floors = ", ".join(
        f'"{rate}": {variance:.3f}'
        for rate, variance in zip(RATES, variances[at : at + len(RATES)], strict=True)
    )
    sigmas = least_sigmas(
        *(each[some] for each in (expected, np.sqrt(parts @ variances), counted, truth))
    )
    return TEXT.format(
        rows="\n".join(rows), floors=floors, share=math.sqrt(variances[-1]), sigmas=sigmas
    )


def least_sigmas(expected: Numbers, spread: Numbers, counted: Numbers, truth: Numbers) -> float:
    """Return how many standard deviations hold the truth often enough."""
    for sigmas in np.arange(1.0, 3.0, 0.01):
        low = np.minimum(np.round(expected - sigmas * spread), counted)
        high = np.maximum(np.round(expected + sigmas * spread), counted)
        if np.mean((low <= truth) & (truth <= high)) >= COVERED:
            return float(sigmas)
    sys.exit("no number of standard deviations holds the truth")


TEXT = '''"""What a counted track stands for: made by `tests/benchmarks/count_bounds.py --write`."""

from __future__ import annotations

# By how a track looked and how often the stream looks: how many things it stands for, and the
# variance of that.
BY_KIND: dict[tuple[str, str], tuple[float, float]] = {{
{rows}
}}
# Of an interval, whatever was counted in it; and how far whole scenes differ, as a share.
INTERVAL_VARIANCE: dict[str, float] = {{{floors}}}
VARYING_SHARE = {share:.3f}
# So many standard deviations hold 90 %.
SIGMAS = {sigmas:.2f}
'''


def figures(judged: Sequence[Judged]) -> dict[str, float]:
    """Return how often the truth lies inside, and how wide the bounds are."""
    some = [one for one in judged if one.truth or one.entered]
    many = [one.width / one.entered for one in some if one.entered >= 6]
    few = [one.width for one in judged if one.entered < 6]
    return {
        "intervals": len(judged),
        "inside": float(np.mean([one.is_inside for one in judged])),
        "with_something": len(some),
        "inside_with_something": float(np.mean([one.is_inside for one in some])),
        "from_6": len(many),
        "median_share_from_6": float(np.median(many)) if many else 0.0,
        "median_width_below_6": float(np.median(few)) if few else 0.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="make the table")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    if given.write:
        TABLE.write_text(table_of(judge_roads(LEARNT)))
        return
    report = {"drawn": figures(judge_roads(JUDGED))}
    folders = [each for folder in given.folders for each in folders_of(folder.resolve())]
    if still := [each for each in folders if each.name not in MOVING]:
        pairs = itertools.product(still, SEQUENCE_EVERY)
        report["annotated"] = figures([one for pair in pairs for one in judge_sequence(*pair)])
    if given.json:
        print(json.dumps(report, indent=1))
        return
    for what, found in report.items():
        print(what, *(f"{name} {value:.3g}" for name, value in found.items()), sep="\n  ")


if __name__ == "__main__":
    main()
