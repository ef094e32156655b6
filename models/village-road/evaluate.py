"""Measures the finished .tflite through LiteRT on held-out drawn scenes: mAP@0.5, size, time.

    pip install -e .
    python models/village-road/evaluate.py

An object counts if at least 0.3 of it can be seen and its box is at least 6 px tall at 640x360.
Others are neither hits nor misses, and a detection of one is dropped. Average precision is the
area under the precision envelope over all points, as COCO and VOC 2010 have it, at IoU 0.5.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edge_runtime.simulate.scene import LABELS, Conditions, Scene, SceneObject

HERE = Path(__file__).parent
TEST_SEED = 200_000
MIN_VISIBLE, MIN_TALL = 0.3, 6 / 360
MATCH_IOU, NMS_IOU = 0.5, 0.45
SLICES = {
    "clear day": Conditions(),
    "rain": Conditions(weather="rain"),
    "fog": Conditions(weather="fog"),
    "dusk 0.8": Conditions(dusk=0.8),
    "noise 6": Conditions(noise=6.0),
    "busy (density 2)": Conditions(density=2.0),
}

Floats = NDArray[np.float64]


class Detection(NamedTuple):
    score: float
    label: int
    box: Floats  # x1, y1, x2, y2 in fractions


class Detector:
    """The pack's model on one thread, with the same steps around it as the runtime takes."""

    def __init__(self, path: Path) -> None:
        self._net = Interpreter(str(path), num_threads=1)
        self._net.allocate_tensors()
        self._input = self._net.get_input_details()[0]
        self._output = self._net.get_output_details()[0]["index"]
        _, height, width, _ = (int(n) for n in self._input["shape"])
        self.size = width, height
        self.times_ms: list[float] = []

    def detect(self, frame: NDArray[np.uint8], min_score: float) -> list[Detection]:
        rgb = cv2.resize(frame, self.size)[..., ::-1]
        scale, zero = self._input["quantization"]
        real = (rgb.astype(np.float32) - 127.5) / 127.5
        tensor = np.clip(np.rint(real / scale + zero), -128, 127).astype(np.int8)[None]
        self._net.set_tensor(self._input["index"], tensor)
        began = time.perf_counter()
        self._net.invoke()
        self.times_ms.append((time.perf_counter() - began) * 1e3)
        return decode(self._net.get_tensor(self._output)[0], min_score)


def decode(rows: NDArray[np.float32], min_score: float) -> list[Detection]:
    """Rows of cx, cy, w, h and the class scores to detections, the best first."""
    labels, scores = rows[:, 4:].argmax(axis=1), rows[:, 4:].max(axis=1).astype(np.float64)
    cells = np.flatnonzero(scores >= min_score)
    labels, scores = labels[cells], scores[cells]
    centre, half = rows[cells, :2].astype(np.float64), rows[cells, 2:4].astype(np.float64) / 2
    boxes = np.clip(np.hstack((centre - half, centre + half)), 0.0, 1.0)
    kept: list[Detection] = []
    for best in np.argsort(-scores, kind="stable"):
        rivals = [d.box for d in kept if d.label == labels[best]]
        if not rivals or iou(boxes[best], np.array(rivals)).max() <= NMS_IOU:
            kept.append(Detection(float(scores[best]), int(labels[best]), boxes[best]))
    return kept


def iou(box: Floats, others: Floats) -> Floats:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    both = np.prod(np.maximum(high - low, 0.0), axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1)
    result: Floats = both / (area - both + 1e-9)
    return result


def counts(item: SceneObject) -> bool:
    return item.visible >= MIN_VISIBLE and item.box[3] - item.box[1] >= MIN_TALL


