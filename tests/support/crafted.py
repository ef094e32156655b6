"""Writes .tflite files of a few operators: outputs of any shape and values, in the real format.

The picture goes nowhere: outputs are constants, or TFLite_Detection_PostProcess makes them of
constants. Needs the schema that LiteRT brings.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

LITERT = "the schema to write models with comes with ai-edge-litert, which is not installed"
TYPES = {"float32": "FLOAT32", "int32": "INT32", "uint8": "UINT8", "int8": "INT8"}
Array = NDArray[Any]


class Network:
    """A graph that grows operator by operator; `write` makes the file."""

    def __init__(self, picture: Sequence[int] = (1, 64, 64, 3)) -> None:
        self._schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason=LITERT)
        self._model = self._schema.ModelT()
        self._model.version = 3
        self._model.operatorCodes = []
        self._model.buffers = [self._schema.BufferT()]
        self._graph = self._schema.SubGraphT()
        self._graph.tensors, self._graph.operators, self._graph.outputs = [], [], []
        self._graph.inputs = [self._tensor("images", picture, "float32")]
        self._model.subgraphs = [self._graph]

    def give(self, values: Array, name: str = "out", *, scale: float = 0.0, zero: int = 0) -> None:
        """Add an output of these values."""
        flat = values.reshape(-1)
        constant = self._constant(f"{name}/flat", flat)
        shape = self._constant(f"{name}/shape", np.array(values.shape, np.int32))
        given = self._tensor(name, values.shape, values.dtype.name)
        if scale:
            for place in (constant, given):
                quantisation = self._schema.QuantizationParametersT()
                quantisation.scale, quantisation.zeroPoint = [scale], [zero]
                self._graph.tensors[place].quantization = quantisation
        self._operator(self._schema.BuiltinOperator.RESHAPE, [constant, shape], [given])
        self._graph.outputs.append(given)

    def give_ssd(self, classes: int, options: bytes | None = None) -> None:
        """Add the four outputs of TFLite_Detection_PostProcess; it sees the last class."""
        scores = np.full((1, 4, classes + 1), 0.1, np.float32)
        scores[:, :, -1] = 0.9
        inputs = [
            self._constant("boxes", np.zeros((1, 4, 4), np.float32)),
            self._constant("scores", scores),
            self._constant("anchors", np.full((4, 4), 0.5, np.float32)),
        ]
        shapes = ((1, 4, 4), (1, 4), (1, 4), (1,))
        names = [f"Post:{place}" for place in range(4)]
        given = [self._tensor(n, s, "float32") for n, s in zip(names, shapes, strict=True)]
        self.custom("TFLite_Detection_PostProcess", inputs, given, options or ssd_options(classes))
        self._graph.outputs += given

    def custom(
        self,
        name: str,
        inputs: Sequence[int] = (),
        outputs: Sequence[int] = (),
        options: bytes = b"",
    ) -> None:
        """Add an operator of no standard."""
        one = self._operator(self._schema.BuiltinOperator.CUSTOM, list(inputs), list(outputs), name)
        one.customOptions = list(options)

    def write(self, file: Path, described: Mapping[str, str] | None = None) -> Path:
        """Write the file; `described`: further files, zipped behind the model."""
        import flatbuffers

        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        file.write_bytes(bytes(builder.Output()))
        if described:
            with zipfile.ZipFile(file, "a") as archive:
                for name, text in described.items():
                    archive.writestr(name, text)
        return file

    def _tensor(self, name: str, shape: Sequence[int], dtype: str) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape = name.encode(), list(shape)
        tensor.type = getattr(self._schema.TensorType, TYPES[dtype])
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _constant(self, name: str, values: Array) -> int:
        place = self._tensor(name, values.shape, values.dtype.name)
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        self._graph.tensors[place].buffer = len(self._model.buffers) - 1
        return place

    def _operator(self, number: int, inputs: list[int], outputs: list[int], name: str = "") -> Any:
        code = self._schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = number
        code.customCode = name.encode() or None
        code.version = 1
        self._model.operatorCodes.append(code)
        one = self._schema.OperatorT()
        one.opcodeIndex = len(self._model.operatorCodes) - 1
        one.inputs, one.outputs = inputs, outputs
        self._graph.operators.append(one)
        return one


def ssd_options(classes: int) -> bytes:
    """Return the options of TFLite_Detection_PostProcess, as its converter writes them."""
    from flatbuffers import flexbuffers

    builder = flexbuffers.Builder()
    with builder.Map():
        for key, whole in (("max_detections", 4), ("max_classes_per_detection", 1),
                           ("detections_per_class", 4), ("num_classes", classes)):  # fmt: skip
            builder.Int(key, whole)
        for key, real in (("nms_score_threshold", 0.0), ("nms_iou_threshold", 0.6),
                          ("y_scale", 10.0), ("x_scale", 10.0), ("h_scale", 5.0),
                          ("w_scale", 5.0)):  # fmt: skip
            builder.Float(key, real)
        builder.Bool("use_regular_nms", False)
    return bytes(builder.Finish())
