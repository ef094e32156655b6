"""Reading a pack's folder: each thing that can be wrong is said with its place and the remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_runtime.errors import PackError, WeightsError
from edge_runtime.packs.manifest_file import open_pack, read_manifest
from edge_runtime.packs.store import PackStore
from support.pack_files import WEIGHTS, make_pack, sha256

GOLDEN = '[golden]\ninput = "golden/a.png"\nexpected = "golden/b.json"\n'


def test_labels_are_indexed_by_class_id_without_offset_spaces_or_line_ends(tmp_path: Path) -> None:
    pack = open_pack(make_pack(tmp_path, with_weights=True))
    assert pack.labels == ("person", "dog")
    assert pack.ref.full_name == f"toy@{sha256(WEIGHTS)[:8]}"
    assert pack.weights.read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "image"', 'color = "rgbx"', "input.color: 'rgbx' is not known; did you mean"),
        ('kind = "image"', 'colour = "rgb"', "input.colour: unknown key"),
        ('kind = "image"', "std = 0.0", "input.std: 0 would divide by zero"),
        ('kind = "image"', "mean = [1.0, 2.0]", "input.mean: 2 values for 3 channels"),
        ('kind = "image"', "mean = nan", "input.mean: not a finite number"),
        ('kind = "image"', 'mean = "grey"', "input.mean: expected"),
        ('version = "1"', "", "pack.version: missing; add it"),
        ('name = "toy"', 'name = "../toy"', "pack.name: expected a name of lower-case letters"),
        ('name = "toy"', 'name = "YOLOv8n"', "pack.name: expected a name of lower-case letters"),
        ('"weights.tflite"', '"my model.tflite"', "model.file: expected the name of a file in the"),
        ('sha256 = "', 'sha256 = "0x', "model.sha256: expected the 64 hex digits that `sha256sum"),
        ('"weights.tflite"', '"../weights.tflite"', "model.file: expected"),
        ('"weights.tflite"', '"/etc/passwd"', "model.file: expected"),
        ('"labels.txt"', '"../labels.txt"', "output.labels: expected"),
        ("[input]", 'url = "ftp://x/y"\n[input]', "model.url: 'ftp://x' is not an https"),
        ("[input]", 'url = "http://[::1/y"\n[input]', "model.url: 'http://…' is not an"),
        ("[input]", 'url = "https:///y"\n[input]', "model.url: 'https://…' is not an https"),
        ("[input]", "size_bytes = 0\n[input]", "model.size_bytes: 0 is no size"),
        ('"ssd"', '"movenet"', "output.decoder: 'movenet' is for pose, pack.task says detection"),
        ("label_offset = 1", "label_offset = 3", "output.label_offset: 3, but labels.txt has 3"),
        ('"labels.txt"', '"names.txt"', "output.labels: names.txt is not in the pack"),
        ("[input]", GOLDEN + "[input]", "golden.input: golden/a.png is not in the pack"),
        ("[input]", GOLDEN.replace("golden/a", "../a") + "[input]", "golden.input: expected"),
        ("[input]", "[input", "the header ends with ]"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_line_with_its_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    folder = make_pack(tmp_path, with_weights=True)
    text = (folder / "pack.toml").read_text()
    assert old in text
    (folder / "pack.toml").write_text(text.replace(old, new))
    with pytest.raises(PackError, match=re.escape(said)) as caught:
        open_pack(folder)
    assert str(caught.value).startswith(f"{folder}/pack.toml: ")
    assert "\n" not in str(caught.value)


WINDOW = 'kind = "window"\nrate_hz = 8000\nsize = 4096'
BANDS = '{ kind = "bands", low_hz = 200, high_hz = 3400, count = 16 }'
MELS = '{ kind = "log_mel", n_fft = 1024, hop = 512, mels = 128 }'
LINES = '{ kind = "envelope", band_hz = [2000, 3000], orders = [1, 5], shaft_hz = 30 }'


@pytest.mark.parametrize(
    ("feature", "old", "new", "said"),
    [
        (MELS, "rate_hz = 8000", "", "input.rate_hz: missing beside kind"),
        (MELS, "size = 4096", "", "input.size: missing beside kind"),
        (MELS, "size = 4096", "size = 1000", "input.features[1].n_fft: a frame of 1024 samples is"),
        (MELS, "size = 4096", "size = 4096\nmean = [1, 2]", "input.mean: windows take one number"),
        (MELS, "hop = 512", "hop = 0", "input.features[1].hop: 0 is out of bounds"),
        (MELS, "mels = 128", "mel = 128", "input.features[1].mel: unknown key"),
        (BANDS, "3400", "5000", "input.features[1].high_hz: no band from 200 to 5000 Hz at 8000"),
        (BANDS, "3400", "400", "input.features[1].count: bands of 12.5 Hz are narrower"),
        (BANDS, "size = 4096", "size = 256", "input.features[1].segment: a frame of 512"),
        (LINES, "[2000, 3000]", "[2000, 1000]", "input.features[1].band_hz: no band from 2000"),
        (LINES, "[1, 5]", "[100]", "input.features[1].shaft_hz: at 30 turns a second the orders"),
        (MELS, 'kind = "window"', 'kind = "image"', "input.rate_hz: is about windows; remove it"),
    ],
)
def test_windows_and_features_are_checked_when_the_pack_is_read(
    tmp_path: Path, feature: str, old: str, new: str, said: str
) -> None:
    folder = make_pack(tmp_path)
    statistics = '{ kind = "statistics", of = ["rms"] }'
    section = f"{WINDOW}\nfeatures = [{statistics}, {feature}]"
    assert old in section
    text = (folder / "pack.toml").read_text()
    text = text.replace('kind = "image"', section.replace(old, new))
    (folder / "pack.toml").write_text(text)
    with pytest.raises(PackError, match=re.escape(said)) as caught:
        read_manifest(folder)
    assert str(caught.value).startswith(f"{folder}/pack.toml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (b"background\n\nperson\n", "labels.txt: line 2 is empty"),
        (b"caf\xe9\n", "labels.txt: not UTF-8 text (byte 3)"),
    ],
)
def test_labels_unfit_for_records_are_refused(tmp_path: Path, labels: bytes, said: str) -> None:
    folder = make_pack(tmp_path, with_weights=True)
    (folder / "labels.txt").write_bytes(labels)
    with pytest.raises(PackError, match=re.escape(said)):
        open_pack(folder)


def test_a_hash_in_capitals_is_the_same(tmp_path: Path) -> None:
    folder = make_pack(tmp_path, with_weights=True)
    text = (folder / "pack.toml").read_text()
    shown = sha256(WEIGHTS).upper()
    (folder / "pack.toml").write_text(text.replace(sha256(WEIGHTS), shown))
    assert shown in (folder / "pack.toml").read_text()
    assert open_pack(folder).ref.short == sha256(WEIGHTS)[:8]


def test_missing_weights_are_got_again_where_the_pack_came_from(tmp_path: Path) -> None:
    catalogue, folder = tmp_path / "catalogue", make_pack(tmp_path)
    with pytest.raises(WeightsError, match=r"weights.tflite: the weights are not there$"):
        open_pack(folder)
    make_pack(catalogue)
    store = PackStore(tmp_path / "state", catalogue)
    with pytest.raises(WeightsError, match="get them with 'edge-runtime models pull toy'"):
        store.find("toy", tmp_path)
    with pytest.raises(WeightsError, match="copy this file again from where the pack was made"):
        store.find(str(folder), tmp_path)


def test_one_flipped_bit_in_the_weights_is_noticed_and_both_hashes_named(tmp_path: Path) -> None:
    folder = make_pack(tmp_path, with_weights=True)
    damaged = bytes([WEIGHTS[0] ^ 1]) + WEIGHTS[1:]
    (folder / "weights.tflite").write_bytes(damaged)
    with pytest.raises(WeightsError, match=sha256(damaged)[:8]) as caught:
        open_pack(folder)
    assert sha256(WEIGHTS)[:8] in str(caught.value)


def test_a_folder_without_a_manifest_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"holds no pack\.toml; give a model pack's folder"):
        read_manifest(tmp_path)
