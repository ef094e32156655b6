"""What an interpreter says of a model's tensors: shapes, types, and which operator gives them."""

from __future__ import annotations

from math import prod
from typing import Any

import msgspec
import numpy as np

from edge_runtime.raw import TensorSpec

# These change how numbers are stored or arranged, not what they are.
RECASTING = ("DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE", "CAST")
OF_THE_INTERPRETER = "DELEGATE"  # stands beside the operators that it runs in their place


def open_sizes(details: dict[str, Any]) -> list[int]:
    """Return the shape of an input whose size is left open (-1), the batch's aside; else []."""
    signature = [int(size) for size in details.get("shape_signature", details["shape"])]
    # One dimension alone is a signal's length, not a batch.
    fixed = signature[1:] if len(signature) > 1 else signature
    return signature if -1 in fixed else []


def tensor_spec(details: dict[str, Any]) -> TensorSpec:
    """Return a tensor's details as the interpreter gives them, as ours: shape, dtype, scale."""
    scale, zero_point = details["quantization"]
    return TensorSpec(
        name=str(details["name"]),
        shape=tuple(int(size) for size in details["shape"]),
        dtype=np.dtype(details["dtype"]).name,
        scale=float(scale),
        zero_point=int(zero_point),
    )


def output_specs(interpreter: Any) -> tuple[TensorSpec, ...]:
    """Return the outputs, with its operator the one of a classifier: alone, a row of values."""
    details = interpreter.get_output_details()
    specs = tuple(tensor_spec(one) for one in details)
    if len(specs) != 1 or max(specs[0].shape, default=0) != prod(specs[0].shape):
        return specs
    operator = operator_of(interpreter, int(details[0]["index"]))
    return (msgspec.structs.replace(specs[0], operator=operator),)


def operator_of(interpreter: Any, tensor: int) -> str:
    """Return the operator that computes a tensor, such as LOGISTIC; "" where that is not told.

    The libraries call their list of operators experimental: one that has none tells nothing.
    """
    try:
        operators = interpreter._get_ops_details()
        givers = {
            int(output): (str(one["op_name"]), [int(index) for index in one["inputs"]])
            for one in operators
            if one["op_name"] != OF_THE_INTERPRETER
            for output in one["outputs"]
        }
    except (AttributeError, KeyError, TypeError):
        return ""
    for _ in givers:  # a chain is no longer than this; a damaged file may go round
        name, inputs = givers.get(tensor, ("", []))
        if name not in RECASTING or not inputs:
            return name
        tensor = inputs[0]
    return ""
