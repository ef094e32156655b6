"""Draws the pack's clip and golden frame, both from seeds that training never saw.

    python models/village-road/render_clip.py            # clip.mp4, its truth
    python models/village-road/render_clip.py --golden   # golden/

The golden frame has the size that the model takes, so that no resize comes into it; the answer is
what evaluate.py's own steps make of the model, which the runtime's are checked against.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_runtime.simulate.scene import LABELS, Conditions, Scene, SceneObject

HERE = Path(__file__).parent
WIDTH, HEIGHT, RATE_FPS = 640, 360, 10.0
CLIP_SEED, CLIP_START, CLIP_FRAMES = 300_002, 80, 300
GOLDEN_SEED, GOLDEN_INDEX, GOLDEN_MIN_SCORE = 300_063, 60, 0.4


def as_record(item: SceneObject) -> dict[str, Any]:
    return {
        "label": item.label,
        "track": item.track,
        "box": [round(v, 4) for v in item.box],
        "visible": round(item.visible, 3),
    }


def write_clip(video: Path, truth: Path) -> None:
    """Frame i of the clip is picture CLIP_START + i of the scene; line i of the truth is its."""
    scene = Scene(CLIP_SEED, WIDTH, HEIGHT, RATE_FPS, Conditions(density=1.1))
    fourcc = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(video), fourcc, RATE_FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise SystemExit(f"{video}: OpenCV cannot write mp4v here; install opencv-python-headless")
    with truth.open("w", encoding="utf-8") as lines:
        for index in range(CLIP_FRAMES):
            frame, objects = scene.render(CLIP_START + index)
            writer.write(frame)
            record = {"index": index, "objects": [as_record(o) for o in objects]}
            lines.write(json.dumps(record, separators=(",", ":")) + "\n")
    writer.release()
    print(f"{video}: {CLIP_FRAMES} frames, {video.stat().st_size} bytes")


def write_golden(model: Path, folder: Path) -> None:
    from evaluate import Detector

    scene = Scene(GOLDEN_SEED, WIDTH, HEIGHT, RATE_FPS, Conditions(density=1.1))
    detector = Detector(model)
    frame = cv2.resize(scene.render(GOLDEN_INDEX)[0], detector.size).astype(np.uint8, copy=False)
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "frame.png"), frame, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    objects = [
        {
            "label": LABELS[found.label],
            "score": round(found.score, 4),
            "box": [round(float(v), 4) for v in found.box],
        }
        for found in detector.detect(frame, GOLDEN_MIN_SCORE)
    ]
    (folder / "expected.json").write_text(json.dumps({"objects": objects}, indent=1) + "\n")
    print(f"{folder}: {len(objects)} objects, {(folder / 'frame.png').stat().st_size} bytes of PNG")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--golden", action="store_true", help="the golden frame, not the clip")
    parser.add_argument("--model", type=Path, default=HERE / "village-road.tflite")
    args = parser.parse_args()
    if args.golden:
        write_golden(args.model, HERE / "golden")
    else:
        write_clip(HERE / "clip.mp4", HERE / "clip.truth.jsonl")


if __name__ == "__main__":
    main()
