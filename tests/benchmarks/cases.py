"""The configurations that the benchmarks run, and how they are run."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge_runtime.bench.figures import BareFigures, PipelineFigures
from edge_runtime.bench.rounds import Bench
from edge_runtime.clock import SystemClock
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore
from support.daemon import command
from support.paths import DATA

CLIP = DATA / "video" / "one-by-one-person-detection.mp4"
WEIGHTS = DATA / "models" / "coco_ssd_mobilenet_v1_1.0_quant.tflite"
STILL_SIZE = (1280, 720)
STILL_LENGTH = 100

HEAD = """
[device]
site = "bench"
name = "board"
[broker]
url = "mqtt://127.0.0.1:1"
[outbox]
commit_interval_s = {commit_s}
"""

STREAM = """
[[streams]]
name = "{name}"
source = {{ kind = "video", path = "{clip}" }}
model = {{ pack = "coco-ssd-mobilenet-v1", min_score = 0.5, labels = ["person"] }}
track = {{ max_lost_s = 2.0 }}
{extra}
"""

EVERY = 'publish = { mode = "every_inference", encoding = "cbor" }'


class Cases:
    """Benchmarks by name, in a scratch folder of their own, against one broker."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        self._benches: dict[str, Bench] = {}
        done = command(
            "models", "import", "coco-ssd-mobilenet-v1", str(WEIGHTS), "--state-dir", str(folder)
        )
        assert done.returncode == 0, done.stderr

    def run(
        self, name: str, frames: int, *, workers: int, flat_out: bool = True
    ) -> PipelineFigures:
        """Run a case once."""
        return self._bench(name).pipeline(frames, workers=workers, flat_out=flat_out)

    def bare(self, frames: int) -> BareFigures:
        """Run the bare loop on the same clip and model."""
        return self._bench("one").bare(frames)

    def _bench(self, name: str) -> Bench:
        if name not in self._benches:
            folder = self._folder / name
            folder.mkdir()
            file = folder / "case.toml"
            file.write_text(self._text(name))
            store = PackStore(self._folder, bundled_models())
            bench = Bench(file, self._folder, folder, self._url, store, SystemClock())
            bench.warm_up()
            self._benches[name] = bench
        return self._benches[name]

    def _text(self, name: str) -> str:
        streams = {
            "one": [("gate", CLIP, EVERY)],
            "two": [(f"gate-{n}", CLIP, EVERY) for n in range(2)],
            "four": [(f"gate-{n}", CLIP, EVERY) for n in range(4)],
            "live": [("gate", CLIP, EVERY)],
            "still-always": [("gate", self._still(), "")],
            "still-gated": [("gate", self._still(), 'gate = { kind = "motion" }')],
            "events": [("gate", CLIP, "")],
            "adaptive": [("gate", CLIP, 'rate = "adaptive"')],
        }[name]
        head = HEAD.format(commit_s=0.0 if name == "live" else 5.0)
        return head + "".join(STREAM.format(name=n, clip=c, extra=x) for n, c, x in streams)

    def _still(self) -> Path:
        """Return a clip in which nothing moves, but for a sensor's faint noise."""
        path = self._folder / "still.mp4"
        if not path.exists():
            capture = cv2.VideoCapture(str(CLIP))
            image = cv2.resize(capture.read()[1], STILL_SIZE)
            fourcc = cv2.VideoWriter.fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(path), fourcc, 10.0, STILL_SIZE)
            noise = np.random.default_rng(1)
            for _ in range(STILL_LENGTH):
                grain = noise.integers(0, 2, image.shape, np.uint8)
                writer.write(cv2.add(image, grain))
            writer.release()
        return path
