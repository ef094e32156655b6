"""Trains the village-road detector on drawn scenes and writes it as an int8 .tflite.

    pip install -e . tensorflow-cpu==2.21
    python models/village-road/train.py --work /tmp/village-road

Work is kept in --work: the drawn frames, a checkpoint after every epoch. A run that was cut goes
on from its last checkpoint. Seeds below 100 000 train, 100 000 on validate, 200 000 on are for
evaluate.py alone, 300 000 on for the clip and the golden frame.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cv2
import numpy as np
import tensorflow as tf
from numpy.random import Generator
from numpy.typing import NDArray

from edge_runtime.simulate.scene import LABELS, WEATHERS, Conditions, Scene, SceneObject

HERE = Path(__file__).parent
WIDTH, HEIGHT = 256, 144
STRIDE = 8
GRID_W, GRID_H = WIDTH // STRIDE, HEIGHT // STRIDE
CELLS = GRID_W * GRID_H
MAX_OBJECTS = 24
REACH = 0.2
MIN_VISIBLE, MIN_TALL = 0.3, 6 / 360  # what counts; less of an object is neither right nor wrong
VALIDATION_SEED = 100_000

Floats = NDArray[np.float32]
Frames = NDArray[np.uint8]


def random_conditions(rng: Generator) -> Conditions:
    return Conditions(
        weather=str(rng.choice(WEATHERS, p=(0.5, 0.25, 0.25))),
        dusk=float(rng.choice((0.0, rng.uniform(0, 1)))),
        noise=float(rng.choice((0.0, rng.uniform(1, 9)))),
        density=float(rng.uniform(0.5, 2.2)),
    )


def counts(item: SceneObject) -> bool:
    return item.visible >= MIN_VISIBLE and item.box[3] - item.box[1] >= MIN_TALL


def to_rows(objects: tuple[SceneObject, ...]) -> Floats:
    """Rows of class, box, weight: weight 1 counts, 0 is to be ignored, class -1 pads."""
    rows = np.full((MAX_OBJECTS, 6), -1, dtype=np.float32)
    for row, item in zip(rows, objects[-MAX_OBJECTS:], strict=False):  # the nearest are last
        row[:] = (LABELS.index(item.label), *item.box, counts(item))
    return rows


def draw_frames(count: int, first_seed: int, frames_a_scene: int) -> tuple[Frames, Floats]:
    """Frames as the detector gets them (RGB, stretched), each with its rows of truth."""
    images = np.zeros((count, HEIGHT, WIDTH, 3), dtype=np.uint8)
    truths = np.zeros((count, MAX_OBJECTS, 6), dtype=np.float32)
    for number in range(count):
        seed = first_seed + number // frames_a_scene
        if number % frames_a_scene == 0:
            rng = np.random.default_rng((seed, 9))
            scene = Scene(seed, conditions=random_conditions(rng))
        frame, objects = scene.render(int(rng.integers(0, 4000)))
        how = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_AREA
        small = cv2.resize(frame, (WIDTH, HEIGHT), None, 0, 0, how)
        images[number], truths[number] = small[..., ::-1], to_rows(objects)
    return images, truths


def kept_frames(work: Path, name: str, count: int, seed: int) -> tuple[Frames, Floats]:
    images_at, truths_at = work / f"{name}-{count}.npy", work / f"{name}-{count}-truth.npy"
    if not truths_at.exists():
        images, truths = draw_frames(count, seed, frames_a_scene=8)
        np.save(images_at, images)
        np.save(truths_at, truths)
    return np.load(images_at, mmap_mode="r"), np.load(truths_at)


def build_model(batch: int | None = None) -> tf.keras.Model:
    """Plain 3x3 convolutions; strides 8 and 16 see, one head at stride 8 speaks."""
    layers = tf.keras.layers

    def conv(x: Any, filters: int, kernel: int = 3, stride: int = 1) -> Any:
        x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False)(x)
        return layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.97)(x))

    def residual(x: Any, filters: int) -> Any:
        return layers.Add()([x, conv(conv(x, filters // 2, 1), filters)])

    def head(x: Any, outputs: int, bias: list[float], activation: str) -> Any:
        start = tf.constant_initializer(bias)
        x = layers.Conv2D(outputs, 1, activation=activation, bias_initializer=start)(x)
        return layers.Reshape((CELLS, outputs))(x)

    image = layers.Input((HEIGHT, WIDTH, 3), batch_size=batch)
    x = residual(conv(conv(image, 12, 3, 2), 24, 3, 2), 24)
    fine = residual(conv(x, 40, 3, 2), 40)
    x = conv(fine, 80, 3, 2)
    for _ in range(3):
        x = residual(x, 80)
    x = layers.UpSampling2D(2, interpolation="nearest")(conv(x, 40, 1))
    x = conv(layers.Concatenate()([fine, x]), 48)
    where, what = conv(x, 32), conv(x, 32)
    centre = Centre()(head(where, 2, [0.0, 0.0], "tanh"))
    size = head(where, 2, [-2.7, -1.9], "sigmoid")
    scores = head(what, len(LABELS), [-4.0] * len(LABELS), "sigmoid")
    return tf.keras.Model(image, layers.Concatenate(axis=-1)([centre, size, scores]))


def cell_centres() -> Floats:
    y, x = np.mgrid[:GRID_H, :GRID_W]
    return np.stack(((x + 0.5) / GRID_W, (y + 0.5) / GRID_H), axis=-1).reshape(CELLS, 2).astype("f")


class Centre(tf.keras.layers.Layer):
    """From -1..1 to a box's centre: at most REACH from the centre of the cell that sees it."""

    def call(self, inputs: Any) -> Any:
        return tf.clip_by_value(inputs * REACH + tf.constant(cell_centres()[None]), 0.0, 1.0)


