"""Taking weights from a file or an archive that someone brought."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from edge_runtime.errors import PackError
from edge_runtime.manifest import Manifest
from edge_runtime.packs.manifest_file import read_manifest
from edge_runtime.packs.pull import import_file
from support.pack_files import WEIGHTS, make_pack, sha256, zipped
from support.small_disk import small_disk

SIZE = len(WEIGHTS)


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    folder = tmp_path / "staging"
    folder.mkdir()
    return folder


def imported(manifest: Manifest, path: Path, staging: Path) -> Path:
    with path.open("rb") as file:
        return import_file(manifest, file, staging)


def member_manifest(folder: Path, member: str = "w") -> Manifest:
    origin = f'url = "https://x/y.zip"\nmember = "{member}"\nsize_bytes = {SIZE}'
    return read_manifest(make_pack(folder / "catalogue", origin=origin))


def test_import_takes_the_weights_themselves_or_the_archive_that_holds_them(
    tmp_path: Path, staging: Path
) -> None:
    manifest = member_manifest(tmp_path)
    plain = tmp_path / "any name at all"
    plain.write_bytes(WEIGHTS)
    for file in (plain, zipped(tmp_path / "a.zip", w=WEIGHTS)):
        weights = imported(manifest, file, staging)
        assert weights.read_bytes() == WEIGHTS
        assert weights.parent == staging
    assert plain.read_bytes() == WEIGHTS


def test_import_refuses_other_bytes_naming_both_hashes(tmp_path: Path, staging: Path) -> None:
    manifest = member_manifest(tmp_path)
    other = tmp_path / "other.tflite"
    other.write_bytes(b"not these")
    for file in (other, zipped(tmp_path / "a.zip", w=b"not these")):
        with pytest.raises(PackError, match=sha256(b"not these")[:8]) as caught:
            imported(manifest, file, staging)
        assert manifest.model.sha256[:8] in str(caught.value)
    assert list(staging.iterdir()) == []


def test_archives_that_hold_too_much_or_nothing_or_are_broken_are_refused(
    tmp_path: Path, staging: Path
) -> None:
    manifest = member_manifest(tmp_path)
    too_much = zipped(tmp_path / "large.zip", w=bytes(50 * SIZE))
    with pytest.raises(PackError, match=f"w has {50 * SIZE} bytes, at most {SIZE} fit"):
        imported(manifest, too_much, staging)
    with pytest.raises(PackError, match=r"holds no w; give the publisher's archive"):
        imported(manifest, zipped(tmp_path / "empty.zip", v=WEIGHTS), staging)
    broken = zipped(tmp_path / "broken.zip", w=WEIGHTS)
    data = bytearray(broken.read_bytes())
    data[200] ^= 0xFF
    broken.write_bytes(data)
    with pytest.raises(PackError, match="w cannot be unpacked"):
        imported(manifest, broken, staging)
    assert list(staging.iterdir()) == []


def test_an_archive_that_lies_about_a_size_gives_no_more_than_it_declared(
    tmp_path: Path, staging: Path
) -> None:
    archive = zipped(tmp_path / "liar.zip", w=bytes(50 * SIZE))
    data = archive.read_bytes()
    honest, claimed = struct.pack("<I", 50 * SIZE), struct.pack("<I", SIZE)
    assert data.count(honest) == 2
    archive.write_bytes(data.replace(honest, claimed))
    with pytest.raises(PackError, match="w cannot be unpacked"):
        imported(member_manifest(tmp_path), archive, staging)
    assert list(staging.iterdir()) == []


def test_an_archive_with_an_endless_list_of_members_is_not_read(
    tmp_path: Path, staging: Path
) -> None:
    archive = tmp_path / "long.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for number in range(20_000):
            made.writestr(f"a-member-with-a-long-name-{number:040}", b"")
    manifest = member_manifest(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(PackError, match="its list of members is longer"):
            imported(manifest, archive, staging)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert list(staging.iterdir()) == []


def test_a_full_disk_is_left_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "tmpfs", 17) as place:
        (place / "log").write_bytes(bytes(1_000_000))
        archive = zipped(tmp_path / "w.zip", w=WEIGHTS)
        with pytest.raises(PackError, match="make room on the disk"):
            imported(member_manifest(tmp_path), archive, place)
        assert [path.name for path in place.iterdir()] == ["log"]


def test_names_that_climb_out_of_an_archive_reach_nothing(tmp_path: Path, staging: Path) -> None:
    manifest = member_manifest(tmp_path, "../../escaped")
    archive = tmp_path / "climbing.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("../../escaped", WEIGHTS)
    weights = imported(manifest, archive, staging)
    assert weights.parent == staging
    assert not list(tmp_path.parent.rglob("escaped"))
