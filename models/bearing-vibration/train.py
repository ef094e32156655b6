"""Trains bearing-vibration.tflite on the recordings of load 0 (needs tensorflow-cpu).

    python models/bearing-vibration/train.py cwru_12k_drive_end.npz
    python models/bearing-vibration/train.py cwru_12k_drive_end.npz --leave-out 014 --out w.tflite

The second form never sees a fault of 0.014 in, to ask how the model takes one that is new to it.
Prints the weights' size and SHA-256 for pack.toml.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from augment import augmented
from numpy.typing import NDArray
from recordings import CLASSES, HERE, SIZES, Recording, for_training, read, resampled, window_input

from edge_runtime.features.vector import FeatureVector
from edge_runtime.manifest import InputSection

WINDOWS_A_CLASS = 4200
EPOCHS = 30
SEED = 1

Floats = NDArray[np.float32]


def examples(recordings: list[Recording], spec: InputSection) -> tuple[Floats, NDArray[np.int64]]:
    """Draw as many windows of each class, from its recordings in equal shares."""
    assert spec.rate_hz is not None
    assert spec.size is not None
    rng = np.random.default_rng(SEED)
    vector = FeatureVector(spec.features, spec.rate_hz, spec.size)
    signals = [resampled(r.values, spec.rate_hz).astype(np.float64) for r in recordings]
    healthy = next(s for s, r in zip(signals, recordings, strict=True) if r.class_id == 0)
    rows, class_ids = [], []
    for recording, signal in zip(recordings, signals, strict=True):
        peers = sum(other.class_id == recording.class_id for other in recordings)
        for _ in range(WINDOWS_A_CLASS // peers):
            window = augmented(
                signal, healthy, recording.class_id, size=spec.size, rate_hz=spec.rate_hz, rng=rng
            )
            rows.append(vector.of(window))
            class_ids.append(recording.class_id)
    return np.stack(rows), np.asarray(class_ids)


def fit(rows: Floats, class_ids: NDArray[np.int64]) -> list[tuple[Floats, Floats]]:
    """Train on features made to mean 0 and deviation 1; return weights that take them in dB."""
    tf.keras.utils.set_random_seed(SEED)
    layers, mean, deviation = tf.keras.layers, rows.mean(axis=0), rows.std(axis=0)
    model = tf.keras.Sequential(
        [
            layers.Input((rows.shape[1],)),
            layers.GaussianNoise(0.2),
            layers.Dense(32, "relu", kernel_regularizer=tf.keras.regularizers.L2(1e-3)),
            layers.Dropout(0.2),
            layers.Dense(16, "relu"),
            layers.Dense(len(CLASSES), "softmax"),
        ]
    )
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * len(rows) // 64)
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit((rows - mean) / deviation, class_ids, batch_size=64, epochs=EPOCHS, verbose=0)
    dense = [layer.get_weights() for layer in model.layers if isinstance(layer, layers.Dense)]
    kernel, bias = dense[0]
    scaled = kernel / deviation[:, np.newaxis]
    return [(scaled, bias - mean @ scaled), *(tuple(weights) for weights in dense[1:])]


def converted(weights: list[tuple[Floats, Floats]], rows: Floats) -> bytes:
    """Quantise to int8, input and output too; `rows` give the ranges."""
    layers = [
        tf.keras.layers.Dense(len(bias), "relu" if number < len(weights) - 1 else "softmax")
        for number, (_, bias) in enumerate(weights)
    ]
    features = rows.shape[1]
    model = tf.keras.Sequential([tf.keras.layers.Input((features,), batch_size=1), *layers])
    for layer, pair in zip(layers, weights, strict=True):
        layer.set_weights(pair)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[np.newaxis]] for row in rows[::7])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    data: Any = converter.convert()
    return bytes(data)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the bearing model.")
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--leave-out", choices=SIZES, default="")
    parser.add_argument("--out", type=Path, default=HERE / "bearing-vibration.tflite")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    chosen = for_training(read(arguments.recordings), arguments.leave_out)
    print("trains on", ", ".join(recording.name for recording in chosen))
    spec = window_input()
    rows, class_ids = examples(chosen, spec)
    data = converted(fit(rows, class_ids), rows)
    arguments.out.write_bytes(data)
    print(f'sha256 = "{hashlib.sha256(data).hexdigest()}"\nsize_bytes = {len(data)}')


if __name__ == "__main__":
    main()
