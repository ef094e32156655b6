"""The bare loop that the pipeline is held against: read, resize, convert, invoke, read outputs.

A program of its own, as someone would write it by hand: it imports nothing of the project, so
that its memory, its CPU time and its start are those of the libraries alone.

    python -m edge_runtime.bench.bare '{"weights": …}'
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def main() -> None:
    """Run one round; print its figures as JSON."""
    order = json.loads(sys.argv[1])
    cv2.setNumThreads(1)
    loop = BareLoop(order)
    loop.frame()
    first_result_s = time.monotonic() - order["spawned_s"]
    wall_s, cpu_s = time.monotonic(), time.process_time()
    first_result_cpu_s = cpu_s
    for _ in range(order["frames"]):
        loop.frame()
    figures = {
        "frames": order["frames"],
        "wall_s": time.monotonic() - wall_s,
        "cpu_s": time.process_time() - cpu_s,
        "memory_mb": memory_mb(),
        "first_result_s": first_result_s,
        "first_result_cpu_s": first_result_cpu_s,
        "stages": loop.stages,
    }
    print(json.dumps(figures))


def memory_mb() -> float:
    """Return this process's memory in MiB, what it shares with others in its part (PSS)."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024.0


class BareLoop:
    """A clip, over and over, through one interpreter on one thread."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._clip: str = order["clip"]
        self._mean = np.float32(order["mean"])
        self._std = np.float32(order["std"])
        module = import_module(order["module"])
        self._interpreter = module.Interpreter(model_path=order["weights"], num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = [one["index"] for one in self._interpreter.get_output_details()]
        self._size = (int(self._input["shape"][2]), int(self._input["shape"][1]))
        self._capture = cv2.VideoCapture(self._clip)
        self.stages: dict[str, list[float]] = {"read": [], "resize": [], "invoke": []}

    def frame(self) -> list[Any]:
        """Do one frame and return the outputs."""
        began_s = time.monotonic()
        image = self._read()
        read_s = time.monotonic()
        tensor = self._convert(cv2.cvtColor(cv2.resize(image, self._size), cv2.COLOR_BGR2RGB))
        resized_s = time.monotonic()
        self._interpreter.set_tensor(self._input["index"], tensor[None])
        self._interpreter.invoke()
        outputs = [self._interpreter.get_tensor(index) for index in self._outputs]
        self.stages["read"].append(read_s - began_s)
        self.stages["resize"].append(resized_s - read_s)
        self.stages["invoke"].append(time.monotonic() - resized_s)
        return outputs

    def _read(self) -> Any:
        decoded, image = self._capture.read()
        if not decoded:
            self._capture = cv2.VideoCapture(self._clip)
            decoded, image = self._capture.read()
        return image

    def _convert(self, picture: Any) -> Any:
        if self._input["dtype"] == np.uint8:
            return picture
        if self._input["dtype"] == np.int8:
            return (picture.astype(np.int16) - 128).astype(np.int8)
        return (picture.astype(np.float32) - self._mean) / self._std


if __name__ == "__main__":
    main()