class Tally:
    """Hits and misses of one class, over any number of frames."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, bool]] = []
        self.objects = 0

    def add(self, found: list[Detection], truth: list[SceneObject]) -> None:
        boxes = np.array([t.box for t in truth]).reshape(-1, 4)
        real = np.array([counts(t) for t in truth], dtype=bool)
        self.objects += int(real.sum())
        free = real.copy()
        for detection in found:
            overlap = iou(detection.box, boxes)
            open_ = np.where(free, overlap, 0.0)
            if open_.max(initial=0.0) >= MATCH_IOU:
                free[int(open_.argmax())] = False
                self.marks.append((detection.score, True))
            elif not (overlap[~real] >= MATCH_IOU).any():
                self.marks.append((detection.score, False))

    def average_precision(self) -> float:
        ranked = sorted(self.marks, key=lambda mark: -mark[0])
        hits = np.array([hit for _, hit in ranked], dtype=np.float64)
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        return float((envelope * hits).sum() / max(self.objects, 1))

    def at(self, min_score: float) -> tuple[float, float]:
        """Precision and recall of what scores at least min_score."""
        hits = [hit for score, hit in self.marks if score >= min_score]
        return sum(hits) / max(len(hits), 1), sum(hits) / max(self.objects, 1)


Sample = tuple[NDArray[np.uint8], tuple[SceneObject, ...]]


def drawn(conditions: Conditions, seeds: range, frames: int) -> Iterator[Sample]:
    """Frames of held-out scenes, each from a moment of its own."""
    for seed in seeds:
        scene = Scene(seed, conditions=conditions)
        for index in np.random.default_rng(seed).integers(0, 4000, frames):
            yield scene.render(int(index))


def filmed(video: Path, truth: Path) -> Iterator[Sample]:
    """The frames of a clip as its decoder gives them, with the truth kept beside it."""
    capture = cv2.VideoCapture(str(video))
    with truth.open(encoding="utf-8") as lines:
        for line in lines:
            read, frame = capture.read()
            assert read, f"{video} ends before its truth"
            rows = json.loads(line)["objects"]
            objects = (SceneObject(r["label"], r["track"], r["box"], r["visible"]) for r in rows)
            yield frame.astype(np.uint8, copy=False), tuple(objects)


def measure(detector: Detector, samples: Iterator[Sample], *groups: list[Tally]) -> None:
    for frame, truth in samples:
        found = detector.detect(frame, 0.02)
        for group in groups:
            for label, tally in enumerate(group):
                tally.add(
                    [d for d in found if d.label == label],
                    [t for t in truth if t.label == LABELS[label]],
                )


def report(name: str, group: list[Tally]) -> str:
    precisions = [tally.average_precision() for tally in group]
    cells = " | ".join(f"{p:.3f}" for p in precisions)
    objects = sum(tally.objects for tally in group)
    return f"| {name} | {cells} | {np.mean(precisions):.3f} | {objects} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=HERE / "village-road.tflite")
    parser.add_argument("--scenes", type=int, default=25, help="held-out scenes for each condition")
    parser.add_argument("--frames", type=int, default=12, help="frames from each scene")
    args = parser.parse_args()
    detector = Detector(args.model)
    whole = [Tally() for _ in LABELS]
    print(f"| AP@0.5 | {' | '.join(LABELS)} | mean | objects |")
    print("|---|" + "---|" * (len(LABELS) + 2))
    for number, (name, conditions) in enumerate(SLICES.items()):
        group = [Tally() for _ in LABELS]
        first = TEST_SEED + number * args.scenes
        seeds = range(first, first + args.scenes)
        measure(detector, drawn(conditions, seeds, args.frames), group, whole)
        print(report(name, group), flush=True)
    print(report("all", whole))
    group = [Tally() for _ in LABELS]
    measure(detector, filmed(HERE / "clip.mp4", HERE / "clip.truth.jsonl"), group)
    print(report("clip.mp4, not in `all`", group))
    for label, tally in zip(LABELS, whole, strict=True):
        precision, recall = tally.at(0.4)
        print(f"{label}: precision {precision:.3f}, recall {recall:.3f} at min_score 0.4")
    p50, p95 = np.percentile(detector.times_ms, (50, 95))
    print(f"{args.model.stat().st_size} bytes; one inference p50 {p50:.2f} ms, p95 {p95:.2f} ms")


if __name__ == "__main__":
    main()
