"""TensorFlow Lite Support's Task Library: the ObjectDetector of the Raspberry Pi example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import harness
from tflite_support.task import core, processor, vision


def open_detector(weights: str) -> Callable[[Any], harness.Found]:
    detector = vision.ObjectDetector.create_from_options(
        vision.ObjectDetectorOptions(
            base_options=core.BaseOptions(file_name=weights, num_threads=1),
            detection_options=processor.DetectionOptions(score_threshold=0.5),
        )
    )

    def detect(image: Any) -> harness.Found:
        picture = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        found = detector.detect(vision.TensorImage.create_from_array(picture))
        return harness.rows_of(found.detections)

    return detect


harness.main(open_detector)
