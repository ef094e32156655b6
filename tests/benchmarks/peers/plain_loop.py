"""The detection loop of Google's TFLite examples: capture, resize, invoke, JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import harness
import numpy as np
from ai_edge_litert.interpreter import Interpreter


def open_detector(weights: str) -> Callable[[Any], harness.Found]:
    interpreter = Interpreter(model_path=weights, num_threads=1)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    _, height, width, _ = inputs[0]["shape"]

    def detect(image: Any) -> harness.Found:
        picture = cv2.cvtColor(cv2.resize(image, (width, height)), cv2.COLOR_BGR2RGB)
        interpreter.set_tensor(inputs[0]["index"], np.expand_dims(picture, 0))
        interpreter.invoke()
        boxes, classes, scores, _ = (interpreter.get_tensor(o["index"])[0] for o in outputs)
        return [
            {"class": int(c), "score": float(s), "box": [float(x) for x in box]}
            for box, c, s in zip(boxes, classes, scores)  # noqa: B905
            if s > 0.5
        ]

    return detect


harness.main(open_detector)
