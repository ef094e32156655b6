"""Lists of labels as people have them: plain, with ids and gaps, from Windows, long, and wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_runtime.errors import PackError
from edge_runtime.packs.labels import read_list
from edge_runtime.packs.manifest_file import open_pack, read_labels, read_manifest
from support.localized import in_vietnamese
from support.pack_files import make_pack


def listed(folder: Path, data: bytes | str) -> dict[int, str]:
    file = folder / "labels.txt"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_list(file)


def plain(*names: str) -> dict[int, str]:
    return dict(enumerate(names))


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"\xef\xbb\xbfperson\r\ncar\r\n", plain("person", "car")),
        (b"person\rcar", plain("person", "car")),
        (b"person\n  car  \n\n \n\r\n", plain("person", "car")),
        (b"person\nperson\n", plain("person", "person")),
        (b"0\n1\n2\n", plain("0", "1", "2")),
        (b"0 FRESH APPLE\n1 FRESH BANANA", plain("FRESH APPLE", "FRESH BANANA")),
        (b"0: person\n1:bicycle\n", plain("person", "bicycle")),
        (b"0\tperson\n2\tcar\n", {0: "person", 2: "car"}),
        (b"0  person\n10  fire hydrant\n12  stop sign\n", {0: "person", 10: "fire hydrant",
                                                          12: "stop sign"}),
        (b"1 person\n\n3 car\n", {1: "person", 3: "car"}),
        (b"0 3 wheeler\n1 4 wheeler\n", plain("3 wheeler", "4 wheeler")),
        (b"0 face", plain("face")),
        # Numbers that are part of the names.
        (b"2 wheeler\n3 wheeler\n", plain("2 wheeler", "3 wheeler")),
        (b"1 wheeler\n2 wheeler\n", plain("1 wheeler", "2 wheeler")),
        (b"7 segment\n14 segment\nother\n", plain("7 segment", "14 segment", "other")),
        (b"0 volt\nblank\n", plain("0 volt", "blank")),
        (b"n01440764 tench, Tinca tinca\n", plain("n01440764 tench, Tinca tinca")),
        ("người đi bộ\nxe máy\n", plain("người đi bộ", "xe máy")),
    ],
)  # fmt: skip
def test_a_list_is_read_by_ids_or_by_lines(
    data: bytes | str, names: dict[int, str], tmp_path: Path
) -> None:
    assert listed(tmp_path, data) == names


def test_long_lists_and_long_names_are_kept_whole(tmp_path: Path) -> None:
    names = [f"species {number}, " + "a synonym, " * 20 + "end" for number in range(15_000)]
    assert list(listed(tmp_path, "\n".join(names)).values()) == names
    short = [f"species {number}" for number in range(20_000)]
    assert list(listed(tmp_path, "\n".join(short) + "\n").values()) == short
    with pytest.raises(PackError, match="more than 20000 lines"):
        listed(tmp_path, "\n".join([*short, "one more"]))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("background\n\nperson\n", "line 2 is empty: remove it, or write the name"),
        ("", "holds no label"),
        ("\n \n", "holds no label"),
        ("person\nca\tr\n", "line 2 holds a control character; remove it"),
        ("0 person\n1 c\x07r\n", "line 2 holds a control character"),
        (b"caf\xe9\n", "not UTF-8 text (byte 3); save it as a text file in UTF-8"),
        ("person\ncar\n".encode("utf-16"), "not UTF-8 text (byte 0)"),
        (b"TFL3\x00\x01", "line 1 holds a control character"),
        ("person\n" + "x" * 1_001, "line 2 is longer than 1000 characters"),
        ("0 a\n2 c\n1 b\n", "line 3: id 1 comes after id 2: sort the lines by their ids"),
        ("0 a\n1 b\n1 c\n", "line 3: id 1 comes after id 1"),
        ("0 a\n20000 b\n", "id 20000; at most 19999"),
        ("item {\n  id: 1\n  name: 'person'\n}\n", "this is a label map of the TensorFlow"),
        ("item\n{\n  id: 1\n}\n", "(.pbtxt), no list of labels: write the names alone"),
        ('{\n  "names": {"0": "person"}\n}', "a model's metadata (.json or .yaml)"),
        ('["person", "car"]', "a model's metadata (.json or .yaml)"),
        ("description: x\ntask: detect\nnames:\n  0: person\n", "metadata (.json or .yaml)"),
        ("index,mid,display_name\n0,/m/09x0r,Speech\n", "a table (.csv), no list of labels"),
        (b"x" * (5 << 20), "more than 20000 lines"),
    ],
)
def test_what_is_no_list_of_labels_is_refused_with_what_to_do(
    data: bytes | str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(PackError, match=re.escape(said)) as told:
        listed(tmp_path, data)
    assert str(told.value).startswith(f"{tmp_path}/labels.txt: ")
    assert "???" not in str(told.value)
    in_vietnamese(told.value)


def pack_with(folder: Path, labels: str, offset: int, task: str = "detection") -> Path:
    pack = make_pack(folder, with_weights=True)
    (pack / "labels.txt").write_text(labels)
    text = (pack / "pack.toml").read_text().replace("offset = 1", f"offset = {offset}")
    if task == "classification":
        text = text.replace('"detection"', '"classification"').replace('"ssd"', '"classification"')
    (pack / "pack.toml").write_text(text)
    return pack


@pytest.mark.parametrize(
    ("labels", "offset", "task", "names"),
    [
        ("a\nb\nc\n", 0, "detection", ("a", "b", "c")),
        ("???\na\nb\n", 1, "detection", ("a", "b")),
        ("0 a\n1 b\n3 d\n", 0, "detection", ("a", "b", "#2", "d")),
        ("1 a\n2 b\n4 d\n", 1, "detection", ("a", "b", "#2", "d")),
        ("0 background\n1 a\n3 c\n", 1, "detection", ("a", "#1", "c")),
        ("1 a\n2 b\n", 0, "classification", ("#0", "a", "b")),
    ],
)
def test_a_class_that_a_list_leaves_out_is_shown_as_its_number(
    labels: str, offset: int, task: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    assert open_pack(pack_with(tmp_path, labels, offset, task)).labels == names


@pytest.mark.parametrize(
    ("labels", "offset", "said"),
    [
        ("1 a\n2 b\n", 0, "the ids of labels.txt begin with 1, those of the model with 0: set it"),
        ("0 a\n1 b\n", 2, "2, but labels.txt has 2 lines"),
    ],
)
def test_ids_that_do_not_fit_the_offset_are_refused(
    labels: str, offset: int, said: str, tmp_path: Path
) -> None:
    folder = pack_with(tmp_path, labels, offset)
    with pytest.raises(PackError, match=re.escape(f"output.label_offset: {said}")):
        read_labels(folder, read_manifest(folder))


def test_coral_s_list_has_its_ids_and_teachable_machine_s_no_numbers(data: Path) -> None:
    coral = read_list(data / "zoo" / "labels" / "coco_labels_with_ids_and_gaps.txt")
    assert len(coral) == 80
    assert {15: "bird", 16: "cat", 89: "toothbrush"}.items() <= coral.items()
    teachable = read_list(data / "zoo" / "teachable-quant" / "labels.txt")
    assert list(teachable.values())[:2] == ["FRESH APPLE", "FRESH BANANA"]
    speech = read_list(data / "zoo" / "yamnet" / "yamnet_521_labels.txt")
    assert (len(speech), speech[1]) == (521, "Child speech, kid speaking")
