"""Cost of the motion gate on 720p frames, beside OpenCV's MOG2 at 300x300 on the same frames.

python tests/benchmarks/gate.py [FRAMES]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

from edge_runtime.clock import Stamp
from edge_runtime.gate import open_gate
from edge_runtime.options import MotionOptions
from edge_runtime.raw import Frame
from edge_runtime.simulate.scene import Scene

FRAMES = 200
DISTINCT = 12  # 33 MB: more than the caches hold, as with a camera
MOST_OF_MOG2 = 0.2


def make_frames(count: int) -> list[Frame]:
    """Return 720p frames of the simulated road, over and over."""
    scene = Scene(1, 1280, 720, 10.0)
    images = [scene.render(index)[0] for index in range(DISTINCT)]
    return [Frame(i, images[i % DISTINCT], Stamp(0.0, i / 10)) for i in range(count)]


def cost_s(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(count: int = FRAMES) -> tuple[float, float]:
    """Return the median seconds a frame of the gate and of MOG2, taken in turns."""
    cv2.setNumThreads(1)
    gate = open_gate(MotionOptions())
    mog2 = cv2.createBackgroundSubtractorMOG2()
    small = np.empty((300, 300, 3), np.uint8)

    def subtract(frame: Frame) -> None:
        cv2.resize(frame.image, (300, 300), dst=small)
        mog2.apply(small)

    costs: list[tuple[float, float]] = []
    for frame in make_frames(count):
        costs.append((cost_s(lambda f=frame: gate.admits(f)), cost_s(lambda f=frame: subtract(f))))  # type: ignore[misc]
    ours, theirs = zip(*costs[DISTINCT:], strict=True)
    return statistics.median(ours), statistics.median(theirs)


def main() -> None:
    ours_s, theirs_s = measure(int(sys.argv[1]) if len(sys.argv) > 1 else FRAMES)
    print(f"motion gate, 1280x720   {ours_s * 1e3:.3f} ms/frame")
    print(f"MOG2, 300x300           {theirs_s * 1e3:.3f} ms/frame")
    print(f"ratio                   {ours_s / theirs_s:.3f}")


if __name__ == "__main__":
    main()
