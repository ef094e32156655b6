"""The tracker beside others that use no pictures, on sequences of boxes with their truth.

    python tests/benchmarks/tracking.py [--json] [--environment FOLDER] FOLDER…

Each FOLDER is a sequence (`det.txt`, `gt.txt`, `seqinfo.ini`) or holds some. Every frame is given,
then every third, then every fifth. SORT, ByteTrack, OC-SORT, BoT-SORT and C-BIoU are those of the
package `trackers`, which goes into an environment of its own with TrackEval: under FOLDER, or a
temporary one. CPU is per frame, the least of some rounds, without reading and conversion.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "peers")]

from environment import install  # noqa: E402
from sequences import Given, Sequence, folders_of, read  # noqa: E402

from edge_runtime.bench.report import machine  # noqa: E402
from edge_runtime.boxes import Box, clip  # noqa: E402
from edge_runtime.options import ModelOptions, TrackOptions  # noqa: E402
from edge_runtime.records import Detection  # noqa: E402
from edge_runtime.track import Tracker  # noqa: E402

PACKAGES = ("trackers==2.6.1", "trackeval==1.3.0", "supervision==0.31.2")
EVERY = (1, 3, 5)
ROUNDS = 5
OURS = "edge-runtime"
# Ids are compared with those of trackers that find as much: fewer boxes are fewer to confuse.
LESS_RECALL = 0.01
CPU_SHARE = 0.5

Figures = dict[str, dict[str, dict[str, float]]]


def detections_of(sequence: Sequence) -> list[tuple[Detection, ...]]:
    """Return the boxes in fractions of the frame, as decoders give them."""
    return [
        tuple(Detection(0, score, box_of(sequence, *row)) for *row, score in rows)
        for rows in sequence.detections
    ]


def box_of(sequence: Sequence, left: float, top: float, width: float, height: float) -> Box:
    """Return a box in fractions of the frame."""
    return (
        clip(left / sequence.width),
        clip(top / sequence.height),
        clip((left + width) / sequence.width),
        clip((top + height) / sequence.height),
    )


def new_tracker() -> Tracker:
    """Return a tracker as a stream has one that says nothing of it."""
    ids = itertools.count(1)
    return Tracker(TrackOptions(), high_score=ModelOptions().min_score, new_id=lambda: next(ids))


def track(sequence: Sequence, frames: list[tuple[Detection, ...]]) -> tuple[Given, float]:
    """Return which box got which id, and the CPU seconds that it took."""
    tracker = new_tracker()
    began_s = time.process_time()
    outputs = [
        tracker.update(objects, number / sequence.rate_fps) for number, objects in enumerate(frames)
    ]
    took_s = time.process_time() - began_s
    given = [
        [(place, seen.track) for place, seen in enumerate(output.objects) if seen.track]
        for output in outputs
    ]
    return given, took_s


def run(sequences: list[Sequence], results: Path) -> float:
    """Write the project's own tracks; return its CPU seconds, the least of some rounds."""
    frames = [detections_of(each) for each in sequences]
    least_s = float("inf")
    for _ in range(ROUNDS):
        took_s = 0.0
        for sequence, given_frames in zip(sequences, frames, strict=True):
            given, cpu_s = track(sequence, given_frames)
            sequence.write_tracks(results, given)
            took_s += cpu_s
        least_s = min(least_s, took_s)
    return least_s


def measure(python: Path, folders: list[Path], every: int) -> Figures:
    """Return every figure at one rate: by tracker, by sequence (and pooled)."""
    with tempfile.TemporaryDirectory(prefix="edge-runtime-tracking-") as name:
        work = Path(name)
        sequences = [read(folder, every) for folder in folders]
        cpu_s = run(sequences, work / "tracks" / OURS)
        order = {
            "folders": [str(each) for each in folders], "every": every, "rounds": ROUNDS,
            "work": name, "ours": OURS,
        }  # fmt: skip
        program = [python, HERE / "peers" / "box_trackers.py", json.dumps(order)]
        done = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True)
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    frames = sum(len(each.detections) for each in sequences)
    found[OURS]["pooled"]["cpu_ms"] = 1000.0 * cpu_s / frames
    return found


def verdict(found: Figures) -> dict[str, bool]:
    """Say where the project's tracker leads."""
    ours = found[OURS]["pooled"]
    peers = [one["pooled"] for name, one in found.items() if name != OURS]
    rivals = [one for one in peers if one["recall"] >= ours["recall"] - LESS_RECALL]
    return {
        "hota": all(ours["hota"] > one["hota"] for one in peers),
        "idf1": all(ours["idf1"] > one["idf1"] for one in peers),
        "id_switches": all(ours["id_switches"] <= one["id_switches"] for one in rivals),
        "cpu": all(ours["cpu_ms"] <= CPU_SHARE * one["cpu_ms"] for one in peers),
    }


def table(found: Figures, every: int) -> str:
    """Return one rate's table: pooled first, then HOTA and IDF1 of each sequence."""
    rows = [
        f"every {every}. frame" if every > 1 else "every frame",
        f"{'':14}{'HOTA':>7}{'IDF1':>7}{'switches':>10}{'recall':>8}{'precision':>11}{'CPU ms':>8}",
    ]
    for name, one in found.items():
        all_ = one["pooled"]
        rows.append(
            f"{name:14}{all_['hota']:7.3f}{all_['idf1']:7.3f}{all_['id_switches']:10.0f}"
            f"{all_['recall']:8.3f}{all_['precision']:11.3f}{all_['cpu_ms']:8.3f}"
        )
    ahead = ", ".join(f"{what} {'yes' if so else 'NO'}" for what, so in verdict(found).items())
    rows += [f"{OURS} leads: {ahead}", "by sequence, HOTA / IDF1 / id switches"]
    for sequence in found[OURS]:
        if sequence != "pooled":
            cells = "  ".join(
                f"{name} {one[sequence]['hota']:.3f}/{one[sequence]['idf1']:.3f}"
                f"/{one[sequence]['id_switches']:.0f}"
                for name, one in found.items()
            )
            rows.append(f"  {sequence:16}{cells}")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print every figure as JSON")
    parser.add_argument("--environment", type=Path, help="where the peers are installed")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    folders = [each for folder in given.folders for each in folders_of(folder.resolve())]
    if not folders:
        sys.exit("no sequence (a folder with seqinfo.ini, det.txt and gt.txt) is there")
    with tempfile.TemporaryDirectory(prefix="edge-runtime-peers-") as scratch:
        environment = (given.environment or Path(scratch)).resolve()
        python = install(environment / "box_trackers", PACKAGES)
        measured = {every: measure(python, folders, every) for every in EVERY}
    if given.json:
        report = {
            str(every): {"figures": one, "leads": verdict(one)} for every, one in measured.items()
        }
        print(json.dumps({"machine": machine(), "every": report}, indent=1))
        return
    print(f"{machine()}; {len(folders)} sequences\n")
    for every, one in measured.items():
        print(table(one, every))


if __name__ == "__main__":
    main()
