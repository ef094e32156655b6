"""Output tensors to records: what a decoder is, and which one a pack names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

import msgspec

from edge_runtime.boxes import InputPlacement
from edge_runtime.decode.looks import looks_like
from edge_runtime.decode.nms import DOUBLE_IOU, without_doubles
from edge_runtime.decode.tensors import ShapeError
from edge_runtime.errors import PackError, Text, row
from edge_runtime.label_groups import LabelGroups
from edge_runtime.manifest import OutputSection
from edge_runtime.raw import NO_FACTS, ModelFacts, Tensor, TensorSpec
from edge_runtime.records import Decoded, Detections

KINDS = {
    "ssd": "edge_runtime.decode.ssd:SsdDecoder",
    "yolo": "edge_runtime.decode.yolo:open_yolo",
    "classification": "edge_runtime.decode.scores:ScoresDecoder",
    "movenet": "edge_runtime.decode.movenet:MovenetDecoder",
    "reconstruction": "edge_runtime.decode.reconstruction:ReconstructionDecoder",
}


class ModelTensors(msgspec.Struct, frozen=True):
    """What a decoder is built for. `labels[class_id]` names a class, `label_offset` is applied."""

    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    labels: tuple[str, ...]
    iou: float
    facts: ModelFacts = NO_FACTS
    labels_file: str = "labels.txt"
    label_offset: int = 0


class Decoder(Protocol):
    """Reads a model's outputs. Built with `ModelTensors`; PackError where they do not fit.

    Keeps no state between frames: any thread may call it. Coordinates come out as fractions of
    the frame, clipped to it; a score that is not finite, or below `min_score`, does not come out.
    """

    @property
    def notes(self) -> tuple[Text, ...]:
        """What could not be checked, or will be poor, for the person who checks the pack."""
        ...

    def decode(
        self, outputs: Sequence[Tensor], placement: InputPlacement, *, min_score: float
    ) -> Decoded:
        """Return what the outputs say, best first.

        `outputs`: as stored, in the model's order, of the shapes and dtypes of the specs that it
        was built with; of a window the input tensor comes after them. `min_score`: 0 to 1, of an
        anomaly its threshold. Raises PackError where their values are none of such a model,
        BackendError where they are no numbers.
        """
        ...


class DecoderKind(Protocol):
    """A decoder's class, or what chooses among several."""

    def __call__(self, model: ModelTensors) -> Decoder: ...


class OneLabelEach:
    """A decoder that tells each thing once, where a detector's classes stand for each other."""

    def __init__(self, decoder: Decoder, groups: LabelGroups, double_iou: float) -> None:
        self._decoder = decoder
        self._groups = groups
        self._double_iou = double_iou
        self.notes = decoder.notes

    def decode(
        self, outputs: Sequence[Tensor], placement: InputPlacement, *, min_score: float
    ) -> Decoded:
        decoded = self._decoder.decode(outputs, placement, min_score=min_score)
        if not isinstance(decoded, Detections):
            return decoded
        return without_doubles(decoded, self._groups, self._double_iou)


def open_decoder(
    output: OutputSection,
    specs: tuple[TensorSpec, ...],
    labels: tuple[str, ...],
    *,
    input_spec: TensorSpec,
    facts: ModelFacts = NO_FACTS,
    iou: float | None = None,
) -> Decoder:
    """Return the decoder that a pack names. `iou`: of the stream, else the pack's own.

    Raises PackError where the outputs' shapes, dtypes or number of classes are not the decoder's.
    """
    module, _, name = KINDS[output.decoder].partition(":")
    kind: DecoderKind = getattr(import_module(module), name)
    limit = output.iou if iou is None else iou
    model = ModelTensors(
        input_spec, specs, labels, limit, facts, output.labels or "labels", output.label_offset
    )
    try:
        decoder = kind(model)
    except ShapeError as error:
        if (looks := looks_like(output.decoder, input_spec, specs)) is None:
            raise
        raise PackError(row((error, looks))) from None
    groups = LabelGroups(labels, output.groups)
    return OneLabelEach(decoder, groups, max(DOUBLE_IOU, limit)) if groups else decoder
