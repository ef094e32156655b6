"""How many classes a model has, held against the pack's labels: one off, and all names shift."""

from __future__ import annotations

from edge_runtime.decode.base import ModelTensors
from edge_runtime.errors import PackError, Text, located

BACKGROUND = ("???", "background", "#0")


def check_count(model: ModelTensors, classes: int | None) -> None:
    """Raise PackError where the labels are not exactly a model's classes; None: not known."""
    if classes is not None and len(model.labels) != classes:
        raise PackError(located("output.labels", count_fault(model, classes)))


def count_fault(model: ModelTensors, classes: int) -> Text:
    """Say that there are more or fewer labels than classes, and what would be right."""
    labels, offset = len(model.labels), model.label_offset
    if offset and labels + offset == classes:
        advice = Text("set label_offset = 0")
    elif not offset and labels == classes + 1 and is_background(model.labels[0]):
        advice = Text("its first line is the background: set label_offset = 1")
    else:
        advice = Text("take the list that came with this model")
    return Text(
        "the model has {classes} classes, {file} {labels} labels{offset}; {advice}",
        classes=classes,
        file=model.labels_file,
        labels=labels,
        offset=Text(" (after label_offset = {offset})", offset=offset) if offset else "",
        advice=advice,
    )


def is_background(label: str) -> bool:
    """Say whether a label names what is no object."""
    return label.lower().strip("_ ") in BACKGROUND


def not_compared(model: ModelTensors) -> tuple[Text, ...]:
    """Return the note that nothing says how many classes a model has; none where it is known."""
    if not model.labels or model.facts.classes is not None:
        return ()
    text = Text(
        "the model does not say how many classes it has: whether {file} names each rightly was "
        "not checked",
        file=model.labels_file,
    )
    return (text,)
