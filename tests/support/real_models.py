"""A published model through the project's own stages, and through a bare interpreter."""

from __future__ import annotations

from importlib import import_module, util
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.decode.base import Decoder, open_decoder
from edge_runtime.infer.base import Backend
from edge_runtime.infer.engines import open_backend
from edge_runtime.manifest import InputSection, OutputSection
from edge_runtime.normalise import normalisation_of
from edge_runtime.preprocess import Preprocessor, check_input
from edge_runtime.raw import Image
from edge_runtime.records import Decoded

Outputs: TypeAlias = tuple[NDArray[Any], ...]


class Stages:
    """The project's stages for one model."""

    def __init__(
        self, weights: Path, given: InputSection, output: OutputSection, labels: tuple[str, ...]
    ) -> None:
        self.backend: Backend = open_backend(weights, engine="auto", delegate=None)
        check_input(given, self.backend.input)
        normalisation = normalisation_of(given, output, self.backend.input)
        self.preprocessor = Preprocessor(given, self.backend.input, normalisation)
        self.decoder: Decoder = open_decoder(
            output, self.backend.outputs, labels, input_spec=self.backend.input
        )
        self.buffer = self.preprocessor.new_buffer()

    def run(self, image: Image, *, min_score: float) -> tuple[Outputs, Decoded]:
        """Return the raw outputs for a picture, and their record."""
        placement = self.preprocessor.fill(image, self.buffer)
        outputs = self.backend.infer(self.buffer)
        return outputs, self.decoder.decode(outputs, placement, min_score=min_score)


class Bare:
    """An interpreter alone."""

    def __init__(self, weights: Path) -> None:
        package = "ai_edge_litert" if util.find_spec("ai_edge_litert") else "tflite_runtime"
        runtime = import_module(f"{package}.interpreter")
        self.interpreter = runtime.Interpreter(model_path=str(weights), num_threads=1)
        self.interpreter.allocate_tensors()

    def run(self, tensor: NDArray[Any]) -> Outputs:
        """Set the input, invoke, return copies of the outputs."""
        details = self.interpreter.get_input_details()[0]
        self.interpreter.set_tensor(details["index"], tensor)
        self.interpreter.invoke()
        return tuple(
            self.interpreter.get_tensor(output["index"])
            for output in self.interpreter.get_output_details()
        )


def rgb(image: Image, size: int) -> Image:
    """Return the bare program's input: resized, as RGB, with the batch's axis."""
    resized = cv2.cvtColor(cv2.resize(image, (size, size)), cv2.COLOR_BGR2RGB)
    return np.asarray(resized[None], np.uint8)


def read(path: Path) -> Image:
    image = cv2.imread(str(path))
    assert image is not None
    return image.astype(np.uint8, copy=False)


def assert_same(ours: Outputs, bare: Outputs) -> None:
    assert [(o.shape, o.dtype) for o in ours] == [(b.shape, b.dtype) for b in bare]
    assert all(np.array_equal(o, b) for o, b in zip(ours, bare, strict=True))
