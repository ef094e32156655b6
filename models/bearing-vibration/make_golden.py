"""Writes golden/: a made-up outer race fault and what the weights give for it.

    python models/bearing-vibration/make_golden.py

Nobody's recording: noise, and impacts 3.585 times a turn that ring at 2.9 kHz, in g at 8 kHz,
float32 (samples, 1). The answer is computed from the features by a bare interpreter.
"""

from __future__ import annotations

import json

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from augment import IMPACT_ORDERS
from recordings import CLASSES, HERE, window_input

from edge_runtime.features.vector import FeatureVector
from edge_runtime.packs.manifest_file import read_labels, read_manifest

SHAFT_HZ = 29.5
OUTER = CLASSES.index("outer")


def signal(size: int, rate_hz: float) -> np.ndarray:
    rng = np.random.default_rng(7)
    at_s = np.arange(size) / rate_hz
    strikes = np.zeros(size)
    period = rate_hz / (IMPACT_ORDERS[OUTER] * SHAFT_HZ)
    strikes[(np.arange(20.0, size, period) + rng.normal(0.0, 0.3)).astype(int)] = 1.0
    ringing = np.convolve(strikes, np.exp(-900.0 * at_s) * np.sin(2.0 * np.pi * 2900.0 * at_s))
    turning = 0.05 * np.sin(2.0 * np.pi * 2.0 * SHAFT_HZ * at_s)
    values = 2.0 * ringing[:size] + turning + rng.normal(0.0, 0.05, size)
    return values.astype(np.float32)[:, np.newaxis]


def main() -> None:
    spec, manifest = window_input(), read_manifest(HERE)
    assert spec.rate_hz is not None
    assert spec.size is not None
    values = signal(spec.size, spec.rate_hz)
    features = FeatureVector(spec.features, spec.rate_hz, spec.size).of(values.T)
    interpreter = Interpreter(model_path=str(HERE / manifest.model.file))
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = taken["quantization"]
    steps = np.clip(np.rint(features / scale) + zero, -128, 127).astype(np.int8)
    interpreter.set_tensor(taken["index"], steps)
    interpreter.invoke()
    scores = (interpreter.get_tensor(given["index"])[0].astype(float) + 128) / 256
    labels = read_labels(HERE, manifest)
    classes = [
        {"label": labels[i], "score": round(float(scores[i]), 4)}
        for i in np.argsort(-scores)
        if scores[i] >= 0.5
    ]
    golden = HERE / "golden"
    golden.mkdir(exist_ok=True)
    np.save(golden / "window.npy", values)
    (golden / "expected.json").write_text(json.dumps({"classes": classes}) + "\n")
    print(classes)


if __name__ == "__main__":
    main()
