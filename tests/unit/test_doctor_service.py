"""The doctor's look at the outbox and the service, and how checks are run."""

from __future__ import annotations

import grp
import os
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.doctor import CHECKS, CheckContext, Finding
from edge_runtime.doctor.access import group_name, may_use
from edge_runtime.doctor.configuration import look_around
from edge_runtime.doctor.daemon import STATES
from edge_runtime.doctor.examine import any_hangs, bounded
from edge_runtime.doctor.service import CONDITIONS, check_service
from edge_runtime.doctor.unit import unit_facts
from edge_runtime.errors import EdgeError, UsageError
from edge_runtime.language import Language
from edge_runtime.outbox.health import Condition
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore
from edge_runtime.stream.build import load_checked
from edge_runtime.stream.health import StreamState
from support.surroundings import configuration, only, surroundings, tree
from support.waiting import until


def daemon(**outbox: Any) -> dict[str, Any]:
    return {
        "pid": 7,
        "outbox": {"state": "ok", "reason": "", "pending": 0, "rejected": 0, **outbox},
        "link": {"last_ack_s": 990.0},  # ten seconds before a manual clock's beginning
    }


@pytest.mark.parametrize(
    ("outbox", "state", "text"),
    [
        ({}, "ok", "0 results wait"),
        ({"pending": 3}, "ok", "acknowledged 10 s ago"),
        ({"pending": 5000}, "warning", "5000 results wait"),
        ({"rejected": 2}, "warning", "2 were refused"),
        ({"state": "disk_full", "reason": "no room"}, "failed", "the disk is full (no room)"),
    ],
)
def test_the_outbox_of_a_daemon_at_work(
    outbox: dict[str, Any], state: str, text: str, tmp_path: Path
) -> None:
    finding = only("outbox", surroundings(tmp_path, daemon=daemon(**outbox)))
    assert finding.state == state
    assert text in finding.text
    assert bool(finding.advice) == (state != "ok")


def test_each_condition_of_an_outbox_and_state_of_a_stream_has_words() -> None:
    assert {*CONDITIONS, "ok"} == set(get_args(Condition))
    assert set(STATES) == set(get_args(StreamState))


def test_results_that_wait_while_nothing_is_acknowledged(tmp_path: Path) -> None:
    told = daemon(pending=3)
    told["link"]["last_ack_s"] = None
    finding = only("outbox", surroundings(tmp_path, daemon=told))
    assert finding.state == "warning"
    assert "acknowledged" not in finding.text


def test_a_broker_that_refuses_records(tmp_path: Path) -> None:
    told = daemon(pending=3)
    reason = "connected to b:1, but the broker refuses records; gate/event waits: quota exceeded"
    told["link"] |= {"state": "degraded", "reason": reason}
    finding = only("outbox", surroundings(tmp_path, daemon=told))
    assert finding.state == "warning"
    assert "gate/event waits: quota exceeded" in finding.text
    assert "Nothing is lost" in finding.advice


def test_the_outbox_of_a_daemon_that_does_not_run(tmp_path: Path) -> None:
    context = surroundings(tmp_path)
    assert only("outbox", context).state == "skipped"
    folder = context.state_dir / "outbox"
    folder.mkdir()
    (folder / "outbox.db").write_bytes(os.urandom(8192))
    assert "will salvage what it can" in only("outbox", context).text


@pytest.mark.parametrize(
    ("facts", "state", "advice"),
    [
        ({}, "ok", ""),
        ({"active": "failed"}, "failed", "systemctl enable --now"),
        ({"restarts": 4}, "warning", "journalctl"),
        ({"file": "disabled"}, "warning", "systemctl enable edge-runtime"),
        ({"load": "not-found"}, "skipped", ""),
    ],
)
def test_the_unit_as_systemd_knows_it(
    facts: dict[str, Any], state: str, advice: str, tmp_path: Path, systemd: Callable[..., None]
) -> None:
    systemd(**facts)
    finding = only("service", surroundings(tmp_path))
    assert finding.state == state
    assert advice in finding.advice
    assert bool(advice) == bool(finding.advice)


def test_an_upgrade_that_has_not_ended(tmp_path: Path, systemd: Callable[..., None]) -> None:
    systemd()
    tree(tmp_path / "root", {"opt/edge-runtime/unproven/tries": ""})
    _, finding = check_service(surroundings(tmp_path))
    assert (finding.check, finding.state) == ("upgrade", "warning")
    assert "edge-runtime-settle" in finding.advice


