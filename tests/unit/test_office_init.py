"""The office's folder and registry: made once, whole, private; and what is said when it is not."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_runtime.errors import EdgeError, UsageError
from edge_runtime.office.authority import Authority, AuthorityError, name_of
from edge_runtime.office.claims import new_claim
from edge_runtime.office.folder import FileOwner, OfficeFolder, open_folder
from edge_runtime.office.listing import all_devices, dropped_events, last_events
from edge_runtime.office.members import read_rights
from edge_runtime.office.registry import MAX_EVENTS, MAX_EVENTS_OF_ONE, Registry, RegistryError
from edge_runtime.office.revoking import revoke
from edge_runtime.office.setup import make_office, upgrade
from support.office import BROKER_NAME, DAY_S, claim_for, enrolled, new_office


@pytest.fixture
def office(tmp_path: Path) -> OfficeFolder:
    return new_office(tmp_path / "office")


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]


def test_keys_are_for_their_owner_alone(office: OfficeFolder) -> None:
    keys = list(office.path.rglob("*.key"))
    assert {key.name for key in keys} == {
        "ca.key", "est.key", "office.key", "broker.key", "broker-members.key",
    }  # fmt: skip
    for private in (*keys, office.registry.path, office.private, office.client, office.data):
        assert private.stat().st_mode & 0o077 == 0, private
    # Mosquitto's user passes through; nobody looks into it.
    assert stat.S_IMODE(office.path.stat().st_mode) in (0o700, 0o711)


def test_each_certificate_is_good_for_its_one_purpose(office: OfficeFolder) -> None:
    ca = read(office.ca)
    limits = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (limits.value.ca, limits.value.path_length, limits.critical) == (True, 0, True)
    purposes = {
        office.broker: (ExtendedKeyUsageOID.SERVER_AUTH, BROKER_NAME),
        office.est: (ExtendedKeyUsageOID.SERVER_AUTH, "127.0.0.1"),
        office.office: (ExtendedKeyUsageOID.CLIENT_AUTH, "office"),
    }
    for path, (usage, name) in purposes.items():
        certificate = read(path)
        certificate.verify_directly_issued_by(ca)
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert (list(found), name_of(certificate)) == ([usage], name)
    assert names(read(office.broker)) == [BROKER_NAME, "127.0.0.1"]


def test_openssl_takes_the_chain_and_the_list(office: OfficeFolder, tmp_path: Path) -> None:
    device = enrolled(office, "a", tmp_path)

    def verdict() -> str:
        done = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-crl_check", "-CRLfile", office.crl,
             "-CAfile", office.ca, "-purpose", "sslclient", device.certificate],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    assert verdict().endswith("OK\n")
    assert revoke(office, "site", "a", time.time())
    assert "certificate revoked" in verdict()
    assert not revoke(office, "site", "a", time.time())


def test_a_place_that_is_taken_is_left_alone(office: OfficeFolder, tmp_path: Path) -> None:
    settings = office.registry.settings()
    with pytest.raises(UsageError, match="empty folder"):
        make_office(office.path, settings, time.time())
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="empty folder"):
        make_office(tmp_path / "file", settings, time.time())
    (tmp_path / "empty").mkdir()
    assert make_office(tmp_path / "empty", settings, time.time()).is_set_up


def test_nothing_half_made_is_left_behind(tmp_path: Path) -> None:
    good = new_office(tmp_path / "good").registry.settings()
    bad = type(good)("ä" * 10, (), 8883, "x", 8443)  # no name that a certificate can bear
    with pytest.raises(ValueError, match="DNSName"):
        make_office(tmp_path / "bad", bad, time.time())
    assert [path.name for path in tmp_path.iterdir()] == ["good"]


def test_no_certificate_outlives_the_ca(office: OfficeFolder, tmp_path: Path) -> None:
    authority = Authority.load(office.ca, office.ca_key)
    late_s = time.time() + 3600 * DAY_S
    certificate = authority.client("site/x", authority.key.public_key(), late_s, 365)
    assert certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_a_damaged_ca_is_said_in_one_line(office: OfficeFolder, tmp_path: Path) -> None:
    other = new_office(tmp_path / "other")
    key = office.ca_key.read_text()
    for content, why in (("garbage", "restore both"), (other.ca_key.read_text(), "not the key")):
        office.ca_key.write_text(content)
        with pytest.raises(AuthorityError, match=why):
            Authority.load(office.ca, office.ca_key)
    office.ca_key.write_text(key)
    office.ca.unlink()
    with pytest.raises(AuthorityError, match="cannot be read"):
        Authority.load(office.ca, office.ca_key)
    with pytest.raises(UsageError, match="no certificate"):
        claim_for(office, "a")


def test_names_that_make_no_topic_or_certificate_get_no_claim(office: OfficeFolder) -> None:
    for site, device, why in (
        ("Site", "a", "topic level"), ("a", "b/c", "topic level"), ("a", "", "topic level"),
        ("a\n", "b", "topic level"), ("a" * 32, "b" * 32, "63 characters"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=why):
            new_claim(office, site, device, time.time(), 60.0)


def test_a_registry_that_another_command_holds_is_waited_for_then_told(
    office: OfficeFolder,
) -> None:
    held = sqlite3.connect(office.registry.path, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    with pytest.raises(RegistryError, match="held by another command"):
        Registry(office.registry.path, busy_s=0.05).settings()
    held.close()
    assert office.registry.settings().broker_name == BROKER_NAME


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no database at all, but long enough" * 100, "damaged"), (b"", "damaged")],
)
def test_a_registry_that_is_none_is_told(office: OfficeFolder, content: bytes, why: str) -> None:
    office.registry.path.write_bytes(content)
    with pytest.raises(RegistryError, match=why) as caught:
        office.registry.settings()
    assert "\n" not in str(caught.value)


def test_a_registry_of_another_form_is_told(office: OfficeFolder) -> None:
    db = sqlite3.connect(office.registry.path)
    db.execute("PRAGMA user_version = 3")
    db.close()
    with pytest.raises(RegistryError, match="form 3, this software knows form 2"):
        office.registry.settings()


def test_half_a_registry_is_told(office: OfficeFolder) -> None:
    whole = office.registry.path.read_bytes()
    office.registry.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RegistryError, match="damaged"):
        claim_for(office, "a")


def test_refusals_never_fill_the_disk(office: OfficeFolder) -> None:
    with office.registry.changing() as db:
        db.executemany(
            "INSERT INTO events (at_s, address, what) VALUES (?, '', '')",
            [(float(number),) for number in range(MAX_EVENTS)],
        )
    office.registry.note(1e9, "192.0.2.1", "the last one")
    kept = last_events(office.registry, 2 * MAX_EVENTS)
    assert (len(kept), kept[0].at_s, kept[-1].what) == (MAX_EVENTS, 1.0, "the last one")
    assert dropped_events(office.registry) == 1


def test_noise_drives_out_no_report_of_a_device_nor_one_device_anothers(
    office: OfficeFolder,
) -> None:
    office.registry.note(1.0, "192.0.2.1", "a stolen claim", "site/robbed")
    for number in range(MAX_EVENTS_OF_ONE + 5):
        office.registry.note(2.0, "192.0.2.2", f"no. {number}", "site/wild")
    with office.registry.changing() as db:
        db.executemany(
            "INSERT INTO events (at_s, address, what) VALUES (3.0, '', ?)",
            [(str(number),) for number in range(MAX_EVENTS)],
        )
    for number in range(3):
        office.registry.note(4.0, "192.0.2.3", f"noise {number}")
    kept = [one.what for one in last_events(office.registry, 3 * MAX_EVENTS)]
    assert kept[0] == "a stolen claim"
    assert kept[1 : MAX_EVENTS_OF_ONE + 2] == [
        *(f"no. {number}" for number in range(5, MAX_EVENTS_OF_ONE + 5)), "3",
    ]  # fmt: skip
    assert dropped_events(office.registry) == 5 + 3


def test_a_registry_of_an_older_version_is_brought_up(office: OfficeFolder) -> None:
    with contextlib.closing(sqlite3.connect(office.registry.path, isolation_level=None)) as db:
        db.execute("DROP INDEX events_of")
        db.execute("ALTER TABLE events DROP COLUMN who")
        db.execute("INSERT INTO events (at_s, address, what) VALUES (1.0, '', 'of old')")
        db.execute("PRAGMA user_version = 1")
    office.registry.note(2.0, "", "of now", "site/a")
    assert [one.what for one in last_events(office.registry, 9)] == ["of old", "of now"]


def test_an_office_of_an_older_version_is_brought_up_and_keeps_what_its_owner_wrote(
    office: OfficeFolder, tmp_path: Path
) -> None:
    enrolled(office, "a", tmp_path)
    mine = "# mine\nuser viewer\ntopic read edge/v1/hill/#\n"
    office.acl.write_text(office.acl.read_text() + mine)
    plugin = "\n".join(
        line for line in office.configuration.read_text().splitlines() if line.startswith("plugin")
    )
    old = office.configuration.read_text().replace(plugin, f"acl_file {office.acl}") + "# mine\n"
    assert "plugin" not in old.replace("# plugin", "")
    office.configuration.write_text(old)
    for file in (office.keeper, office.keeper_key, office.members, office.sign_unit):
        file.unlink()
    units, changed = upgrade(office, time.time())
    assert units == [office.sign_unit]
    assert changed == [office.keeper, office.configuration]
    assert office.configuration.read_text() == old.replace(f"acl_file {office.acl}", plugin)
    assert (office.mosquitto / "mosquitto.conf.old").read_text() == old
    assert office.acl.read_text().endswith(mine)
    members = json.loads(office.members.read_text())
    names = {client["username"] for client in members["clients"]}
    assert names == {"office", "office-broker", "site/a", "viewer"}
    assert upgrade(office, time.time()) == ([], [])


@pytest.mark.parametrize(
    ("line", "why"),
    [("topic read x", "line 1"), ("user a\ntopic deny x", "line 2"), ("pattern read %c/x", "'%c'"),
     ("usr a", "'usr a' cannot be taken over"), ("user a\ntopic", "line 2")],
)  # fmt: skip
def test_a_list_of_rights_that_cannot_be_kept_is_told(line: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_rights(line)


def test_a_device_is_not_marked_where_the_list_cannot_be_written(
    office: OfficeFolder, tmp_path: Path
) -> None:
    enrolled(office, "a", tmp_path)
    office.crl.unlink()
    office.crl.mkdir()  # stands for a disk that takes nothing
    with pytest.raises(EdgeError, match="cannot be written"):
        revoke(office, "site", "a", time.time())
    (device,) = all_devices(office.registry, time.time())
    assert device.revoked_s is None


def test_a_failed_change_changes_nothing(office: OfficeFolder) -> None:
    def change() -> None:
        with office.registry.changing() as db:
            db.execute("INSERT INTO events (at_s, address, what) VALUES (0, '', '')")
            raise EdgeError("stopped")

    with pytest.raises(EdgeError, match="stopped"):
        change()
    assert last_events(office.registry, 1) == []


def test_a_folder_without_an_office_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="office init"):
        open_folder(tmp_path)
    with pytest.raises(RegistryError, match="cannot be used"):
        Registry(tmp_path / "none").settings()


def test_a_parent_that_shuts_the_broker_out_is_found(tmp_path: Path) -> None:
    owner = FileOwner()
    owner.uid, owner.gid = 54321, 54321
    tmp_path.chmod(0o755)
    inner = tmp_path / "shut" / "office"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    assert owner.shut_out_by(inner) is not None
    shut_above = {path for path in tmp_path.parents if not path.stat().st_mode & 0o001}
    assert owner.shut_out_by(inner) in shut_above | {inner.parent}


def test_what_is_sent_to_a_device_it_may_not_write_unless_it_reads_all_of_its_own() -> None:
    own = "pattern write edge/v1/%u/#\n"

    def denied(text: str) -> list[object]:
        return [one["topic"] for one in read_rights(text).of("hill/a") if not one["allow"]]

    assert denied(f"{own}pattern read edge/v1/%u/cmd/#") == ["edge/v1/hill/a/cmd/#"]
    for wide in ("edge/v1/%u/#", "edge/v1/#", "#"):
        assert denied(f"{own}pattern read {wide}") == []
