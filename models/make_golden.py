"""Draws the golden pictures of the catalogue's packs and records what the real weights give.

    python models/make_golden.py coco-ssd-mobilenet-v1 WEIGHTS.tflite

The pictures are drawn here, nobody's photographs: a tennis ball, a standing person.
They are drawn at the size that the model takes, so that no resize comes into it, and in colours
that matter to the answer, so that swapped channels are noticed. The answer is computed by a bare
interpreter, without the runtime's own preprocessing and decoding, which it is to check.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edge_runtime.packs.manifest_file import read_labels, read_manifest
from edge_runtime.packs.weights import sha256_of

HERE = Path(__file__).resolve().parent
MIN_SCORE = 0.5

Picture: TypeAlias = NDArray[np.uint8]
Outputs: TypeAlias = list[NDArray[Any]]
Answer: TypeAlias = dict[str, list[dict[str, Any]]]


def tennis_ball(size: int) -> Picture:
    picture = np.full((size, size, 3), (90, 160, 90), np.uint8)
    cv2.circle(picture, (112, 112), 80, (60, 230, 200), -1, cv2.LINE_AA)
    for centre, first, last in (((40, 112), -60, 60), ((184, 112), 120, 240)):
        cv2.ellipse(picture, centre, (70, 80), 0, first, last, (245, 245, 245), 5, cv2.LINE_AA)
    return picture


def person(size: int) -> Picture:
    """Draw at 300 pixels and bring to `size`. Limbs lie apart: no keypoint is a matter of luck."""
    picture = np.full((300, 300, 3), (210, 205, 195), np.uint8)
    skin, shirt, trousers, black = (140, 170, 225), (150, 60, 40), (70, 50, 40), (20, 20, 20)
    cv2.rectangle(picture, (0, 230), (300, 300), (120, 140, 150), -1)
    for side in (-1, 1):
        knee, foot = (150 + side * 38, 218), (150 + side * 58, 264)
        cv2.line(picture, (150 + side * 18, 170), knee, trousers, 18, cv2.LINE_AA)
        cv2.line(picture, knee, foot, trousers, 12, cv2.LINE_AA)
        cv2.line(picture, foot, (150 + side * 70, 270), black, 12, cv2.LINE_AA)
    trunk = np.array([(110, 88), (190, 88), (178, 182), (122, 182)], np.int32)
    cv2.fillPoly(picture, [trunk], shirt, cv2.LINE_AA)
    for side in (-1, 1):
        elbow, hand = (150 + side * 53, 136), (150 + side * 60, 178)
        cv2.line(picture, (150 + side * 38, 96), elbow, shirt, 18, cv2.LINE_AA)
        cv2.line(picture, elbow, hand, skin, 13, cv2.LINE_AA)
        cv2.circle(picture, hand, 8, skin, -1, cv2.LINE_AA)
    draw_head(picture, skin)
    resized = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def draw_head(picture: Picture, skin: tuple[int, int, int]) -> None:
    cv2.rectangle(picture, (140, 72), (160, 92), skin, -1)
    cv2.ellipse(picture, (150, 52), (22, 28), 0, 0, 360, skin, -1, cv2.LINE_AA)
    cv2.ellipse(picture, (150, 40), (24, 22), 0, 180, 360, (30, 40, 60), -1, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.circle(picture, (150 + side * 8, 52), 3, (20, 20, 20), -1, cv2.LINE_AA)
        cv2.ellipse(picture, (150 + side * 23, 55), (4, 8), 0, 0, 360, skin, -1, cv2.LINE_AA)
    cv2.line(picture, (150, 54), (150, 62), (110, 140, 200), 2, cv2.LINE_AA)
    cv2.ellipse(picture, (150, 68), (7, 3), 0, 0, 180, (60, 60, 150), 2, cv2.LINE_AA)


def ssd_answer(outputs: Outputs, labels: tuple[str, ...]) -> Answer:
    boxes, classes, scores = (output[0] for output in outputs[:3])
    objects = [
        {"label": labels[int(class_id)], "score": rounded(score), "box": rounded(box[[1, 0, 3, 2]])}
        for box, class_id, score in zip(boxes, classes, scores, strict=True)
        if score >= MIN_SCORE
    ]
    return {"objects": objects}


def class_answer(outputs: Outputs, labels: tuple[str, ...]) -> Answer:
    """Both classifiers give probabilities in steps of 1/256, from their type's least value up."""
    steps = outputs[0][0]
    scores = (steps.astype(float) - np.iinfo(steps.dtype).min) / 256
    best = [int(class_id) for class_id in np.argsort(-scores) if scores[class_id] >= MIN_SCORE]
    return {"classes": [{"label": labels[i], "score": rounded(scores[i])} for i in best]}


def pose_answer(outputs: Outputs, _labels: tuple[str, ...]) -> Answer:
    points = outputs[0][0, 0][:, [1, 0, 2]]  # the model gives y before x
    return {"people": [{"score": rounded(points[:, 2].mean()), "keypoints": rounded(points)}]}


def rounded(values: Any) -> Any:
    return np.round(np.asarray(values, float), 4).tolist()


DRAWN: dict[str, tuple[Callable[[int], Picture], Callable[[Outputs, tuple[str, ...]], Answer]]] = {
    "coco-ssd-mobilenet-v1": (person, ssd_answer),
    "mobilenet-v2-imagenet": (tennis_ball, class_answer),
    "movenet-lightning": (person, pose_answer),
    "vww-96": (person, class_answer),
}


def run(weights: Path, draw: Callable[[int], Picture]) -> tuple[Picture, Outputs]:
    interpreter = Interpreter(model_path=str(weights))
    interpreter.allocate_tensors()
    taken = interpreter.get_input_details()[0]
    picture = draw(int(taken["shape"][1]))
    pixels = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.int16)
    # All four take the pixels as they are; int8 counts them from -128.
    tensor = (pixels + np.iinfo(taken["dtype"]).min).astype(taken["dtype"])
    interpreter.set_tensor(taken["index"], tensor[np.newaxis])
    interpreter.invoke()
    given = interpreter.get_output_details()
    return picture, [interpreter.get_tensor(detail["index"]) for detail in given]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the golden case of a pack.")
    parser.add_argument("name", choices=DRAWN)
    parser.add_argument("weights", type=Path)
    arguments = parser.parse_args()
    folder = HERE / arguments.name
    manifest = read_manifest(folder)
    if sha256_of(arguments.weights) != manifest.model.sha256:
        raise SystemExit(f"{arguments.weights}: not the weights of {arguments.name}")
    draw, answer = DRAWN[arguments.name]
    picture, outputs = run(arguments.weights, draw)
    expected = json.dumps(answer(outputs, read_labels(folder, manifest)))
    golden = folder / "golden"
    golden.mkdir(exist_ok=True)
    cv2.imwrite(str(golden / "input.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    (golden / "expected.json").write_text(expected + "\n")
    print(expected)


if __name__ == "__main__":
    main()