def targets(truth: Any) -> tuple[Any, Any, Any]:
    """For each cell the class scores wanted, the box (x1, y1, x2, y2), and the weight.

    An object claims the cells around its centre, the nearer (smaller) object first; the rest of
    an ignored object weighs nothing.
    """
    cells = tf.constant(cell_centres())[None, :, None, :]
    classes, boxes, weight = truth[:, None, :, 0], truth[:, None, :, 1:5], truth[:, None, :, 5]
    low, high = boxes[..., :2], boxes[..., 2:]
    half_cell = tf.constant([0.5 / GRID_W, 0.5 / GRID_H])
    reach = tf.maximum(half_cell * 1.01, 0.18 * (high - low))
    near = tf.reduce_all(tf.abs(cells - (low + high) / 2) <= reach, -1) & (classes >= 0)
    inside = tf.reduce_all((cells >= low) & (cells <= high), -1) & (classes >= 0)
    area = tf.where(near, tf.reduce_prod(high - low, -1), 9.0)
    best = tf.argmin(area, -1)
    claimed = tf.reduce_any(near, -1)
    counting = tf.gather(truth[..., 5], best, batch_dims=1) > 0.5
    box = tf.gather(truth[..., 1:5], best, batch_dims=1)
    label = tf.cast(tf.gather(truth[..., 0], best, batch_dims=1), tf.int32)
    wanted = tf.one_hot(label, len(LABELS))
    positive = tf.cast(claimed & counting, tf.float32)
    ignored = (claimed & ~counting) | tf.reduce_any(inside & (weight < 0.5), -1)
    weight = tf.where(positive > 0, 1.0, 1.0 - tf.cast(ignored, tf.float32))
    return wanted * positive[..., None], box, weight


def giou(one: Any, other: Any) -> tuple[Any, Any]:
    """IoU and generalised IoU of boxes (x1, y1, x2, y2)."""

    def area(low: Any, high: Any) -> Any:
        return tf.reduce_prod(tf.maximum(high - low, 0.0), -1)

    both = area(tf.maximum(one[..., :2], other[..., :2]), tf.minimum(one[..., 2:], other[..., 2:]))
    hull = area(tf.minimum(one[..., :2], other[..., :2]), tf.maximum(one[..., 2:], other[..., 2:]))
    either = area(one[..., :2], one[..., 2:]) + area(other[..., :2], other[..., 2:]) - both
    iou = both / (either + 1e-7)
    return iou, iou - (hull - either) / (hull + 1e-7)


