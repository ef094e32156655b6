"""Counts at lines and in zones beside the truth, and beside `supervision` on two trackers.

    python tests/benchmarks/counting.py [--json] [--environment FOLDER] FOLDER…

Each FOLDER is a sequence (`det.txt`, `gt.txt`, `seqinfo.ini`) or holds some; those whose camera
moves are left out. Drawn roads are added. Lines stand at 1/4, 1/2 and 3/4 of both axes, the zones
are fixed; who is where by the bottom centre of the box, in the annotations too. The truth counts
who got `TRUTH_MARGIN` beyond a line from so far before it, and who stood in a zone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE / "peers")]

from environment import install  # noqa: E402
from sequences import folders_of, read  # noqa: E402

from drawn_boxes import HEIGHT, LEAST_VISIBLE, WIDTH, drawn_road  # noqa: E402
from edge_runtime.bench.report import machine  # noqa: E402
from edge_runtime.boxes import Point, contains  # noqa: E402
from edge_runtime.clock import Stamp  # noqa: E402
from edge_runtime.label_groups import LabelGroups  # noqa: E402
from edge_runtime.options import LineOptions, ZoneOptions  # noqa: E402
from edge_runtime.records import Detection, Event  # noqa: E402
from edge_runtime.rules.area import bottom_center, signed_distance  # noqa: E402
from edge_runtime.rules.build import open_rules  # noqa: E402
from edge_runtime.simulate.scene import LABELS  # noqa: E402
from tracking import box_of, detections_of, new_tracker  # noqa: E402

PACKAGES = ("trackers==2.6.1", "supervision==0.31.2")
MOVING = ("ETH-Sunnyday", "KITTI-17")
DRAWN_SEEDS, DRAWN_S = range(9_000, 9_008), 80.0
OURS = "edge-runtime"
TRUTH_MARGIN = 0.01
SHARE_OF_PEERS = 0.5

LINES = {
    **{f"y={at}": ((0.0, at), (1.0, at)) for at in (0.25, 0.5, 0.75)},
    **{f"x={at}": ((at, 0.0), (at, 1.0)) for at in (0.25, 0.5, 0.75)},
}
ZONES = {
    "left": ((0.0, 0.0), (0.4, 0.0), (0.4, 1.0), (0.0, 1.0)),
    "middle": ((0.3, 0.3), (0.7, 0.3), (0.7, 0.9), (0.3, 0.9)),
}

Path_ = dict[int, Point]  # by frame
Counts = dict[str, dict[str, int]]  # by line or zone, by direction
All = dict[str, dict[str, Counts]]  # by counter, by sequence


@dataclass(frozen=True)
class Walk:
    """A sequence of a still camera: boxes by frame, and where each thing truly was."""

    name: str
    width: int
    height: int
    rate_fps: float
    frames: list[tuple[Detection, ...]]
    paths: dict[int, Path_]


def annotated(folder: Path) -> Walk:
    """Read a sequence and its annotations."""
    found = read(folder, 1)
    paths: dict[int, Path_] = {}
    for line in found.annotations:
        frame, id_, left, top, w, h, counts = (float(each) for each in line.split(",")[:7])
        if counts:
            point = bottom_center(box_of(found, left, top, w, h))
            paths.setdefault(int(id_), {})[int(frame) - 1] = point
    frames = detections_of(found)
    return Walk(found.name, found.width, found.height, found.rate_fps, frames, paths)


def drawn(seed: int) -> Walk:
    road = drawn_road(seed, DRAWN_S)
    paths: dict[int, Path_] = {}
    for index, objects in enumerate(road.truth):
        for each in objects:
            if each.visible >= LEAST_VISIBLE:
                paths.setdefault(each.track, {})[index] = bottom_center(each.box)
    return Walk(f"road-{seed}", WIDTH, HEIGHT, road.rate_fps, road.frames, paths)


def true_counts(walk: Walk) -> Counts:
    """Count along the annotations."""
    counts: Counts = {name: {"in": 0, "out": 0} for name in LINES}
    for path in walk.paths.values():
        points = [point for _, point in sorted(path.items())]
        for name, (start, end) in LINES.items():
            distances = [signed_distance(start, end, point) for point in points]
            sides = [each > 0 for each in distances if abs(each) >= TRUTH_MARGIN]
            for before, after in itertools.pairwise(sides):
                if before != after:
                    counts[name]["in" if after else "out"] += 1
    for name, polygon in ZONES.items():
        stood = sum(
            any(contains(polygon, p) for p in path.values()) for path in walk.paths.values()
        )
        counts[name] = {"entered": stood}
    return counts


def own_counts(walk: Walk) -> Counts:
    """Count as a stream does: tracker, then rules."""
    options = (
        *(LineOptions(name=name, start=s, end=e) for name, (s, e) in LINES.items()),
        *(ZoneOptions(name=name, polygon=polygon) for name, polygon in ZONES.items()),
    )
    labels = LABELS if walk.name.startswith("road-") else ("person",)
    rules, groups = open_rules(options, labels), LabelGroups(labels)
    tracker = new_tracker()
    counts: Counts = {name: {"in": 0, "out": 0} for name in LINES}
    stood: dict[str, set[int]] = {name: set() for name in ZONES}
    for index, objects in enumerate(walk.frames):
        at_s = index / walk.rate_fps
        live = tracker.update(objects, at_s, groups=groups).live
        for rule, each in zip(rules, options, strict=True):
            for event in rule.update(live, Stamp(at_s, at_s)):
                assert isinstance(event, Event)
                if event.event == "cross":
                    counts[each.name][event.direction] += 1
                elif event.event == "enter" and event.object is not None:
                    stood[each.name].add(event.object.track)
    return {**counts, **{name: {"entered": len(ids_)} for name, ids_ in stood.items()}}


def peer_counts(walks: list[Walk], python: Path) -> All:
    """Let the peers count the same boxes."""
    order = {
        "lines": LINES, "zones": ZONES,
        "sequences": [
            {
                "name": walk.name, "width": walk.width, "height": walk.height,
                "rate_fps": walk.rate_fps,
                "frames": [
                    [
                        [each.xyxy[0] * walk.width, each.xyxy[1] * walk.height,
                         each.xyxy[2] * walk.width, each.xyxy[3] * walk.height,
                         each.score, each.class_id]
                        for each in frame
                    ]
                    for frame in walk.frames
                ],
            }
            for walk in walks
        ],
    }  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(order, file)
        file.flush()
        program = [python, HERE / "peers" / "line_counters.py", file.name]
        done = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True)
    found: All = json.loads(done.stdout.splitlines()[-1])
    return found


def errors(counts: Counts, truth: Counts, names: dict[str, object]) -> Iterator[int]:
    for name in names:
        yield from (abs(counts[name][way] - true) for way, true in truth[name].items())


def figures(walks: list[Walk], found: All, truth: dict[str, Counts]) -> dict[str, dict[str, int]]:
    """Return the sums of |count - truth| of each counter, and how many there truly were."""
    sums = {
        name: {
            "lines": sum(sum(errors(by[w.name], truth[w.name], dict(LINES))) for w in walks),
            "zones": sum(sum(errors(by[w.name], truth[w.name], dict(ZONES))) for w in walks),
        }
        for name, by in found.items()
    }
    sums["truth"] = {
        kind: sum(n for w in walks for each in names for n in truth[w.name][each].values())
        for kind, names in (("lines", LINES), ("zones", ZONES))
    }
    return sums


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print every count as JSON")
    parser.add_argument("--environment", type=Path, help="where the peers are installed")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    folders = [each for folder in given.folders for each in folders_of(folder.resolve())]
    groups = {
        "annotated": [annotated(each) for each in folders if each.name not in MOVING],
        "drawn": [drawn(seed) for seed in DRAWN_SEEDS],
    }
    walks = [walk for each in groups.values() for walk in each]
    truth = {walk.name: true_counts(walk) for walk in walks}
    with tempfile.TemporaryDirectory(prefix="edge-runtime-peers-") as scratch:
        environment = (given.environment or Path(scratch)).resolve()
        found = peer_counts(walks, install(environment / "counting", PACKAGES))
    found[OURS] = {walk.name: own_counts(walk) for walk in walks}
    report = {kind: figures(each, found, truth) for kind, each in groups.items() if each}
    if given.json:
        print(json.dumps({"machine": machine(), "sums": report, "truth": truth, "counts": found}))
        return
    for kind, sums in report.items():
        print(f"{kind}: sum of |count - truth|{'':12}{'lines':>8}{'zones':>8}")
        for name, sum_ in sums.items():
            print(f"  {name:36}{sum_['lines']:8}{sum_['zones']:8}")
        peers = min(one["lines"] for name, one in sums.items() if name not in (OURS, "truth"))
        good = sums[OURS]["lines"] <= SHARE_OF_PEERS * peers
        print(f"  at most half of the better peer's at lines: {'yes' if good else 'NO'}")
    for walk in walks:
        cells = "  ".join(
            f"{name} {sum(errors(by[walk.name], truth[walk.name], dict(LINES)))}"
            for name, by in found.items()
        )
        print(f"  {walk.name:16}{cells}")


if __name__ == "__main__":
    main()
