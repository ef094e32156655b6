"""Root in a state folder that is another user's: it acts as he, and his links lead it nowhere."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from edge_runtime.cli import cli
from edge_runtime.cli.paths import MARK
from edge_runtime.clock import SystemClock
from edge_runtime.daemon.preview_protocol import SOCKET
from edge_runtime.daemon.preview_socket import PreviewSocket
from edge_runtime.provision.owner import acting_as_owner, in_owners_process
from edge_runtime.raw import Frame
from edge_runtime.stream.builder import RunningStream
from edge_runtime.stream.frame_tap import FrameTaps
from support.media import flat
from support.owners import OWNER, SECRET, as_root, as_typed, inventory, planted, python_for_all
from support.owners_child import CLAIM
from support.pack_files import WEIGHTS

CONFIG = """
[device]
site = "hill"
name = "gate"
[broker]
url = "mqtt://127.0.0.1:1"
[[streams]]
name = "road"
source = { kind = "synthetic", width = 64, height = 48, rate_fps = 10 }
model = { pack = "village-road" }
[[streams]]
name = "pump"
source = { kind = "vibration" }
model = { pack = "bearing-vibration" }
rules = [{ kind = "threshold", name = "worn", channel = "ball", above = 0.5 }]
"""
# How each command with a state folder is run here; `{folder}` has what they name.
ARGUMENTS = {
    "run": ["run --stdout --config {folder}/edge-runtime.toml"],
    "check": ["check --config {folder}/edge-runtime.toml"],
    "bench": ["bench --config {folder}/edge-runtime.toml"],
    "status": ["status"],
    "models list": ["models list"],
    "models pull": ["models pull vww-96"],
    "models import": ["models import vww-96 {folder}/weights"],
    "models verify": ["models verify village-road"],
    "models remove": ["models remove vww-96"],
    "learn": [
        "learn --config {folder}/edge-runtime.toml --stream pump --minutes 0.01 --yes",
        "learn --stream secret --show",
        "learn --stream secret --forget",
    ],
    "record": [
        "record --config {folder}/edge-runtime.toml --stream road --minutes 0.01",
        "record --list",
        "record --remove secret",
    ],
    "replay": ["replay --config {folder}/edge-runtime.toml --stream road --recording secret"],
    "mode": ["mode", "mode closed"],
    "why": ["why --stream road --at 1m"],
    "camera accept": ["camera accept road"],
    "snapshot": ["snapshot road --out {folder}/road.jpg"],
    "doctor": ["doctor --lang en --config {folder}/edge-runtime.toml"],
    "provision": [
        "provision --claim {folder}/claim --yes --no-service --wait 0 "
        "--config {folder}/edge-runtime.toml",
        "provision --decommission --yes --no-service --config {folder}/edge-runtime.toml",
    ],
    "renew": ["renew --config {folder}/edge-runtime.toml"],
}


def commands(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            inner = command.get_command(context, part)
            assert inner is not None
            yield from commands(inner, f"{name} {part}".strip())
    else:
        yield name, command


class OneStream:
    """A device with one stream of pictures."""

    def __init__(self) -> None:
        self.taps = FrameTaps()
        self.taps.of("road")
        self.streams: Mapping[str, RunningStream] = {}


WITH_STATE = {
    name: command
    for name, command in commands(cli)
    if any("--state-dir" in one.opts for one in command.params)
}
IN_BLOCKS = ("doctor", "provision", "snapshot")  # they need root for something else as well


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as open_to_all:  # which pytest's own folder is not
        folder = Path(open_to_all)
        folder.chmod(0o755)
        (folder / "edge-runtime.toml").write_text(CONFIG)
        (folder / "claim").write_text(CLAIM.text())
        (folder / "weights").write_bytes(WEIGHTS)
        yield folder


@pytest.fixture
def victim(folder: Path) -> Path:
    """Return a folder of root's, which all may enter, with things in it that root alone reads."""
    victim = folder / "etc"
    for inner in ("secret", "sudoers.d", "current"):
        (victim / inner).mkdir(parents=True)
    names = (
        "shadow",
        "secret.json",
        "secret/data",
        "secret/manifest.json",
        "sudoers.d/all",
        "boot",
    )
    for name in names:
        (victim / name).write_text(SECRET)
        (victim / name).chmod(0o600)
    return victim


@pytest.mark.parametrize("name", WITH_STATE)
def test_a_command_with_a_state_folder_begins_by_becoming_its_owner(name: str) -> None:
    assert hasattr(WITH_STATE[name].callback, MARK) or name in IN_BLOCKS


