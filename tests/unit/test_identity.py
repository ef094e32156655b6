"""Where a device keeps who it is: private from the first moment, whole after any power cut."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import msgspec
import pytest

from edge_runtime.durable import replace_file, shred, write_new
from edge_runtime.enrolment.claim import Claim
from edge_runtime.enrolment.first_boot import first_boot
from edge_runtime.enrolment.identity import (
    EnrolmentOffice,
    IdentityFolder,
    LastGoodBroker,
    Parts,
    PendingEnrolment,
    provisioned,
)
from edge_runtime.errors import IdentityError
from edge_runtime.options import BrokerOptions, Config, DeviceOptions, StreamOptions
from support.kills import forks, killed_at

OFFICE = EnrolmentOffice("https://office.example:8443", "claim-1")
WAITING = PendingEnrolment("edge-claim-1:secret", 1_000.0)
PROVISIONED = BrokerOptions("mqtts://b:8883", identity="provisioned", server_name="b")


def parts(number: int) -> Parts:
    text = str(number).encode()
    return Parts(b"key " + text, b"chain " + text, b"ca", OFFICE)


def install(folder: IdentityFolder, number: int) -> None:
    folder.stage(parts(number))
    folder.swap()


def current(folder: IdentityFolder) -> int:
    """Return the number of the present identity; its files belong together."""
    files = folder.files()
    number = int(files.key.read_bytes().split()[1])
    assert files.certificate.read_bytes() == b"chain %d" % number
    assert files.ca.read_bytes() == b"ca"
    assert folder.office() == OFFICE
    return number


@forks
def test_a_kill_at_any_moment_leaves_the_old_pair_or_the_new_one(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    install(folder, 0)
    seen = set()
    change = 0
    while True:
        change += 1
        before = current(folder)
        lived = not killed_at(change, partial(install, folder, change))
        after = current(folder)
        assert after in (before, change)
        seen.add(after == change)
        if lived:
            break
    assert change > 15, "there are more changes than that"
    assert seen == {False, True}
    install(folder, 1_000)
    left = [path for path in folder.folder.iterdir() if path.is_dir() and not path.is_symlink()]
    assert [path.name for path in left] == [(folder.folder / "current").readlink().name]


@forks
def test_a_kill_while_an_enrolment_begins_never_leaves_a_claim_with_another_s_key(
    tmp_path: Path,
) -> None:
    folder = IdentityFolder(tmp_path)
    change = 0
    while True:
        change += 1
        mine = PendingEnrolment(f"claim {change}", 1.0)
        lived = not killed_at(change, partial(folder.begin, mine, mine.claim.encode()))
        waiting = folder.waiting()
        if waiting is not None:
            assert folder.pending_key.read_bytes() == waiting.claim.encode()
        if lived:
            break
    assert waiting == mine


def test_all_is_private_whatever_the_umask(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    before = os.umask(0)
    try:
        install(folder, 1)
        folder.begin(WAITING, b"key")
        folder.keep_last_good(LastGoodBroker("10.0.0.1", 8883))
    finally:
        os.umask(before)
    for path in [folder.folder, *folder.folder.rglob("*")]:
        if not path.is_symlink():
            wanted = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_a_private_file_follows_no_link_and_replaces_nothing(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"old")
    (tmp_path / "link").symlink_to(there)
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            write_new(tmp_path / name, b"secret")
    assert there.read_bytes() == b"old"


def test_what_is_shred_is_overwritten_before_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "key"
    write_new(file, b"secret")
    with file.open("rb") as still_open:
        shred(file)
        assert still_open.read() == bytes(6)
    assert not file.exists()
    shred(file)  # nothing there: nothing to do


def test_wiping_overwrites_the_keys_and_leaves_nothing(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    install(folder, 1)
    folder.begin(WAITING, b"pending")
    with folder.files().key.open("rb") as key, folder.pending_key.open("rb") as pending:
        folder.wipe()
        assert key.read() == bytes(5)
        assert pending.read() == bytes(7)
    assert list(tmp_path.iterdir()) == []
    folder.wipe()


@pytest.mark.parametrize("way", ["relative", "link"])
def test_the_folder_may_be_reached_in_any_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.chdir(tmp_path)
    state = Path("state")
    state.mkdir()
    if way == "link":
        (tmp_path / "link").symlink_to(state)
        state = tmp_path / "link"
    folder = IdentityFolder(state)
    install(folder, 1)
    install(folder, 2)
    assert current(folder) == 2


def test_a_staged_identity_waits_until_it_is_swapped_in(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    install(folder, 1)
    assert folder.staged() is None
    staged = folder.stage(parts(2))
    assert folder.staged() == staged
    assert current(folder) == 1
    folder.swap()
    assert current(folder) == 2
    assert folder.staged() is None


def test_what_is_not_enrolled_says_what_it_waits_for(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    assert folder.is_empty
    with pytest.raises(IdentityError, match="run 'edge-runtime provision' with a claim"):
        folder.applied(PROVISIONED)
    folder.begin(WAITING, b"key")
    assert not IdentityFolder(tmp_path).is_empty
    assert folder.why_not_enrolled(999.0).endswith("waiting for the office (not asked yet)")
    folder.tried("cannot be reached")
    assert folder.why_not_enrolled(999.0).endswith("waiting for the office (cannot be reached)")
    expired = folder.why_not_enrolled(1_000.0)
    assert "the claim expired on 1970-01-01; ask the office for a new one" in expired
    folder.end_waiting()
    assert folder.waiting() is None
    assert not folder.pending_key.exists()


def test_why_a_try_failed_is_written_once(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    folder.begin(WAITING, b"key")
    folder.tried("no link")
    written = (folder.folder / "pending.json").stat()
    folder.tried("no link")
    assert (folder.folder / "pending.json").stat().st_ino == written.st_ino


def test_the_identity_stands_in_for_the_files_where_the_broker_asks_for_it(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    plain = BrokerOptions("mqtts://b:8883")
    assert folder.applied(plain) is plain
    config = Config(DeviceOptions("hill"), PROVISIONED, (StreamOptions("road"),))
    assert provisioned(config, tmp_path).broker == PROVISIONED
    install(folder, 1)
    files = folder.files()
    given = provisioned(config, tmp_path)
    assert given.state_dir == tmp_path
    assert given.broker == msgspec.structs.replace(
        PROVISIONED, ca_file=files.ca, cert_file=files.certificate, key_file=files.key
    )
    install(folder, 2)
    assert folder.applied(given.broker).key_file == folder.files().key


def test_the_last_good_address_is_a_hint_that_may_be_damaged(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    assert folder.last_good() is None
    address = LastGoodBroker("10.0.0.1", 8883)
    folder.keep_last_good(address)
    assert folder.is_empty, "a hint is no identity"
    inode = (folder.folder / "last-good.json").stat().st_ino
    folder.keep_last_good(address)
    assert (folder.folder / "last-good.json").stat().st_ino == inode, "no wear for nothing"
    replace_file(folder.folder / "last-good.json", b"{")
    assert folder.last_good() is None
    folder.keep_last_good(address)
    assert folder.last_good() == address


def test_a_damaged_pending_file_is_said(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    folder.begin(WAITING, b"key")
    replace_file(folder.folder / "pending.json", b"{}")
    with pytest.raises(IdentityError, match=r"pending\.json: not readable as JSON; provision"):
        folder.waiting()


def test_only_one_command_at_a_time_and_disk_errors_are_one_line(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    with (
        folder.locked(),
        pytest.raises(IdentityError, match="another 'provision' or 'renew' is at work"),
        IdentityFolder(tmp_path).locked(),
    ):
        pass
    with pytest.raises(IdentityError, match="/there: no space left on device"), folder.locked():
        raise OSError(28, "No space left on device", "/there")


def test_nothing_secret_is_in_what_a_traceback_shows() -> None:
    assert "key" not in repr(parts(1))
    assert "secret" not in repr(WAITING)


def test_the_daemon_never_loads_the_office_s_tools() -> None:
    program = (
        "import sys, edge_runtime.daemon.daemon, edge_runtime.publish.mqtt; "
        "sys.exit(any(name in sys.modules for name in ('cryptography', 'zeroconf')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_board_counts_its_starts_from_where_its_claim_says(tmp_path: Path) -> None:
    urls = ("https://office.example:8443", "mqtts://b:8883", "b")
    claim = Claim("site", "gate", *urls, "0" * 64, "id", "secret", 2_000_000_000, 100_001)
    folder = IdentityFolder(tmp_path)
    assert first_boot(tmp_path) == 1
    folder.begin(PendingEnrolment(claim.text(), claim.expires_at), b"key")
    assert first_boot(tmp_path) == 100_001  # results that wait for the link bear it already
    folder.stage(
        Parts(b"key", b"chain", b"ca", EnrolmentOffice(claim.est_url, claim.claim_id, 100_001))
    )
    folder.swap()
    folder.end_waiting()
    assert first_boot(tmp_path) == 100_001
