"""Streams on what is bundled: the simulated road and the model that was trained on it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from support.paths import ROOT

PACK = ROOT / "models" / "village-road"
CLIP = PACK / "clip.mp4"

HEAD = """
[device]
site = "test"
name = "board"
[broker]
url = "{url}"
retry_max_s = 0.5
[outbox]
commit_interval_s = 0.1
"""


def head(url: str) -> str:
    """Return a configuration without its streams."""
    return HEAD.format(url=url)


def synthetic(options: str = "frames = 10, realtime = false") -> str:
    """Return a simulated source."""
    return f'{{ kind = "synthetic", {options} }}'


def stream(
    name: str = "road",
    source: str = synthetic(),
    *,
    model: str = f'pack = "{PACK}"',
    more: str = 'publish = { mode = "every_inference" }',
) -> str:
    """Return a stream; by default each of ten simulated pictures gives a record."""
    return f'[[streams]]\nname = "{name}"\nsource = {source}\nmodel = {{ {model} }}\n{more}\n'


def copy_pack(folder: Path, weights: bytes | None = None) -> Path:
    """Copy the bundled pack, with other weights and their right hash where they are given."""
    pack = folder / "pack"
    pack.mkdir()
    for name in ("pack.toml", "labels.txt", "village-road.tflite"):
        shutil.copy(PACK / name, pack / name)
    shutil.copytree(PACK / "golden", pack / "golden")
    if weights is not None:
        (pack / "village-road.tflite").write_bytes(weights)
        manifest = (pack / "pack.toml").read_text()
        old = hashlib.sha256((PACK / "village-road.tflite").read_bytes()).hexdigest()
        new = hashlib.sha256(weights).hexdigest()
        text = manifest.replace(old, new)
        lines = [line for line in text.splitlines() if not line.startswith("size_bytes")]
        (pack / "pack.toml").write_text("\n".join(lines) + "\n")
    return pack
