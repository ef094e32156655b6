"""One table of what takes the same .tflite on the same clip to the same broker.

    python tests/benchmarks/peers/run.py [FOLDER]

Needs ../shared/data, Mosquitto and a package registry: each peer is installed into an environment
of its own under FOLDER (default: a temporary one). Nothing of it is a dependency of the project.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

import paho.mqtt.client as mqtt  # noqa: E402
from environment import install  # noqa: E402
from paho.mqtt.enums import CallbackAPIVersion  # noqa: E402

from cases import CLIP, HEAD, WEIGHTS  # noqa: E402
from edge_runtime.bench.report import machine  # noqa: E402
from edge_runtime.bench.rounds import Bench  # noqa: E402
from edge_runtime.clock import SystemClock  # noqa: E402
from edge_runtime.packs.catalogue import bundled_models  # noqa: E402
from edge_runtime.packs.store import PackStore  # noqa: E402
from support.broker import Mosquitto  # noqa: E402
from support.daemon import command  # noqa: E402
from support.paths import DATA  # noqa: E402

# Peer, and what its environment needs. Each has a program of its own beside this file.
PEERS = {
    "plain_loop": ("ai-edge-litert", "opencv-python-headless", "paho-mqtt>=2"),
    "mediapipe_tasks": ("mediapipe", "paho-mqtt>=2"),
    "task_library": (
        "tflite-support==0.4.4", "numpy<2", "opencv-python-headless<4.12", "paho-mqtt>=2",
    ),
}  # fmt: skip
FRAMES = 200
ROUNDS = 3
RATE_FPS = 10.0
OUTAGE_FROM_S, KILL_AT_S = 3.0, 9.0

OURS = """
[[streams]]
name = "gate"
source = {{ kind = "video", path = "{clip}", loop = true }}
model = {{ pack = "coco-ssd-mobilenet-v1", min_score = 0.5 }}
publish = {{ mode = "every_inference", encoding = "{encoding}" }}
"""


class Count:
    """A subscriber that notes when each distinct result was made."""

    def __init__(self, port: int) -> None:
        self.made_s: set[float] = set()
        self.listens = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_message = self._note
        self._client.on_subscribe = lambda *_: self.listens.set()
        self._client.on_disconnect = lambda *_: self.listens.clear()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _note(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic.endswith("/detections"):
            self.made_s.add(json.loads(message.payload)["ts"])


def order(weights: Path, port: int, *, frames: int, every_s: float) -> str:
    return json.dumps(
        {
            "weights": str(weights), "clip": str(CLIP), "port": port, "frames": frames,
            "every_s": every_s, "linger_s": 0.5, "spawned_s": time.monotonic(),
        }
    )  # fmt: skip


def flat_out(python: Path, name: str, weights: Path, port: int) -> dict[str, float]:
    """Run a peer once as fast as it goes."""
    text = order(weights, port, frames=FRAMES, every_s=0.0)
    done = subprocess.run(
        [python, HERE / f"{name}.py", text], capture_output=True, text=True, check=True
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def ours_flat_out(bench: Bench) -> dict[str, float]:
    """Run the project once as fast as it goes, on one worker."""
    one = bench.pipeline(FRAMES, workers=1)
    return {
        "frames_per_s": one.frames / one.wall_s,
        "cpu_ms": 1000.0 * one.cpu_s / one.frames,
        "rss_mb": one.memory_mb[-1],
        "first_result_s": one.first_result_s,
        "bytes_per_result": one.bytes_out / one.messages,
    }


def survive(start: list[Any], broker: Mosquitto) -> float:
    """Take the broker away, kill the program, bring both back: which part of what was made came?

    The program gives a result each 100 ms from its first one on until it is killed.
    """
    count = Count(broker.port)
    program = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while not count.made_s:
        time.sleep(0.05)
    time.sleep(OUTAGE_FROM_S)
    broker.stop(kill=True)
    down_s = time.time()
    time.sleep(KILL_AT_S - OUTAGE_FROM_S)
    program.kill()
    program.wait()
    killed_s = time.time()
    broker.start()
    assert count.listens.wait(10.0)  # or it would miss what comes first
    again = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(KILL_AT_S)
    again.kill()
    again.wait()
    count.close()
    arrived = [made_s for made_s in count.made_s if down_s <= made_s <= killed_s]
    return len(arrived) / (RATE_FPS * (killed_s - down_s))


def median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: sorted(one[key] for one in rounds)[len(rounds) // 2] for key in rounds[0]}


def measure(folder: Path, broker: Mosquitto) -> dict[str, dict[str, float]]:
    """Return every figure of every peer; the rounds go by turns."""
    pythons = {name: install(folder / name, needs) for name, needs in PEERS.items()}
    dressed = folder / "with-metadata.tflite"
    labels = DATA / "models" / "coco_ssd_labelmap.txt"
    subprocess.run(
        [pythons["task_library"], HERE / "with_metadata.py", WEIGHTS, labels, dressed], check=True
    )
    weights = {name: WEIGHTS if name == "plain_loop" else dressed for name in PEERS}
    done = command(
        "models", "import", "coco-ssd-mobilenet-v1", str(WEIGHTS), "--state-dir", str(folder)
    )
    assert done.returncode == 0, done.stderr
    configs = {name: folder / f"{name}.toml" for name in ("json", "cbor")}
    store = PackStore(folder, bundled_models())
    benches: dict[str, Bench] = {}
    for encoding, file in configs.items():
        text = HEAD.format(commit_s=0.5) + OURS.format(clip=CLIP, encoding=encoding)
        file.write_text(text.replace("mqtt://127.0.0.1:1", broker.url))
        scratch = folder / encoding
        benches[encoding] = Bench(file, folder, scratch, broker.url, store, SystemClock())
        benches[encoding].warm_up()
    rounds: dict[str, list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for name, python in pythons.items():
            rounds.setdefault(name, []).append(flat_out(python, name, weights[name], broker.port))
        for encoding, bench in benches.items():
            rounds.setdefault(f"edge-runtime, {encoding}", []).append(ours_flat_out(bench))
    figures = {name: median(made) for name, made in rounds.items()}
    for name, python in pythons.items():
        text = order(weights[name], broker.port, frames=10_000, every_s=1.0 / RATE_FPS)
        figures[name]["survived"] = survive([python, HERE / f"{name}.py", text], broker)
    daemon = [sys.executable, "-m", "edge_runtime", "run", "--config", configs["json"]]
    figures["edge-runtime, json"]["survived"] = survive([*daemon, "--state-dir", folder], broker)
    return figures


def main() -> None:
    if not DATA.is_dir():
        sys.exit("the folder ../shared/data with real models and clips is not here")
    with tempfile.TemporaryDirectory(prefix="edge-runtime-peers-") as name:
        folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(name)
        broker = Mosquitto(Path(name))
        broker.start()
        figures = measure(folder, broker)
        broker.stop()
    print(f"{machine()}; {ROUNDS} rounds of {FRAMES} frames; one inference thread each")
    print(
        f"{'':22}{'frames/s':>9}{'CPU ms':>8}{'RSS MiB':>9}{'start s':>9}{'B/result':>10}"
        f"{'outage and kill survived by':>29}"
    )
    for name, one in sorted(figures.items()):
        survived = f"{one['survived']:.0%} of results" if "survived" in one else ""
        print(
            f"{name:22}{one['frames_per_s']:9.1f}{one['cpu_ms']:8.1f}{one['rss_mb']:9.1f}"
            f"{one['first_result_s']:9.2f}{one['bytes_per_result']:10.0f}{survived:>29}"
        )


if __name__ == "__main__":
    main()
