"""Resident memory over many frames, while the broker and the source come and go.

    python tests/benchmarks/memory.py [FRAMES]

The bundled model looks at its clip flat out. The broker is killed and started again all the
time, and the source ends and is opened again at the end of each pass. As many frames again come
first, in which the outbox and every cache fill. Prints the memory by tenths, and its growth.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_runtime.bench.rounds import Bench
from edge_runtime.clock import SystemClock
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore
from support.broker import Mosquitto

FRAMES = 100_000
BROKER_UP_S = 4.0
BROKER_DOWN_S = 1.0

CONFIG = """
[device]
site = "bench"
[broker]
url = "mqtt://127.0.0.1:1"
[outbox]
max_mb = 8
commit_interval_s = 0.5
[inference]
workers = 1
[[streams]]
name = "road"
source = {{ kind = "video", path = "{pack}/clip.mp4" }}
gate = {{ kind = "motion", crop = true }}
model = {{ pack = "{pack}" }}
rules = [{{ kind = "line", name = "middle", start = [0.5, 0.0], end = [0.5, 1.0] }}]
publish = {{ mode = "every_inference", encoding = "cbor" }}
"""


def unsettle(broker: Mosquitto, over: threading.Event) -> None:
    """Kill the broker and start it again until it is over."""
    while not over.wait(BROKER_UP_S):
        broker.stop(kill=True)
        over.wait(BROKER_DOWN_S)
        broker.start()


def measure(frames: int) -> list[float]:
    """Return the memory in MiB over a run, in even steps."""
    with tempfile.TemporaryDirectory(prefix="edge-runtime-memory-") as name:
        folder = Path(name)
        config = folder / "memory.toml"
        config.write_text(CONFIG.format(pack=bundled_models() / "village-road"))
        broker = Mosquitto(folder)
        broker.start()
        store = PackStore(folder / "state", bundled_models())
        bench = Bench(config, folder / "state", folder, broker.url, store, SystemClock())
        over = threading.Event()
        bench.warm_up()
        thread = threading.Thread(target=unsettle, args=(broker, over))
        thread.start()
        try:
            return bench.pipeline(2 * frames).memory_mb
        finally:
            over.set()
            thread.join()
            broker.stop()


def main() -> None:
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else FRAMES
    memory_mb = measure(frames)
    memory_mb = memory_mb[len(memory_mb) // 2 :]
    tenth = len(memory_mb) // 10
    tenths = [statistics.median(memory_mb[n * tenth : (n + 1) * tenth]) for n in range(10)]
    print("memory, MiB, by tenths: " + " ".join(f"{one:.1f}" for one in tenths))
    print(f"growth over {frames} frames: {tenths[-1] - tenths[0]:+.2f} MiB")


if __name__ == "__main__":
    main()
