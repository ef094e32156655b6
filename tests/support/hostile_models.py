"""Models that pass their trial, which is black, and misbehave on the first picture that is not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pytest

Misdeed: TypeAlias = Literal["loops", "fills"]
SIDE = 8
STEPS = 8_000_000  # of a loop, or numbers of 4 bytes, for each grey level of the brightest pixel

MANIFEST = """
[pack]
name = "{name}"
version = "1.0.0"
task = "classification"
license = "Apache-2.0"
[model]
file = "model.tflite"
sha256 = "{sha256}"
[input]
kind = "image"
color = "rgb"
mean = 0.0
std = 1.0
[output]
decoder = "classification"
labels = "labels.txt"
"""


def write_hostile_pack(folder: Path, misdeed: Misdeed) -> Path:
    """Write a pack whose model `loops` for minutes, or `fills` 8 GB of memory."""
    folder.mkdir()
    weights = hostile_model(misdeed)
    (folder / "model.tflite").write_bytes(weights)
    (folder / "labels.txt").write_text("thing\n")
    sha256 = hashlib.sha256(weights).hexdigest()
    (folder / "pack.toml").write_text(MANIFEST.format(name=misdeed, sha256=sha256))
    return folder


class Writer:
    """Collects the operators and tensors of a model's graphs."""

    def __init__(self) -> None:
        self.schema: Any = pytest.importorskip(
            "ai_edge_litert.schema_py_generated", reason="only LiteRT brings the format's schema"
        )
        self.model = self.schema.ModelT()
        self.model.version = 3
        self.model.operatorCodes, self.model.subgraphs = [], []
        self.model.buffers = [self.schema.BufferT()]

    def bytes(self) -> bytes:
        import flatbuffers

        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def code(self, operator: str) -> int:
        number = getattr(self.schema.BuiltinOperator, operator)
        known = [one.builtinCode for one in self.model.operatorCodes]
        if number not in known:
            code = self.schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = number
            code.version = 1
            self.model.operatorCodes.append(code)
            known.append(number)
        return known.index(number)


class Graph:
    """One graph under construction: `of` adds an operator and returns its output's number."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._graph = writer.schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        writer.model.subgraphs.append(self._graph)

    def tensor(self, kind: str, shape: tuple[int, ...] = (), *, any_length: bool = False) -> int:
        tensor = self._writer.schema.TensorT()
        tensor.name = f"t{len(self._graph.tensors)}"
        tensor.type = getattr(self._writer.schema.TensorType, kind)
        tensor.shape, tensor.buffer = list(shape), 0
        tensor.shapeSignature = [-1] if any_length else None
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, values: object, kind: str = "INT32") -> int:
        array = np.asarray(values, kind.lower())
        number = self.tensor(kind, array.shape)
        buffer = self._writer.schema.BufferT()
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        self._writer.model.buffers.append(buffer)
        self._graph.tensors[number].buffer = len(self._writer.model.buffers) - 1
        return number

    def add(
        self, operator: str, given: list[int], made: list[int], options: str = "", **values: object
    ) -> int:
        schema = self._writer.schema
        step = schema.OperatorT()
        step.opcodeIndex, step.inputs, step.outputs = self._writer.code(operator), given, made
        if options:
            step.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            step.builtinOptions = getattr(schema, f"{options}T")()
            for name, value in values.items():
                setattr(step.builtinOptions, name, value)
        self._graph.operators.append(step)
        return made[0]

    def between(self, given: list[int], made: list[int]) -> None:
        self._graph.inputs, self._graph.outputs = given, made


def hostile_model(misdeed: Misdeed) -> bytes:
    """Return a model of a picture of floats: steps = brightest pixel * STEPS + 1."""
    writer = Writer()
    types = writer.schema.TensorType
    main = Graph(writer)
    picture = main.tensor("FLOAT32", (1, SIDE, SIDE, 3))
    axes = main.constant([0, 1, 2, 3])
    made = [main.tensor("FLOAT32")]
    brightest = main.add("REDUCE_MAX", [picture, axes], made, "ReducerOptions", keepDims=False)
    cast = {"inDataType": types.FLOAT32, "outDataType": types.INT32}
    whole = main.add("CAST", [brightest], [main.tensor("INT32")], "CastOptions", **cast)
    scaled = [whole, main.constant(STEPS)]
    steps = main.add("MUL", scaled, [main.tensor("INT32")], "MulOptions")
    steps = main.add("ADD", [steps, main.constant(1)], [main.tensor("INT32")], "AddOptions")
    result = fill(main, steps) if misdeed == "fills" else loop(writer, main, steps)
    row = main.add("RESHAPE", [result, main.constant([1, 1])], [main.tensor("FLOAT32", (1, 1))])
    score = main.add("LOGISTIC", [row], [main.tensor("FLOAT32", (1, 1))])
    main.between([picture], [score])
    return writer.bytes()


def fill(main: Graph, steps: int) -> int:
    """Make a row of so many numbers, and take the largest."""
    length = main.add("RESHAPE", [steps, main.constant([1])], [main.tensor("INT32", (1,))])
    half = main.constant(0.5, "FLOAT32")
    row = main.tensor("FLOAT32", (1,), any_length=True)
    main.add("FILL", [length, half], [row], "FillOptions")
    made = [main.tensor("FLOAT32", (1,))]
    return main.add("REDUCE_MAX", [row, main.constant([0])], made, "ReducerOptions", keepDims=True)


def loop(writer: Writer, main: Graph, steps: int) -> int:
    """Count up to so many steps, one by one."""
    count, limit = main.tensor("INT32"), main.tensor("INT32")
    main.add(
        "WHILE", [main.constant(0), steps], [count, limit], "WhileOptions",
        condSubgraphIndex=1, bodySubgraphIndex=2,
    )  # fmt: skip
    goes_on = Graph(writer)
    now, end, less = goes_on.tensor("INT32"), goes_on.tensor("INT32"), goes_on.tensor("BOOL")
    goes_on.add("LESS", [now, end], [less], "LessOptions")
    goes_on.between([now, end], [less])
    body = Graph(writer)
    now, end, after = body.tensor("INT32"), body.tensor("INT32"), body.tensor("INT32")
    body.add("ADD", [now, body.constant(1)], [after], "AddOptions")
    body.between([now, end], [after, end])
    types = writer.schema.TensorType
    cast = {"inDataType": types.INT32, "outDataType": types.FLOAT32}
    return main.add("CAST", [count], [main.tensor("FLOAT32")], "CastOptions", **cast)
