"""Writes a TensorFlow Lite file of one operator: for what no model at hand has."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import pytest

Operator: TypeAlias = Literal["LOGISTIC", "SOFTMAX", "TANH"]
SOFTMAX_OPTIONS = 9  # the number of SoftmaxOptions in the format's union of options


def write_model(
    path: Path,
    operator: Operator,
    shape: tuple[int, ...],
    *,
    signature: tuple[int, ...] = (),
) -> Path:
    """Write a float32 model that gives its input through an operator; -1 in `signature`: any."""
    schema = pytest.importorskip(
        "ai_edge_litert.schema_py_generated", reason="only LiteRT brings the format's schema"
    )
    import flatbuffers

    def tensor(name: str) -> object:
        one = schema.TensorT()
        one.name, one.shape, one.buffer = name, list(shape), 0
        one.shapeSignature = list(signature) or None
        return one

    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, operator)
    code.deprecatedBuiltinCode, code.version = code.builtinCode, 1
    step = schema.OperatorT()
    step.inputs, step.outputs = [0], [1]
    if operator == "SOFTMAX":
        step.builtinOptionsType, step.builtinOptions = SOFTMAX_OPTIONS, schema.SoftmaxOptionsT()
        step.builtinOptions.beta = 1.0
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [tensor("in"), tensor("out")], [step]
    graph.inputs, graph.outputs = [0], [1]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path
