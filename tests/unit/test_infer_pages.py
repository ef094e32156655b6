"""A loaded model's file takes no memory once the runtime has made its own form of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_runtime.infer.engines import open_backend
from edge_runtime.infer.pages import mappings, release_pages


def resident_kb(path: Path) -> int:
    """How much of a file's mappings is in this process's memory (proc_pid_smaps(5))."""
    total, ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        head = line.split()[0]
        if "-" in head and not head.endswith(":"):
            ours = line.endswith(str(path))
        elif ours and head == "Rss:":
            total += int(line.split()[1])
    return total


def test_the_pages_of_a_loaded_model_are_given_back_and_it_says_the_same(data: Path) -> None:
    weights = data / "models" / "coco_ssd_mobilenet_v1_1.0_quant.tflite"
    backend = open_backend(weights, engine="auto", delegate=None)
    assert mappings(str(weights.resolve()))
    assert resident_kb(weights.resolve()) < 1024  # of 4 MiB
    rng = np.random.default_rng(1)
    tensor = rng.integers(0, 255, backend.input.shape, np.uint8)
    first = backend.infer(tensor)
    release_pages(weights)
    again = backend.infer(tensor)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_file_that_is_not_mapped_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"x" * 5000)
    release_pages(file)
    assert file.read_bytes() == b"x" * 5000
