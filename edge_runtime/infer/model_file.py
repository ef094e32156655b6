"""What a model's file says of itself beyond its tensors, and what a file is that cannot be run."""

from __future__ import annotations

import json
import mmap
import struct
from pathlib import Path
from typing import Any, NamedTuple

from edge_runtime.errors import Text
from edge_runtime.infer.flatbuffer import FlatTable, flexbuffer_number, root_table
from edge_runtime.raw import NO_FACTS, ModelFacts

# Field numbers of TensorFlow Lite's schema, version 3.
MODEL_CODES, MODEL_GRAPHS = 1, 2
CODE_OLD_NUMBER, CODE_NAME, CODE_NUMBER = 0, 1, 3
GRAPH_OPERATORS = 3
OPERATOR_CODE, OPERATOR_OPTIONS = 0, 5
BEST_OF = {48, 120, 121}  # TOPK_V2, NON_MAX_SUPPRESSION_V4 and _V5
SSD_END = "TFLite_Detection_PostProcess"

# Ultralytics, and YOLOv5 before, put one of these behind the model: as JSON, or as Python's repr.
DESCRIPTIONS = ("metadata.json", "temp_meta.txt")
MAX_DESCRIPTION_BYTES = 1 << 20
ZIP_END = b"PK\x05\x06"
MAX_ZIP_END_BYTES = 65_557  # with the longest comment

IDENTIFIER = b"TFL3"  # from the fifth byte on
PYTORCH = Text(
    "this is a PyTorch model, only .tflite runs here: export it as one with its trainer "
    "(Ultralytics: yolo export format=tflite)"
)
ONNX = Text("this is ONNX, only .tflite runs here: convert it with onnx2tf")
KERAS = Text(
    "this is a Keras model, only .tflite runs here: convert it with tf.lite.TFLiteConverter"
)
ARCHIVE = Text("this is a .zip: unpack it, and take the .tflite in it")
NO_MODEL_FILE = Text("this is no .tflite, and only .tflite runs here")

# Operators that no engine here has, by how their names begin, and what to do about them.
FOREIGN = {
    "edgetpu-custom-op": Text(
        'compiled for the Edge TPU: set delegate = "edgetpu" in the stream\'s model, or take the '
        "file without _edgetpu"
    ),
    "ethos-u": Text("compiled for Arm's Ethos-U by Vela: take the file that it was made of"),
    "NeutronGraph": Text("compiled for NXP's Neutron: take the file that it was made of"),
    "Flex": Text(
        "it needs operators of the whole TensorFlow: convert it anew, with TFLITE_BUILTINS alone"
    ),
}


class Operators(NamedTuple):
    """What the operators of a graph tell. `custom`: the names of those of no standard."""

    custom: tuple[str, ...]
    picks_best: bool
    classes: int | None


def read_facts(file: Path) -> ModelFacts:
    """Return what a .tflite says of itself: nothing where it cannot be read."""
    try:
        with file.open("rb") as opened, mapped(opened.fileno()) as data:
            found = operators(root_table(data))
            has_archive = data.rfind(ZIP_END, max(0, len(data) - MAX_ZIP_END_BYTES)) >= 0
    except (OSError, ValueError, struct.error, IndexError):
        return NO_FACTS
    described = description(file) if has_archive else {}
    names, options = described.get("names"), described.get("args")
    chosen = [described.get("end2end"), isinstance(options, dict) and options.get("nms")]
    classes = len(names) if isinstance(names, dict | list) else None
    return ModelFacts(
        classes=classes if found.classes is None else found.classes,
        task=str(described.get("task", "")),
        picks_best=found.picks_best or True in chosen,
    )


def is_tflite(file: Path) -> bool:
    """Say whether a file begins as a .tflite does, whatever its name."""
    try:
        with file.open("rb") as opened:
            return opened.read(8)[4:] == IDENTIFIER
    except OSError:
        return False


def unfit_file(file: Path) -> Text | None:
    """Say why a file that no engine opens cannot be run, and what to do; None where unknown."""
    try:
        with file.open("rb") as opened, mapped(opened.fileno()) as data:
            if data[4:8] != IDENTIFIER:
                return kind_of(file, data)
            names = operators(root_table(data)).custom
    except (OSError, ValueError, struct.error, IndexError):
        return None
    found = (why for name in names for start, why in FOREIGN.items() if name.startswith(start))
    return next(found, None)


def mapped(descriptor: int) -> mmap.mmap:
    """Return a whole file, of which only what is looked at is read."""
    return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)


def operators(model: FlatTable) -> Operators:
    """Look at the operators of a model. Raises struct.error, IndexError or ValueError."""
    codes = [
        (code.octets(CODE_NAME).decode(), standard_number(code))
        for code in model.tables(MODEL_CODES)
    ]
    names = tuple(name for name, _ in codes if name)
    classes = None
    if SSD_END in names:
        for graph in model.tables(MODEL_GRAPHS):
            for one in graph.tables(GRAPH_OPERATORS):
                if codes[one.number(OPERATOR_CODE, "<I")][0] == SSD_END:
                    classes = flexbuffer_number(one.octets(OPERATOR_OPTIONS), "num_classes")
    return Operators(names, any(number in BEST_OF for _, number in codes), classes)


def standard_number(code: FlatTable) -> int:
    """Return the number of a standard operator. Files from before 2020 have it in one byte."""
    return max(code.number(CODE_OLD_NUMBER, "<b"), code.number(CODE_NUMBER))


def description(file: Path) -> dict[str, Any]:
    """Return what the trainer wrote behind a model; nothing where it wrote nothing."""
    import ast
    import zipfile  # for the models that have one alone: a start needs none of it
    import zlib

    try:
        with zipfile.ZipFile(file) as archive:
            name = next((one for one in DESCRIPTIONS if one in archive.namelist()), None)
            if name is None:
                return {}
            with archive.open(name) as member:
                text = member.read(MAX_DESCRIPTION_BYTES).decode()
        value = json.loads(text) if name.endswith(".json") else ast.literal_eval(text)
    except (
        OSError, ValueError, SyntaxError, MemoryError, RecursionError, RuntimeError, EOFError,
        zipfile.BadZipFile, zlib.error,
    ):  # fmt: skip
        return {}
    return value if isinstance(value, dict) else {}


def kind_of(file: Path, data: mmap.mmap) -> Text:
    """Say what a file is that does not begin as a .tflite does."""
    if data[:4] == b"PK\x03\x04":
        head = data[:4096]
        if b"/data.pkl" in head or b"archive/version" in head:
            return PYTORCH
        return KERAS if b"config.json" in head or file.suffix == ".keras" else ARCHIVE
    if data[:8] == b"\x89HDF\r\n\x1a\n":
        return KERAS
    if data[:2] == b"\x80\x02":  # a pickle: PyTorch before 1.6
        return PYTORCH
    # A protobuf has no magic number: ONNX begins with its version, then names who made it.
    if data[:1] == b"\x08" and (data[2:3] == b"\x12" or b"onnx" in data[:256]):
        return ONNX
    return NO_MODEL_FILE
