"""Reads a pack's folder: `pack.toml`, the labels, and the weights' hash."""

from __future__ import annotations

import math
from pathlib import Path
from urllib.parse import urlsplit

from edge_runtime.errors import PackError, Text, located, row
from edge_runtime.label_groups import plain
from edge_runtime.manifest import InputSection, Manifest, OutputSection, Pack, PerChannel
from edge_runtime.packs.labels import read_list
from edge_runtime.packs.weights import check_weights
from edge_runtime.toml_file import path_fault, read_toml, typed
from edge_runtime.urls import SPACE, shown_url

MANIFEST = "pack.toml"
WINDOW_KEYS = ("rate_hz", "size", "hop", "features")
TASK_OF = {
    "ssd": "detection",
    "yolo": "detection",
    "classification": "classification",
    "movenet": "pose",
    "reconstruction": "anomaly",
}


def open_pack(folder: Path) -> Pack:
    """Read a pack and check all of it, the weights' SHA-256 included. Raises PackError."""
    manifest = read_manifest(folder)
    labels = read_labels(folder, manifest)
    check_groups(folder, manifest.output, labels)
    if manifest.golden is not None:
        for key in ("input", "expected"):
            inner = getattr(manifest.golden, key)
            fault = path_fault(folder / inner, Path.is_file, Text("is not in the pack"))
            if fault is not None:
                raise wrong(folder, f"golden.{key}", row([inner, fault], " "))
    check_weights(folder, manifest)
    return Pack(folder, manifest, labels)


def read_manifest(folder: Path) -> Manifest:
    """Read and check `pack.toml` alone. Raises PackError with the path within the file."""
    try:
        raw = read_toml(folder / MANIFEST, PackError)
    except FileNotFoundError:
        raise PackError(
            "{folder}: holds no {file}; give a model pack's folder", folder=folder, file=MANIFEST
        ) from None
    manifest = typed(raw, Manifest, folder / MANIFEST, PackError)
    check_input(folder, manifest.input)
    check_origin(folder, manifest)
    gives = TASK_OF[manifest.output.decoder]
    if gives != manifest.pack.task:
        text = Text(
            "'{decoder}' is for {task}, pack.task says {other}; make them agree",
            decoder=manifest.output.decoder,
            task=gives,
            other=manifest.pack.task,
        )
        raise wrong(folder, "output.decoder", text)
    if gives == "anomaly" and manifest.input.kind != "window":
        text = Text(
            "'{decoder}' reads windows; set input.kind to window", decoder=manifest.output.decoder
        )
        raise wrong(folder, "output.decoder", text)
    if gives in ("detection", "pose") and manifest.input.kind != "image":
        text = Text(
            "'{decoder}' finds things in pictures; set input.kind to image",
            decoder=manifest.output.decoder,
        )
        raise wrong(folder, "output.decoder", text)
    return manifest


def check_input(folder: Path, section: InputSection) -> None:
    """Check what the types cannot say of `[input]`."""
    channels = 1 if section.color == "gray" else 3
    for key, value in (("mean", section.mean), ("std", section.std)):
        numbers = per_channel(value)
        if isinstance(value, tuple) and section.kind == "image" and len(value) != channels:
            text = Text(
                "{count} values for {channels} channels; give one, or one a channel",
                count=len(value),
                channels=channels,
            )
            raise wrong(folder, f"input.{key}", text)
        if not all(map(math.isfinite, numbers)):
            raise wrong(folder, f"input.{key}", Text("not a finite number; give one"))
    if 0.0 in per_channel(section.std):
        text = Text("0 would divide by zero; give 1.0 to leave values as is")
        raise wrong(folder, "input.std", text)
    if section.kind == "window":
        check_window(folder, section)
    elif foreign := [key for key in WINDOW_KEYS if getattr(section, key)]:
        text = Text('is about windows; remove it, or set kind = "window"')
        raise wrong(folder, f"input.{foreign[0]}", text)


def check_window(folder: Path, section: InputSection) -> None:
    """Check `[input]` of a model that takes windows."""
    if section.rate_hz is None or section.size is None:
        key = "rate_hz" if section.rate_hz is None else "size"
        raise wrong(folder, f"input.{key}", Text('missing beside kind = "window"; add it'))
    for key in ("mean", "std"):
        if isinstance(getattr(section, key), tuple):
            raise wrong(folder, f"input.{key}", Text("windows take one number; give one"))
    for number, feature in enumerate(section.features):
        if fault := feature.fault(section.rate_hz, section.size):
            raise wrong(folder, f"input.features[{number}].{fault[0]}", fault[1])


def per_channel(value: PerChannel | None) -> tuple[float, ...]:
    """Return a number or one per channel as a tuple; an empty one where nothing is said."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def check_origin(folder: Path, manifest: Manifest) -> None:
    """Check where the weights come from, and how large they say they are."""
    model = manifest.model
    if model.url is not None and not is_fetchable(model.url):
        text = Text("'{url}' is not an https, http or file URL", url=shown_url(model.url))
        raise wrong(folder, "model.url", text)
    if model.size_bytes is not None and model.size_bytes <= 0:
        text = Text("{size} is no size; correct it", size=model.size_bytes)
        raise wrong(folder, "model.size_bytes", text)


def is_fetchable(url: str) -> bool:
    """Say whether a URL is one that `models pull` can ask for."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket or a port that is none
        return False
    is_known = parts.scheme == "file" or (parts.scheme in ("https", "http") and named)
    return is_known and not SPACE.search(url)


def read_labels(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return the labels by class id, or none where the pack has no list.

    A class that a list of ids leaves out is `#12`, as records show it. Raises PackError.
    """
    output = manifest.output
    if output.labels is None:
        return ()
    file = folder / output.labels
    if (fault := path_fault(file, Path.is_file, Text("is not in the pack"))) is not None:
        raise wrong(folder, "output.labels", row([file.name, fault], " "))
    names = read_list(file)
    offset, count = output.label_offset, max(names) + 1
    if offset >= count:
        text = Text(
            "{offset}, but {file} has {count} lines; correct either",
            offset=offset,
            file=file.name,
            count=count,
        )
        raise wrong(folder, "output.label_offset", text)
    # A class 0 without a name is a classifier's background: detectors have none.
    if offset == 0 and 0 not in names and manifest.pack.task == "detection":
        text = Text(
            "the ids of {file} begin with 1, those of the model with 0: set it to 1", file=file.name
        )
        raise wrong(folder, "output.label_offset", text)
    return tuple(names.get(line, f"#{line - offset}") for line in range(offset, count))


def check_groups(folder: Path, output: OutputSection, labels: tuple[str, ...]) -> None:
    """Check that the labels of `groups` are the model's own, each in one group alone."""
    named: set[str] = set()
    for number, group in enumerate(output.groups):
        for place, label in enumerate(group):
            key = f"output.groups[{number}][{place}]"
            if label not in labels:
                text = Text(
                    "'{label}' is not in {file}; name labels of the model",
                    label=label,
                    file=output.labels or "output.labels",
                )
                raise wrong(folder, key, text)
            if plain(label) in named:
                text = Text("'{label}' stands in a group already; name it once", label=label)
                raise wrong(folder, key, text)
            named.add(plain(label))


def wrong(folder: Path, key: str, fault: Text) -> PackError:
    """Return the error for one key of `pack.toml`."""
    return PackError(located(folder / MANIFEST, key, fault))
