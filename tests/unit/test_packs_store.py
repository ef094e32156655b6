"""The store: what is found where, and that a pack is there whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.errors import EdgeError, PackError
from edge_runtime.manifest import Pack
from edge_runtime.packs.store import PackStore, put_in_place
from support.http_server import Publisher, serving
from support.pack_files import WEIGHTS, make_pack, sha256

OTHER = b"other weights" * 1000


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


@pytest.fixture
def store(tmp_path: Path, catalogue: Path) -> PackStore:
    return PackStore(tmp_path / "state", catalogue)


def accept(_pack: Pack) -> None:
    pass


def install(
    store: PackStore,
    weights: bytes = WEIGHTS,
    name: str = "toy",
    trial: Callable[[Pack], None] = accept,
) -> Pack:
    with store.changing():
        staged = store.staging / "given"
        staged.write_bytes(weights)
        return store.install(name, staged, trial)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_an_installed_pack_is_found_by_name_and_holds_what_its_manifest_names(
    store: PackStore, catalogue: Path, tmp_path: Path
) -> None:
    folder = make_pack(catalogue)
    (folder / "train.py").write_text("not part of the pack")
    pack = install(store)
    assert pack == store.find("toy", tmp_path)
    assert pack.folder == tmp_path / "state" / "models" / "toy"
    assert {path.name for path in pack.folder.iterdir()} == {
        "pack.toml",
        "labels.txt",
        "weights.tflite",
    }


def test_an_installed_pack_goes_before_a_bundled_one_and_that_before_a_folder(
    store: PackStore, catalogue: Path, tmp_path: Path
) -> None:
    own = make_pack(tmp_path / "config", with_weights=True)
    assert store.find("toy", tmp_path / "config").folder == own
    bundled = make_pack(catalogue, with_weights=True)
    assert store.find("toy", tmp_path / "config").folder == bundled
    installed = install(store).folder
    assert store.find("toy", tmp_path / "config").folder == installed
    assert store.find("./toy", tmp_path / "config").folder == own
    assert store.find(str(own), tmp_path).folder == own


def test_an_unknown_name_lists_what_is_near_and_how_to_get_it(
    store: PackStore, catalogue: Path, tmp_path: Path
) -> None:
    make_pack(catalogue, "village-road", with_weights=True)
    make_pack(catalogue, "vww-96")
    with pytest.raises(PackError, match=r"'vilage-road': no such .*: village-road; .*models pull"):
        store.find("vilage-road", tmp_path)
    with pytest.raises(PackError, match="village-road, vww-96"):
        store.manifest("zzz")
    with pytest.raises(PackError, match=r"vww-96: its weights are not on this device.*pull vww-96"):
        store.find("vww-96", tmp_path)
    with pytest.raises(PackError, match=r"packs/mine: no such folder; correct the path"):
        store.find("packs/mine", tmp_path)


@pytest.mark.parametrize("name", ["../toy", ".staging", ".", "", "toy/../toy"])
def test_only_a_packs_name_is_a_name(store: PackStore, catalogue: Path, name: str) -> None:
    make_pack(catalogue)
    install(store)
    with pytest.raises(PackError):
        store.manifest(name)
    with pytest.raises(PackError), store.changing():
        store.remove(name)
    assert store.list()[0].state == "installed"


def test_the_list_tells_installed_bundled_available_and_damaged_apart(
    store: PackStore, catalogue: Path
) -> None:
    make_pack(catalogue, "a", origin="size_bytes = 1024000")
    make_pack(catalogue, "b", with_weights=True)
    for name in ("c", "d", "e"):
        make_pack(catalogue, name)
        folder = install(store, name=name).folder
        if name == "d":
            (folder / "weights.tflite").unlink()
        if name == "e":
            (folder / "pack.toml").write_text("[")
    listed = {pack.name: (pack.state, pack.size_bytes, pack.license) for pack in store.list()}
    size = len(WEIGHTS)
    assert listed == {
        "a": ("available", size, "Apache-2.0"),
        "b": ("bundled", size, "Apache-2.0"),
        "c": ("installed", size, "Apache-2.0"),
        "d": ("damaged", None, "Apache-2.0"),
        "e": ("damaged", None, "?"),
    }
    assert [store.up_to_date(name) for name in "abcde"] == [False, True, True, False, False]


def test_wrong_weights_or_a_failed_trial_leave_the_installed_pack_as_it_was(
    store: PackStore, catalogue: Path, tmp_path: Path
) -> None:
    make_pack(catalogue)
    install(store)
    before = contents(tmp_path / "state")

    def refuse(_pack: Pack) -> None:
        raise PackError("the golden case fails")

    with pytest.raises(PackError, match=sha256(OTHER)[:8]):
        install(store, OTHER)
    with pytest.raises(PackError, match="the golden case fails"):
        install(store, trial=refuse)
    assert contents(tmp_path / "state") == before


def test_a_new_version_takes_the_old_ones_place_after_its_trial(
    store: PackStore, catalogue: Path, tmp_path: Path
) -> None:
    make_pack(catalogue)
    install(store)
    (catalogue / "toy").rename(tmp_path / "the old catalogue's toy")
    make_pack(catalogue, weights=OTHER, version="2")
    assert not store.up_to_date("toy")
    during: list[str] = []

    def note(_pack: Pack) -> None:
        during.append(store.find("toy", tmp_path).manifest.pack.version)

    install(store, OTHER, trial=note)
    assert during == ["1"]
    assert store.find("toy", tmp_path).manifest.pack.version == "2"
    assert {path.name for path in (tmp_path / "state/models").iterdir()} == {
        ".lock",
        ".staging",
        "toy",
    }


def test_a_name_is_never_without_its_folder_while_it_is_replaced(tmp_path: Path) -> None:
    final, new = tmp_path / "toy", tmp_path / ".new-toy"
    stop, missed, looks = threading.Event(), 0, 0

    def look() -> None:
        nonlocal missed, looks
        while not stop.is_set():
            missed += not (final / "pack.toml").exists()
            looks += 1

    make_pack(tmp_path)
    watcher = threading.Thread(target=look)
    watcher.start()
    for version in range(100):
        made = make_pack(tmp_path / "made", version=str(version))
        made.rename(new)
        put_in_place(new, final)
    stop.set()
    watcher.join()
    assert looks > 100
    assert missed == 0
    assert 'version = "99"' in (final / "pack.toml").read_text()


def test_what_a_killed_change_left_behind_is_cleared_away(
    store: PackStore, catalogue: Path, tmp_path: Path
) -> None:
    make_pack(catalogue)
    left = tmp_path / "state" / "models" / ".new-toy"
    left.mkdir(parents=True)
    (left / "pack.toml").write_text("half")
    assert store.list()[0].state == "available"
    install(store)
    assert not left.exists()


def test_removing_takes_the_installed_pack_alone(store: PackStore, catalogue: Path) -> None:
    make_pack(catalogue)
    install(store)
    with store.changing():
        store.remove("toy")
    assert store.list()[0].state == "available"
    with pytest.raises(PackError, match="toy: not installed"), store.changing():
        store.remove("toy")


def test_two_changes_at_once_are_refused_and_readers_are_not(
    store: PackStore, catalogue: Path, tmp_path: Path
) -> None:
    make_pack(catalogue)
    install(store)
    with store.changing():
        assert store.find("toy", tmp_path).labels == ("person", "dog")
        with (
            pytest.raises(EdgeError, match="another 'models' command is at work"),
            PackStore(tmp_path / "state", catalogue).changing(),
        ):
            pass


def test_a_state_folder_that_cannot_be_made_is_said_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = PackStore(tmp_path / "file" / "state", tmp_path)
    with (
        pytest.raises(EdgeError, match=r"cannot be written .*or give --state-dir"),
        store.changing(),
    ):
        pass


CHILD = """
import sys
from pathlib import Path
from edge_runtime.clock import SystemClock
from edge_runtime.packs.pull import pull
from edge_runtime.packs.store import PackStore
store = PackStore(Path(sys.argv[1]), Path(sys.argv[2]))
with store.changing():
    say = lambda done, total: print(done, flush=True)
    weights = pull(store.manifest("toy"), store.staging, say, clock=SystemClock())
    store.install("toy", weights, lambda pack: None)
"""


def test_a_pull_killed_midway_leaves_the_store_as_it_was_and_the_next_one_resumes(
    store: PackStore, catalogue: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-c", CHILD, str(state), str(catalogue)]
    publisher = Publisher(WEIGHTS, cuts=[400_000], hold=threading.Event())
    with serving(publisher):
        make_pack(catalogue, origin=f'url = "{publisher.url}"')
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            while int(child.stdout.readline()) < 400_000:
                pass
            child.send_signal(signal.SIGKILL)
            assert child.wait(30) == -signal.SIGKILL
        assert store.list()[0].state == "available"
        kept = (store.staging / f"toy-{sha256(WEIGHTS)[:8]}.part").stat().st_size
        assert kept == 400_000
        subprocess.run(command, check=True, timeout=60, capture_output=True)
        assert publisher.requests[1] == (f"bytes={kept}-", len(WEIGHTS) - kept)
    assert store.find("toy", tmp_path).weights.read_bytes() == WEIGHTS
