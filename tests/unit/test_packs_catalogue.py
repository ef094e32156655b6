"""The catalogue's packs, with the real weights: hashes, labels, golden cases."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_runtime.errors import PackError
from edge_runtime.model.trial import try_pack
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.manifest_file import read_labels, read_manifest
from edge_runtime.packs.pull import import_file
from edge_runtime.packs.store import PackStore

REAL = {
    "coco-ssd-mobilenet-v1": "coco_ssd_mobilenet_v1_1.0_quant.tflite",
    "mobilenet-v2-imagenet": "mobilenet_v2_1.0_224_quant.tflite",
    "movenet-lightning": "movenet_single_pose_lightning_ptq.tflite",
    "vww-96": "vww_96_int8.tflite",
}


@pytest.mark.parametrize("name", REAL)
def test_every_pack_of_the_catalogue_is_sound_and_can_be_pulled(name: str) -> None:
    manifest = read_manifest(bundled_models() / name)
    assert manifest.pack.name == name
    assert manifest.model.url is not None
    assert manifest.model.url.startswith("https://")
    assert manifest.model.size_bytes is not None


@pytest.mark.parametrize("name", REAL)
def test_the_real_weights_are_taken_by_their_hash_and_pass_their_golden_case(
    name: str, data: Path, tmp_path: Path
) -> None:
    store = PackStore(tmp_path, bundled_models())
    with store.changing():
        with (data / "models" / REAL[name]).open("rb") as file:
            weights = import_file(store.manifest(name), file, store.staging)
        pack = store.install(name, weights, try_pack)
    assert store.find(name, tmp_path) == pack
    assert store.up_to_date(name)
    assert pack.manifest.model.size_bytes == pack.weights.stat().st_size


@pytest.mark.parametrize("name", REAL)
def test_the_golden_case_notices_swapped_colour_channels(
    name: str, data: Path, tmp_path: Path
) -> None:
    catalogue = tmp_path / "catalogue"
    shutil.copytree(bundled_models() / name, catalogue / name)
    manifest = catalogue / name / "pack.toml"
    manifest.write_text(manifest.read_text().replace('color = "rgb"', 'color = "bgr"'))
    store = PackStore(tmp_path / "state", catalogue)
    with store.changing():
        with (data / "models" / REAL[name]).open("rb") as file:
            weights = import_file(store.manifest(name), file, store.staging)
        with pytest.raises(PackError, match="golden: the model does not give the result"):
            store.install(name, weights, try_pack)
    assert store.list()[0].state == "available"


@pytest.mark.parametrize(
    ("name", "count", "some"),
    [
        ("coco-ssd-mobilenet-v1", 90, {0: "person", 12: "stop sign", 89: "toothbrush"}),
        ("mobilenet-v2-imagenet", 1001, {286: "Egyptian cat", 653: "military uniform"}),
        ("mobilenet-v2-imagenet", 1001, {0: "background", 986: "daisy"}),
        ("vww-96", 2, {0: "no person", 1: "person"}),
    ],
)
def test_class_ids_of_the_catalogues_packs_have_the_right_names(
    name: str, count: int, some: dict[int, str]
) -> None:
    folder = bundled_models() / name
    labels = read_labels(folder, read_manifest(folder))
    assert len(labels) == count
    assert {class_id: labels[class_id] for class_id in some} == some