def loss_of(output: Any, truth: Any) -> Any:
    """Varifocal scores (a positive is worth its box's IoU) and generalised IoU of the boxes."""
    wanted, box, weight = targets(truth)
    centre, size, scores = output[..., :2], output[..., 2:4], output[..., 4:]
    iou, overlap = giou(tf.concat((centre - size / 2, centre + size / 2), -1), box)
    positive = tf.reduce_max(wanted, -1)
    worth = wanted * (0.4 + 0.6 * tf.stop_gradient(iou))[..., None]
    scores = tf.clip_by_value(scores, 1e-5, 1 - 1e-5)
    focus = tf.where(wanted > 0, worth, 0.75 * tf.stop_gradient(scores) ** 2)
    entropy = -(worth * tf.math.log(scores) + (1 - worth) * tf.math.log(1 - scores))
    of_scores = tf.reduce_sum(tf.reduce_sum(focus * entropy, -1) * weight)
    mid = tf.concat(((box[..., :2] + box[..., 2:]) / 2, box[..., 2:] - box[..., :2]), -1)
    apart = tf.reduce_sum(tf.abs(output[..., :4] - mid), -1)
    of_boxes = tf.reduce_sum(positive * (1.5 * (1 - overlap) + 3.0 * apart))
    return (of_scores + of_boxes) / tf.maximum(tf.reduce_sum(positive), 1.0)


def normalised(images: Any) -> Any:
    return (tf.cast(images, tf.float32) - 127.5) / 127.5


def flipped(images: Frames, truths: Floats, rng: Generator) -> tuple[Frames, Floats]:
    """Each frame mirrored or not, a little brighter or darker."""
    images, truths = np.array(images), np.array(truths)
    for number in np.flatnonzero(rng.random(len(images)) < 0.5):
        images[number] = images[number, :, ::-1]
        real = truths[number, :, 0] >= 0
        truths[number, real, 1], truths[number, real, 3] = (
            1 - truths[number, real, 3], 1 - truths[number, real, 1],
        )  # fmt: skip
    gain = rng.uniform(0.8, 1.2, (len(images), 1, 1, 1)).astype(np.float32)
    return np.clip(images * gain, 0, 255).astype(np.uint8), truths


def train(args: argparse.Namespace) -> tf.keras.Model:
    images, truths = kept_frames(args.work, "train", args.frames, 0)
    checked = kept_frames(args.work, "validation", 400, VALIDATION_SEED)
    model = build_model()
    steps = args.epochs * (args.frames // args.batch)
    rate = tf.keras.optimizers.schedules.CosineDecay(
        1e-5, steps - steps // 20, 0.02, warmup_target=args.rate, warmup_steps=steps // 20
    )
    optimizer = tf.keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=10.0)
    epoch = tf.Variable(0)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, epoch=epoch)
    manager = tf.train.CheckpointManager(checkpoint, str(args.work / "checkpoints"), max_to_keep=2)
    checkpoint.restore(manager.latest_checkpoint)

    @tf.function
    def step(batch: Any, truth: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(model(normalised(batch), training=True), truth)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    while int(epoch) < args.epochs:
        rng, began = np.random.default_rng((7, int(epoch))), time.monotonic()
        losses = [
            float(step(*flipped(images[part], truths[part], rng)))
            for part in batches(rng.permutation(args.frames), args.batch)
        ]
        loss = validation_loss(model, *checked)
        epoch.assign_add(1)
        manager.save()
        took = time.monotonic() - began
        print(
            f"epoch {int(epoch)}: {np.mean(losses):.4f}, validation {loss:.4f}, {took:.0f} s",
            flush=True,
        )
    return model


def batches(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(order) - size + 1, size):
        yield np.sort(order[start : start + size])


def validation_loss(model: tf.keras.Model, images: Frames, truths: Floats) -> float:
    parts = batches(np.arange(len(images)), 40)
    return float(np.mean([loss_of(model(normalised(images[p])), truths[p]) for p in parts]))


def export(model: tf.keras.Model, images: Frames) -> bytes:
    """int8 throughout, one frame at a time; the output is turned back to float at the very end."""
    single = build_model(batch=1)
    single.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(single)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    samples = images[:: max(1, len(images) // 300)]
    converter.representative_dataset = lambda: ([normalised(s[None])] for s in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    return bytes(converter.convert())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("/tmp/village-road"))
    parser.add_argument("--out", type=Path, default=HERE / "village-road.tflite")
    parser.add_argument("--frames", type=int, default=12_000)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    tf.keras.utils.set_random_seed(1)
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = train(args)
    weights = export(model, kept_frames(args.work, "train", args.frames, 0)[0])
    args.out.write_bytes(weights)
    digest = hashlib.sha256(weights).hexdigest()
    print(f"{args.out}: {len(weights)} bytes, {model.count_params()} parameters, sha256 {digest}")


if __name__ == "__main__":
    main()
