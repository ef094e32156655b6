"""MediaPipe's Tasks API: ObjectDetector in video mode, as its guide writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import harness
import mediapipe as mp
from mediapipe.tasks import python
from mediapipe.tasks.python import vision

MS_A_FRAME = 100


def open_detector(weights: str) -> Callable[[Any], harness.Found]:
    detector = vision.ObjectDetector.create_from_options(
        vision.ObjectDetectorOptions(
            base_options=python.BaseOptions(model_asset_path=weights),
            running_mode=vision.RunningMode.VIDEO,
            score_threshold=0.5,
        )
    )
    at_ms = 0

    def detect(image: Any) -> harness.Found:
        nonlocal at_ms
        at_ms += MS_A_FRAME
        picture = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        found = detector.detect_for_video(
            mp.Image(image_format=mp.ImageFormat.SRGB, data=picture), at_ms
        )
        return harness.rows_of(found.detections)

    return detect


harness.main(open_detector)
