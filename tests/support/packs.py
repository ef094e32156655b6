"""Packs around any model's file, opened as the runtime opens them, in this process."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge_runtime.model.resolve import open_pack_backend
from edge_runtime.model.runner import Model, ModelRunner
from edge_runtime.packs.manifest_file import TASK_OF, open_pack

MANIFEST = """
[pack]
name = "tried"
version = "1"
task = "{task}"
license = "Apache-2.0"
[model]
file = "model.tflite"
sha256 = "{sha256}"
[input]
{given}
[output]
decoder = "{decoder}"
labels = "labels.txt"
{more}
"""


def pack_of(
    folder: Path,
    model: Path,
    labels: str,
    decoder: str = "yolo",
    *,
    more: str = "",
    given: str = "mean = 0\nstd = 255",
) -> Path:
    """Make a pack of a model's file and a list of labels; `more`: lines of `[output]`."""
    folder.mkdir()
    (folder / "model.tflite").symlink_to(model.resolve())
    (folder / "labels.txt").write_text(labels)
    text = MANIFEST.format(
        task=TASK_OF[decoder],
        sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        decoder=decoder,
        given=given,
        more=more,
    )
    (folder / "pack.toml").write_text(text)
    return folder


def open_runner(folder: Path) -> ModelRunner:
    """Open a pack and its model. Raises PackError or BackendError."""
    return ModelRunner(Model(open_pack(folder), None, None, open_pack_backend("auto")))
