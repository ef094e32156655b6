"""Makes pack folders whose weights are any bytes: the store asks for their hash alone."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

WEIGHTS = bytes(range(256)) * 4000  # 1 MB

MANIFEST = """
[pack]
name = "{name}"
version = "{version}"
task = "detection"
license = "Apache-2.0"

[model]
file = "weights.tflite"
sha256 = "{sha256}"
{origin}

[input]
kind = "image"

[output]
decoder = "ssd"
labels = "labels.txt"
label_offset = 1
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_pack(
    catalogue: Path,
    name: str = "toy",
    *,
    weights: bytes = WEIGHTS,
    origin: str = "",
    version: str = "1",
    with_weights: bool = False,
) -> Path:
    """Write a pack's folder; `origin` holds further lines of `[model]`."""
    folder = catalogue / name
    folder.mkdir(parents=True)
    text = MANIFEST.format(name=name, version=version, sha256=sha256(weights), origin=origin)
    (folder / "pack.toml").write_text(text)
    (folder / "labels.txt").write_text("background\nperson\r\n  dog \n")
    if with_weights:
        (folder / "weights.tflite").write_bytes(weights)
    return folder


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return path
