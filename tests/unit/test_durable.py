"""Files and folders that are replaced whole, and locks: what a power cut or a link may find."""

from __future__ import annotations

import os
import resource
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_runtime import durable
from edge_runtime.durable import replace_file, replace_folder, shred, try_lock, write_new


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("bits", [0o000, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_has_the_mode_that_was_asked_for_whatever_the_umask(
    tmp_path: Path, bits: int, mode: int
) -> None:
    with umask(bits):
        write_new(tmp_path / "key", b"x", mode=mode)
    assert mode_of(tmp_path / "key") == mode


def test_what_was_not_written_whole_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    with umask(0), largest_file(1), pytest.raises(OSError, match="File too large"):
        write_new(tmp_path / "key", b"a secret", mode=0o644)
    assert mode_of(tmp_path / "key") == 0o600


def test_a_new_file_takes_no_place_that_is_taken_nor_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            write_new(tmp_path / name, b"new")
    assert (tmp_path / "there").read_bytes() == b"old"
    assert not (tmp_path / "elsewhere").exists()


def test_what_a_power_cut_left_half_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".state.new").write_bytes(b"ha")
    replace_file(tmp_path / "state", b"whole")
    assert (tmp_path / "state").read_bytes() == b"whole"
    assert [one.name for one in tmp_path.iterdir()] == ["state"]


def test_a_file_is_on_the_disk_before_it_takes_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_bytes(b"old")
    synced: list[tuple[str, bytes]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        of = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((of.relative_to(tmp_path).as_posix(), (tmp_path / "state").read_bytes()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    replace_file(tmp_path / "state", b"new")
    assert synced == [(".state.new", b"old"), (".", b"new")]


def test_a_folders_name_bears_the_new_one_before_the_old_one_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("final", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "what").write_text(name)
    found: list[str] = []
    real = shutil.rmtree

    def rmtree(path: Path) -> None:
        found.append((tmp_path / "final" / "what").read_text())
        real(path)

    monkeypatch.setattr(durable.shutil, "rmtree", rmtree)
    replace_folder(tmp_path / "new", tmp_path / "final")
    assert found == ["new"]
    assert [one.name for one in tmp_path.iterdir()] == ["final"]


def test_what_is_shredded_is_gone_under_its_other_names_too(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"a secret")
    (tmp_path / "other").hardlink_to(tmp_path / "key")
    shred(tmp_path / "key")
    shred(tmp_path / "key")  # twice is once
    assert not (tmp_path / "key").exists()
    assert (tmp_path / "other").read_bytes() == bytes(8)


def test_shredding_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"of somebody else")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match="symbolic links"):
        shred(tmp_path / "link")
    assert (tmp_path / "file").read_bytes() == b"of somebody else"


def test_any_number_may_share_a_lock_and_one_alone_have_it_for_itself(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    place.touch()
    with place.open("rb") as one, place.open("rb") as other, place.open("rb") as third:
        assert try_lock(one, shared=True)
        assert try_lock(other, shared=True)
        assert not try_lock(third)
        one.close()
        other.close()
        assert try_lock(third)