def test_root_asks_whether_the_service_s_user_may_use_a_device(
    tmp_path: Path, systemd: Callable[..., None]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    nobody, state, device = 65534, tmp_path / "state", tmp_path / "device"
    state.mkdir()
    device.touch()
    systemd()
    assert may_use(device, state, unit_facts()), "root's own service"
    os.chown(state, nobody, nobody)
    for owner, mode, may in ((nobody, 0o600, True), (nobody, 0o400, False), (0, 0o660, False),
                             (0, 0o666, True)):  # fmt: skip
        os.chown(device, owner, grp.getgrnam("dialout").gr_gid)
        device.chmod(mode)
        assert may_use(device, state, unit_facts()) == may, oct(mode)
    device.chmod(0o660)
    systemd(groups="video dialout")
    assert may_use(device, state, unit_facts()), "the unit adds the group"
    assert group_name(device) == "dialout"


def test_a_daemon_without_systemd_or_one_that_is_mute(tmp_path: Path) -> None:
    assert only("service", surroundings(tmp_path)).state == "skipped"
    finding = only("service", surroundings(tmp_path, daemon=daemon()))
    assert (finding.state, finding.text) == ("ok", "the daemon runs (pid 7), not as a service")
    finding = only("service", surroundings(tmp_path, silence="the daemon does not answer"))
    assert (finding.state, finding.text) == ("failed", "the daemon does not answer")


# The configuration


def test_what_is_said_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "edge-runtime.toml"
    config = configuration(tmp_path)
    good = only("configuration", surroundings(tmp_path, config=config, config_file=file))
    assert (good.state, good.text) == ("ok", f"{file}: good, streams: 1")
    told = {"config": {"state": "fallback", "reason": "it was wrong"}}
    context = surroundings(tmp_path, config=config, config_file=file, daemon=told)
    finding = only("configuration", context)
    assert finding.state == "warning"
    assert "it was wrong" in finding.text
    finding = only("configuration", surroundings(tmp_path, config_file=file, problem="x: y"))
    assert (finding.state, finding.text) == ("failed", "the configuration is wrong: x: y")
    assert f"edge-runtime check --config {file}" in finding.advice


WRONG_LABEL = """
[device]
site = "hill"
[broker]
url = "mqtt://127.0.0.1:1"
[[streams]]
name = "road"
source = { kind = "synthetic" }
model = { pack = "village-road", labels = ["Person"] }
"""


def test_what_check_refuses_doctor_never_calls_good(tmp_path: Path) -> None:
    """Also beside a daemon at work on the last good configuration: a reload would mend nothing."""
    file, state = tmp_path / "edge-runtime.toml", tmp_path / "state"
    state.mkdir()
    file.write_text(WRONG_LABEL)
    with pytest.raises(UsageError) as caught:
        load_checked(file, PackStore(state, bundled_models()), SystemClock())
    context = look_around(file, state, Language("en"))
    assert context.problem == str(caught.value)
    told = {"config": {"state": "fallback", "reason": context.problem}}
    for running in (None, told):
        finding = only("configuration", msgspec.structs.replace(context, daemon=running))
        assert finding.state == "failed"
        assert "did you mean 'person'?" in finding.text


def test_a_user_who_may_not_look_is_told_to_use_sudo(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    context = surroundings(tmp_path)
    context.state_dir.chmod(0o700)
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_mode & 0o055 != 0o055:  # pytest's own folders
            parent.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(EdgeError, match=f"{context.state_dir} may not be read: .* sudo"):
            look_around(tmp_path / "none.toml", context.state_dir, context.language)
    finally:
        os.seteuid(0)
    assert (
        "no such file"
        in look_around(tmp_path / "none.toml", context.state_dir, context.language).problem
    )


# How checks are run


def test_the_table_names_functions_that_are_there() -> None:
    for target in CHECKS.values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))


def test_a_check_that_hangs_is_left_behind(tmp_path: Path) -> None:
    held = threading.Event()

    def hangs(_around: CheckContext) -> Iterator[Finding]:
        yield Finding("camera/a", "ok", "there")
        held.wait()

    findings = list(bounded("camera", hangs, surroundings(tmp_path), 0.05))
    assert any_hangs()
    held.set()
    until(lambda: not any_hangs(), "the check has ended")
    assert [(one.check, one.state) for one in findings] == [
        ("camera/a", "ok"),
        ("camera", "failed"),
    ]
    assert "no answer within" in findings[1].text


def test_a_check_that_cannot_be_imported_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "edge_runtime.doctor.camera", None)
    finding = only("camera", surroundings(tmp_path))
    assert finding.state == "failed"
    assert "the check itself broke: ModuleNotFoundError" in finding.text


def test_a_check_that_breaks_is_said(tmp_path: Path) -> None:
    def breaks(_around: CheckContext) -> Iterator[Finding]:
        yield Finding("serial/a", "ok", "there")
        raise KeyError("gone")

    findings = list(bounded("serial", breaks, surroundings(tmp_path), 10.0))
    assert [one.state for one in findings] == ["ok", "failed"]
    assert "KeyError: 'gone'" in findings[1].text
