"""Whatever a pack's folder holds: it is read, or refused in one line that names the place."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_runtime.errors import PackError
from edge_runtime.manifest import Manifest, Pack
from edge_runtime.model.golden import check_golden_file
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.manifest_file import open_pack, read_labels, read_manifest
from edge_runtime.packs.store import PackStore
from edge_runtime.records import Classification, ClassScore, Detection, Detections
from edge_runtime.stream.baseline import Baseline, BaselineError, Baselines, Limit
from support.fuzzing import (
    HOSTILE_TEXTS,
    SECRET,
    check_said,
    each_length,
    hostile,
    mutated,
    spoilt,
    toml_of,
)
from support.pack_files import make_pack
from support.paths import ROOT

SHIPPED = sorted((ROOT / "models").glob("*/pack.toml"))
WHOLE = ROOT / "models" / "village-road"

# What was found, each of them once a traceback, a second line, or taken for good.
FOUND = {
    "a hash with a line end": ('"\n\n\n[input]', '\\n"\n[input]'),
    "a file with a line end": ("weights.tflite", "weights.tflite\\n"),
    "a golden file with too long a name": (
        "[input]", f'[golden]\ninput = "{"a" * 300}"\nexpected = "b"\n[input]',
    ),
    "an address with a password": ("[input]", f'url = "ftp://u:{SECRET}@x/y"\n[input]'),
    "a version of two lines": ('version = "1"', 'version = "1\\n2"'),
}  # fmt: skip


def taken(folder: Path) -> Pack | None:
    """Open a pack, hold an error to what errors are, and a name of a file to its folder."""
    try:
        pack = open_pack(folder)
    except PackError as error:
        check_said(error, folder)
        return None
    manifest = pack.manifest
    names = [manifest.model.file, manifest.output.labels]
    if manifest.golden is not None:
        names += [manifest.golden.input, manifest.golden.expected]
    for name in filter(None, names):
        assert (folder / name).resolve().is_relative_to(folder.resolve())
    return pack


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy a pack that is good."""
    folder = tmp_path_factory.mktemp("packs") / "village-road"
    shutil.copytree(WHOLE, folder, ignore=shutil.ignore_patterns("*.py", "*.mp4", "*.jsonl"))
    assert taken(folder) is not None
    return folder


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    folder = make_pack(tmp_path, with_weights=True)
    text = (folder / "pack.toml").read_text()
    old, new = FOUND[what]
    assert old in text
    (folder / "pack.toml").write_text(text.replace(old, new))
    assert taken(folder) is None


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_a_hostile_name_of_a_pack_is_unknown_in_one_line(name: str, tmp_path: Path) -> None:
    store = PackStore(tmp_path / "state", bundled_models())
    if "\0" in name:  # refused where the configuration is read
        return
    with pytest.raises(PackError) as caught:
        store.find(name, tmp_path / "none")
    check_said(caught.value, "pack")


@each_length(25, 1_000)
@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.parent.name)
def test_any_change_of_a_shipped_manifest_is_taken_or_refused_well(
    tmp_path_factory: pytest.TempPathFactory, shipped: Path, count: int
) -> None:
    folder = tmp_path_factory.mktemp("pack")

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(
        mutated(tomllib.loads(shipped.read_text())).map(lambda tables: toml_of(tables).encode())
        | spoilt(shipped.read_bytes())
    )
    def holds(data: bytes) -> None:
        (folder / "pack.toml").write_bytes(data)
        try:
            manifest = read_manifest(folder)
        except PackError as error:
            check_said(error, folder / "pack.toml")
        else:
            assert msgspec.convert(msgspec.to_builtins(manifest), Manifest) == manifest
            assert taken(folder) is None  # there is nothing but the manifest

    holds()


@each_length(50, 1_500)
def test_any_list_of_labels_is_taken_or_refused_well(whole: Path, count: int) -> None:
    manifest = read_manifest(whole)
    file = whole / "labels.txt"
    good = file.read_bytes()

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=200) | spoilt(good) | st.text(max_size=100).map(str.encode))
    def holds(data: bytes) -> None:
        file.write_bytes(data)
        try:
            labels = read_labels(whole, manifest)
        except PackError as error:
            check_said(error, whole)
        else:
            assert all(label.splitlines() == [label] for label in labels)

    try:
        holds()
    finally:
        file.write_bytes(good)


def test_a_label_is_never_cut_in_two(whole: Path) -> None:
    """One label more or less and all that come after it name other things."""
    manifest = read_manifest(whole)
    file = whole / "labels.txt"
    good = file.read_bytes()
    try:
        for cut in ("\u2028", "\x0b", "\x0c", "\x1c", "\x85"):
            file.write_text(f"per{cut}son\ncar\n")
            with pytest.raises(PackError, match="line 1 holds a control character"):
                read_labels(whole, manifest)
    finally:
        file.write_bytes(good)


DECODED = (
    Detections((Detection(0, 0.9, (0.1, 0.1, 0.5, 0.5)),)),
    Classification((ClassScore(0, 0.9),)),
)

json_values = st.recursive(
    st.none() | hostile.filter(lambda value: not isinstance(value, str) or value.isprintable()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("objects", "classes", "label", "score", "box")), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@each_length(60, 2_000)
def test_any_promise_is_kept_or_refused_well(whole: Path, count: int) -> None:
    manifest = read_manifest(whole)
    assert manifest.golden is not None
    golden = manifest.golden
    pack = Pack(whole, manifest, ("person",))
    file = whole / golden.expected
    good = file.read_bytes()

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(json_values.map(lambda value: json.dumps(value).encode()) | spoilt(good))
    def holds(data: bytes) -> None:
        file.write_bytes(data)
        for decoded in DECODED:
            try:
                check_golden_file(decoded, pack, golden)
            except PackError as error:
                check_said(error, whole)

    try:
        for found in (b"[]", b'{"objects": 3}', b'{"objects": [{"box": 1}]}', b"[" * 100_000,
                      b'{"objects": [{"score": "a"}]}'):  # fmt: skip
            holds.hypothesis.inner_test(found)  # type: ignore[attr-defined]
        holds()
    finally:
        file.write_bytes(good)


LEARNT = Baseline(
    "pump", "score", "m@1", "", "2024-01-01T00:00:00Z", "synced", 60.0, 60, 0, {"min": 0.0},
    (0, 0), {"above": Limit(3.0, 2.0)},
)  # fmt: skip


@each_length(50, 1_500)
def test_a_baseline_is_read_or_refused_well(
    tmp_path_factory: pytest.TempPathFactory, count: int
) -> None:
    baselines = Baselines(tmp_path_factory.mktemp("state"))
    baselines.prepare()
    file = baselines.save(LEARNT)
    good = file.read_bytes()

    @settings(max_examples=count)
    @given(st.binary(max_size=200) | spoilt(good))
    def holds(data: bytes) -> None:
        file.write_bytes(data)
        try:
            assert isinstance(baselines.load("pump"), Baseline)
        except BaselineError as error:
            check_said(error, file)

    for found in (b'{"x":' + b"[" * 100_000, good.replace(b"synced", b"a\\nb"), b'{"\xff":1}'):
        holds.hypothesis.inner_test(found)  # type: ignore[attr-defined]
    holds()
