"""The trackers of the package `trackers` on sequences of boxes, and TrackEval's figures of all.

    python box_trackers.py '{"folders": […], "every": 3, "rounds": 3, "work": "…", "ours": "…"}'

Runs in an environment of its own. Each tracker is as its constructor makes it, but for the true
frame rate, and none is given pictures. `ours` names the tracks that lie in `work` already.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv
import trackers
from sequences import Given, Sequence, read
from trackeval import Evaluator
from trackeval.datasets import MotChallenge2DBox
from trackeval.metrics import CLEAR, HOTA, Identity

PEERS: dict[str, Callable[[float], Any]] = {
    "SORT": lambda fps: trackers.SORTTracker(frame_rate=fps),
    "ByteTrack": lambda fps: trackers.ByteTrackTracker(frame_rate=fps),
    "OC-SORT": lambda fps: trackers.OCSORTTracker(frame_rate=fps),
    "BoT-SORT": lambda fps: trackers.BoTSORTTracker(frame_rate=fps, enable_cmc=False),
    "C-BIoU": lambda fps: trackers.CBIoUTracker(frame_rate=fps),
}
POOLED = "COMBINED_SEQ"


def detections_of(sequence: Sequence) -> list[sv.Detections]:
    """Return the boxes as the package takes them, each with its place in the frame."""
    made = []
    for rows in sequence.detections:
        table = np.array(rows, dtype=float).reshape(-1, 5)
        corners = np.hstack([table[:, :2], table[:, :2] + table[:, 2:4]])
        made.append(
            sv.Detections(
                xyxy=corners,
                confidence=table[:, 4],
                class_id=np.zeros(len(rows), dtype=int),
                data={"place": np.arange(len(rows))},
            )
        )
    return made


def track(tracker: Any, frames: list[sv.Detections]) -> tuple[Given, float]:
    """Return which box got which id, and the CPU seconds that it took."""
    began_s = time.process_time()
    outputs = [tracker.update(each) for each in frames]
    took_s = time.process_time() - began_s
    given = [
        [
            (int(place), int(track_id))
            for place, track_id in zip(
                output.data.get("place", ()), output.tracker_id, strict=False
            )
            if track_id >= 0
        ]
        for output in outputs
    ]
    return given, took_s


def run(name: str, sequences: list[Sequence], rounds: int, results: Path) -> float:
    """Write a peer's tracks; return its CPU seconds, the least of some rounds."""
    frames = [detections_of(each) for each in sequences]
    least_s = float("inf")
    for _ in range(rounds):
        took_s = 0.0
        for sequence, given_frames in zip(sequences, frames, strict=True):
            given, cpu_s = track(PEERS[name](sequence.rate_fps), given_frames)
            sequence.write_tracks(results, given)
            took_s += cpu_s
        least_s = min(least_s, took_s)
    return least_s


def evaluate(work: Path, sequences: list[Sequence], names: list[str]) -> dict[str, Any]:
    """Return TrackEval's figures: by tracker, by sequence (and pooled)."""
    dataset = MotChallenge2DBox(
        {
            "GT_FOLDER": str(work / "gt"), "TRACKERS_FOLDER": str(work / "tracks"),
            "OUTPUT_FOLDER": str(work / "out"), "TRACKERS_TO_EVAL": names, "BENCHMARK": "MOT15",
            "SKIP_SPLIT_FOL": True, "PRINT_CONFIG": False,
            "SEQ_INFO": {each.name: len(each.detections) for each in sequences},
        }
    )  # fmt: skip
    evaluator = Evaluator(
        {
            "PRINT_RESULTS": False, "PRINT_CONFIG": False, "TIME_PROGRESS": False,
            "DISPLAY_LESS_PROGRESS": True, "OUTPUT_SUMMARY": False, "OUTPUT_DETAILED": False,
            "OUTPUT_EMPTY_CLASSES": False, "PLOT_CURVES": False, "USE_PARALLEL": False,
        }
    )  # fmt: skip
    quiet = {"PRINT_CONFIG": False}
    found, _ = evaluator.evaluate([dataset], [HOTA(quiet), CLEAR(quiet), Identity(quiet)])
    return {
        name: {
            "pooled" if sequence == POOLED else sequence: figures(one["pedestrian"])
            for sequence, one in found["MotChallenge2DBox"][name].items()
        }
        for name in names
    }


def figures(one: dict[str, Any]) -> dict[str, float]:
    return {
        "hota": float(np.mean(one["HOTA"]["HOTA"])),
        "idf1": float(one["Identity"]["IDF1"]),
        "id_switches": int(one["CLEAR"]["IDSW"]),
        "recall": float(one["CLEAR"]["CLR_Re"]),
        "precision": float(one["CLEAR"]["CLR_Pr"]),
    }


def main() -> None:
    warnings.simplefilter("ignore")
    given = json.loads(sys.argv[1])
    work = Path(given["work"])
    sequences = [read(Path(folder), given["every"]) for folder in given["folders"]]
    for each in sequences:
        each.write(work / "gt")
    frames = sum(len(each.detections) for each in sequences)
    cpu_ms = {
        name: 1000.0 / frames * run(name, sequences, given["rounds"], work / "tracks" / name)
        for name in PEERS
    }
    with contextlib.redirect_stdout(sys.stderr):
        found = evaluate(work, sequences, [*PEERS, given["ours"]])
    for name, took_ms in cpu_ms.items():
        found[name]["pooled"]["cpu_ms"] = took_ms
    print(json.dumps(found))


if __name__ == "__main__":
    main()
