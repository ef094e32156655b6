"""What provisioning writes into the configuration, and what it leaves as it was."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.enrolment.claim import Claim
from edge_runtime.errors import ConfigError, UsageError
from edge_runtime.provision.configuration import BACKUP, REPLACED, checked, fresh, updated, write
from edge_runtime.provision.streams import answered

CLAIM = Claim(
    "hill", "gate-3", "https://office.example:8443", "mqtts://10.0.0.1:8883", "broker.example",
    "0" * 64, "id", "secret", 2_000_000_000,
)  # fmt: skip
STREAMS = '[[streams]]\nname = "road"\nsource = { kind = "synthetic" }\n'
OLD = """\
# Our board at the gate.
[device]
site = "elsewhere"   # before

[broker]
url = "mqtt://old:1883"
username = "gate"
password_file = "password"
keepalive_s = 30     # a bad line
[outbox]
max_mb = 64
[[streams]]
name = "road"        # [broker] url = "no"
source = { kind = "synthetic" }
"""


def test_a_new_file_has_the_claim_s_tables_and_the_given_streams(tmp_path: Path) -> None:
    config = checked(fresh(CLAIM, STREAMS), tmp_path / "edge-runtime.toml")
    assert (config.device.site, config.device.level) == ("hill", "gate-3")
    assert config.broker.url == "mqtts://10.0.0.1:8883"
    assert (config.broker.identity, config.broker.server_name) == ("provisioned", "broker.example")
    assert [stream.name for stream in config.streams] == ["road"]


def test_a_file_that_is_there_keeps_all_but_who_and_where(tmp_path: Path) -> None:
    new = updated(OLD, CLAIM, tmp_path / "edge-runtime.toml")
    raw, old = tomllib.loads(new), tomllib.loads(OLD)
    assert raw["device"] == {"site": "hill", "name": "gate-3"}
    assert raw["broker"] == {
        "url": "mqtts://10.0.0.1:8883",
        "identity": "provisioned",
        "server_name": "broker.example",
        "keepalive_s": 30,
    }
    assert (raw["outbox"], raw["streams"]) == (old["outbox"], old["streams"])
    for comment in ("# Our board at the gate.", "# a bad line", '# [broker] url = "no"'):
        assert comment in new
    assert updated(new, CLAIM, tmp_path) == new, "a second time changes nothing"


def test_the_shipped_example_can_be_provisioned(tmp_path: Path) -> None:
    example = (Path(__file__).parents[2] / "systemd" / "edge-runtime.toml").read_text()
    config = checked(updated(example, CLAIM, tmp_path), tmp_path / "edge-runtime.toml")
    assert config.broker.identity == "provisioned"
    assert config.streams[0].name == "gate"


@pytest.mark.parametrize(
    "text",
    [
        'device = { site = "x" }\nbroker = { url = "mqtt://x" }\n' + STREAMS,
        'device.site = "x"\n[broker]\nurl = "mqtt://x"\n' + STREAMS,
        '[device]\nsite = """\nx"""\n[broker]\nurl = "mqtt://x"\n' + STREAMS,
        "[device\n",
    ],
)
def test_what_cannot_be_changed_in_place_is_said_and_left(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be changed in place; write them as tables"):
        updated(text, CLAIM, tmp_path / "edge-runtime.toml")


LINES = st.sampled_from(
    ["[device]", "[broker]", "[outbox]", "[[streams]]", "[broker.x]", 'site = "a"', 'url = "b"',
     'key_file = "c"', "max_mb = 1", 'name = """', '"""', "# [broker]", 'device.site = "d"',
     'device = {site = "e"}', " [ broker ] # f", '"url" = "g"', "'name' = 'h'", ""]
)  # fmt: skip


@given(st.lists(LINES, max_size=12).map("\n".join))
@settings(max_examples=300)
def test_whatever_the_text_nothing_else_is_changed(text: str) -> None:
    try:
        raw = tomllib.loads(updated(text, CLAIM, Path("edge-runtime.toml")))
    except ConfigError:
        return
    before = tomllib.loads(text)
    claimed = {("device", "site"), ("device", "name"), *(("broker", k) for k in BROKER_KEYS)}
    assert (raw["device"]["site"], raw["broker"]["identity"]) == ("hill", "provisioned")
    assert flat(raw) - claimed == flat(before) - claimed


BROKER_KEYS = ("url", "identity", "server_name", *REPLACED)


def flat(raw: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the keys of all tables, and of what is no table."""
    keys = set()
    for name, value in raw.items():
        inside = value if isinstance(value, dict) else {repr(value): None}
        keys |= {(name, key) for key in inside}
    return keys


def test_missing_tables_are_put_before_the_others(tmp_path: Path) -> None:
    assert tomllib.loads(updated(STREAMS, CLAIM, tmp_path))["broker"]["identity"] == "provisioned"


def test_the_file_is_for_owner_and_group_alone_and_the_old_one_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "edge-runtime.toml"
    write(file, "first", 0)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    backup = file.with_name(file.name + BACKUP)
    assert not backup.exists()
    write(file, "first", 0)
    assert not backup.exists(), "nothing changed"
    write(file, "second", 0)
    assert (file.read_text(), backup.read_text()) == ("second", "first")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o640
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, backup.name]


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.toml").symlink_to("real.toml")
    write(tmp_path / "link.toml", "text", 0)
    assert (tmp_path / "link.toml").is_symlink()
    assert (tmp_path / "real.toml").read_text() == "text"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        write(tmp_path / "file" / "edge-runtime.toml", "text", 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[broker]\nurl = "mqtt://x"\n', "broker: the claim settles this table; remove it"),
        ("[[streams]\n", "the header ends with ]]"),
    ],
)
def test_answers_say_only_what_the_claim_leaves_open(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "answers.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        answered(file)