@as_root
@pytest.mark.parametrize("name", WITH_STATE)
def test_no_command_of_roots_follows_the_owners_links(
    name: str, folder: Path, victim: Path
) -> None:
    files = ("trials.json", "uplink.json", "starts.json", "last-good.toml", "delegate-opens.json")
    links = {
        **dict.fromkeys(("models", "recordings", "baselines", "identity", "outbox"), victim),
        **dict.fromkeys(files, victim / "shadow"),
        "status.sock": victim / "roots.sock",
        "preview.sock": victim / "roots.sock",
    }
    state = planted(folder / "state", links)
    with socket.socket(socket.AF_UNIX) as roots:
        roots.bind(str(victim / "roots.sock"))
        (victim / "roots.sock").chmod(0o600)
        roots.listen()
        roots.setblocking(False)
        before = list(inventory(victim))
        for line in ARGUMENTS[name]:
            words = [word.format(folder=folder) for word in line.split()]
            done = as_typed(*words, "--state-dir", str(state))
            assert done.returncode in (0, 1, 2), done.stderr
            assert "Traceback" not in done.stderr
            assert SECRET not in done.stdout + done.stderr
            assert list(inventory(victim)) == before, line
            with pytest.raises(BlockingIOError):
                roots.accept()
    assert {path.lstat().st_uid for path in state.rglob("*") if not path.is_symlink()} <= {OWNER}


@as_root
@pytest.mark.parametrize("link", ["models/.staging/vww-96-{sha}.weights", "models/.lock"])
def test_an_import_writes_through_no_link(link: str, folder: Path, victim: Path) -> None:
    from edge_runtime.packs.catalogue import bundled_models
    from edge_runtime.packs.manifest_file import read_manifest

    sha = read_manifest(bundled_models() / "vww-96").model.sha256[:8]
    state = planted(folder / "state", {link.format(sha=sha): victim / "shadow"})
    before = list(inventory(victim))
    done = as_typed(
        "models", "import", "vww-96", str(folder / "weights"), "--state-dir", str(state)
    )
    assert done.returncode != 0
    assert list(inventory(victim)) == before


@as_root
def test_what_root_records_is_the_owners_and_his_groups_are_kept(folder: Path) -> None:
    state = planted(folder / "state", {})
    done = as_typed(
        "record", "--config", str(folder / "edge-runtime.toml"), "--stream", "road",
        "--minutes", "0.01", "--name", "one", "--state-dir", str(state),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = list((state / "recordings").rglob("*"))
    assert {path.name for path in made} > {"one"}
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(OWNER, OWNER)}


@as_root
def test_a_file_that_root_alone_may_read_is_imported_and_a_configuration_refused(
    folder: Path,
) -> None:
    state = planted(folder / "state", {})
    for name in ("weights", "edge-runtime.toml"):
        (folder / name).chmod(0o600)
    taken = as_typed(
        "models", "import", "vww-96", str(folder / "weights"), "--state-dir", str(state)
    )
    assert "damaged or another model" in taken.stderr, "it was read"
    config = str(folder / "edge-runtime.toml")
    refused = as_typed("check", "--config", config, "--state-dir", str(state))
    assert refused.returncode == 2
    assert "may not read it, nor may the service" in refused.stderr


@as_root
@pytest.mark.parametrize("how", ["acts_in_a_block", "acts_in_a_process"])
def test_root_comes_back_from_a_block_alone_and_its_programs_never(how: str, folder: Path) -> None:
    """See support/owners_child.py."""
    planted(folder / "state", {})
    module = "support.owners_child"
    done = subprocess.run(
        [*python_for_all(), "-m", module, how, str(folder), str(OWNER)],
        cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@as_root
def test_nothing_changes_in_a_folder_of_roots_own(tmp_path: Path) -> None:
    with acting_as_owner(tmp_path):
        assert os.geteuid() == 0
    assert in_owners_process(tmp_path, lambda: str(os.getpid()).encode()) == b"%d" % os.getpid()
    with acting_as_owner(tmp_path / "not there"):
        assert os.geteuid() == 0


@as_root
def test_a_snapshot_is_taken_as_the_owner_and_written_as_root(folder: Path) -> None:
    state, device, clock = planted(folder / "state", {}), OneStream(), SystemClock()
    private = folder / "private"  # where the owner can write nothing
    private.mkdir(mode=0o700)
    preview, ends = PreviewSocket(state, device, clock), threading.Event()

    def capture() -> None:
        while not ends.wait(0.01):
            device.taps.of("road").offer(Frame(0, flat(7), clock.now()), clock.monotonic())

    thread = threading.Thread(target=capture)
    preview.start()
    os.chown(state / SOCKET, OWNER, OWNER)
    thread.start()
    try:
        words = ("snapshot", "road", "--state-dir", str(state), "--out", str(private / "road.jpg"))
        done = as_typed(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert (private / "road.jpg").stat().st_uid == 0
        (private / "road.jpg").unlink()
        (private / "road.jpg").mkdir()
        assert as_typed(*words).returncode == 2
    finally:
        ends.set()
        thread.join()
        preview.close()
