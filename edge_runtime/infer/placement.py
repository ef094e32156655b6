"""How much of a model a delegate has really taken: operators, and multiply-adds by their shapes.

A delegate that takes nothing is no error to the interpreter: the CPU then does all the work.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from edge_runtime.errors import BackendError, Text
from edge_runtime.options import DelegateOptions

Shape: TypeAlias = tuple[int, ...]

DELEGATE = "DELEGATE"  # the name that the interpreter gives to a node that a delegate put in
# Operators of files that were compiled for one accelerator: no CPU can run them, and what they
# hold cannot be seen from outside (edgetpu_compiler; Arm's Vela).
COMPILED = ("edgetpu-custom-op", "ethos-u")


class DelegatePlacement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a delegate has taken of a model, in so many `partitions`; the CPU runs the rest.

    `macs_share`: of the multiply-adds, 0 to 1; None where the model has none that can be counted,
    or holds operators that were compiled before (`compiled` of them). `cpu_macs`: multiply-adds
    of an inference that are left to the CPU.
    """

    library: str
    nodes: int
    nodes_taken: int
    partitions: int
    macs_share: float | None = None
    cpu_macs: int = 0
    compiled: int = 0
    compiled_taken: int = 0

    @property
    def share(self) -> float:
        """The part that is taken, 0 to 1: of the multiply-adds, else of what can be counted."""
        if self.compiled:
            return self.compiled_taken / self.compiled
        if self.macs_share is not None:
            return self.macs_share
        return self.nodes_taken / self.nodes if self.nodes else 0.0

    def describe(self) -> Text:
        """Return it as a few words."""
        counted = {"library": self.library, "taken": self.nodes_taken, "nodes": self.nodes}
        if self.compiled:
            return Text(
                "{library} took {taken} of {nodes} operators, {part} of the {compiled} compiled "
                "for an accelerator; the CPU keeps {macs} multiply-adds",
                part=self.compiled_taken,
                compiled=self.compiled,
                macs=f"{self.cpu_macs:,}",
                **counted,
            )
        if self.macs_share is None:
            return Text(
                "{library} took {taken} of {nodes} operators; the model has no multiply-adds to "
                "count",
                **counted,
            )
        return Text(
            "{library} took {taken} of {nodes} operators, {share} % of the multiply-adds",
            share=percent(self.macs_share),
            **counted,
        )


class Operator(msgspec.Struct, frozen=True):
    """One node of the graph; tensors by their indices, -1 for one that was left out."""

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]


def measure(interpreter: Any, delegate: DelegateOptions) -> DelegatePlacement:
    """Return what a delegate has taken of an interpreter's graph.

    The interpreter's own delegate (XNNPACK) must not have come yet: it comes in
    `allocate_tensors`, or never to an interpreter without default delegates. Of a model with
    further graphs (loops, branches) the main one is looked at.
    """
    operators = [
        Operator(one["op_name"], one["inputs"].tolist(), one["outputs"].tolist())
        for one in interpreter._get_ops_details()
    ]
    shapes = {
        one["index"]: tuple(int(size) for size in one["shape"])
        for one in interpreter.get_tensor_details()
    }
    return placement_of(Path(delegate.library).name, operators, shapes)


def placement_of(
    library: str, operators: Iterable[Operator], shapes: Mapping[int, Shape]
) -> DelegatePlacement:
    """Count what lies within the nodes that a delegate put in, and what does not."""
    graph = [one for one in operators if one.name != DELEGATE]
    partitions = [one for one in operators if one.name == DELEGATE]
    made_by = {tensor: index for index, one in enumerate(graph) for tensor in one.outputs}
    taken = set().union(*(within(one, graph, made_by) for one in partitions))
    work = [macs_of(one, shapes) for one in graph]
    compiled = [index for index, one in enumerate(graph) if one.name in COMPILED]
    macs = sum(work)
    cpu_macs = macs - sum(work[index] for index in taken)
    return DelegatePlacement(
        library,
        nodes=len(graph),
        nodes_taken=len(taken),
        partitions=len(partitions),
        macs_share=None if compiled or not macs else round(1.0 - cpu_macs / macs, 4),
        cpu_macs=cpu_macs,
        compiled=len(compiled),
        compiled_taken=len(taken.intersection(compiled)),
    )


def within(partition: Operator, graph: Sequence[Operator], made_by: Mapping[int, int]) -> set[int]:
    """Return the indices of the operators between a partition's outputs and its inputs."""
    found: set[int] = set()
    given = set(partition.inputs)
    open_ends = list(partition.outputs)
    while open_ends:
        tensor = open_ends.pop()
        index = made_by.get(tensor)
        if index is None or index in found or tensor in given:
            continue
        found.add(index)
        open_ends += graph[index].inputs
    return found


def macs_of(operator: Operator, shapes: Mapping[int, Shape]) -> int:
    """Return the multiply-adds of an operator; 0 where it has none that are counted here.

    Weights lie as TensorFlow Lite has them: convolutions [out, h, w, in] (depthwise [1, h, w,
    out], in three dimensions [d, h, w, in, out]), fully connected [out, in].
    """
    inputs = [shapes.get(tensor, ()) for tensor in operator.inputs]
    output = shapes.get(operator.outputs[0], ()) if operator.outputs else ()
    if len(inputs) < 2 or not (inputs[0] and inputs[1] and output):
        return 0
    made, weights = math.prod(output), inputs[1]
    match operator.name:
        case "CONV_2D" | "FULLY_CONNECTED" | "DEPTHWISE_CONV_2D":
            # Depthwise, the first is 1 and each weight is used for one output channel.
            once = weights[-1] if operator.name == "DEPTHWISE_CONV_2D" else weights[0]
            return made * math.prod(weights) // max(once, 1)
        case "CONV_3D":
            return made * math.prod(weights[:-1])
        case "TRANSPOSE_CONV":  # its inputs: output shape, weights, picture
            picture = inputs[2] if len(inputs) > 2 else ()
            return math.prod(picture) * math.prod(weights[:-1]) if picture else 0
        case "BATCH_MATMUL" if len(output) >= 2 and len(inputs[0]) >= 2:
            # The first may be given transposed: of its two last sizes one is the output's rows.
            return made * (inputs[0][-1] * inputs[0][-2] // max(output[-2], 1))
    return 0


def check_share(placement: DelegatePlacement, delegate: DelegateOptions) -> None:
    """Raise BackendError where a delegate has taken nothing, or less than it is to take."""
    if placement.compiled:
        if placement.compiled_taken < placement.compiled:
            raise BackendError(
                "{measured}; take the file that was compiled for this accelerator",
                measured=placement.describe(),
            )
        return
    if placement.nodes_taken and placement.share >= delegate.min_share:
        return
    raise BackendError(
        "{measured}; min_share is {least} %: is the library the one of this accelerator, is the "
        "accelerator there, and was the model converted for it (most take integer weights alone)? "
        "Where the CPU is to do so much, lower `min_share`; where it is to do all, take "
        "`delegate` out of the stream's model",
        measured=placement.describe(),
        least=percent(delegate.min_share),
    )


def is_compiled(weights: Path) -> bool:
    """Say whether a file was compiled for an accelerator, so that no CPU can run it."""
    try:
        with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as it:
            return any(it.find(name.encode()) >= 0 for name in COMPILED)
    except (OSError, ValueError):  # it is not there, or empty
        return False


def percent(share: float) -> str:
    """Return a share in percent, cut off and not rounded: 94.97 % is less than 95 %."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:g}"
