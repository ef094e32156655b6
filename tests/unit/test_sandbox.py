"""What a child may open: what it needs, and neither the identity nor the outbox."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.infer.child import sandbox_of as sandbox_of_model
from edge_runtime.isolation import children as children_module
from edge_runtime.isolation import landlock
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.isolation.limits import MIB, ChildLimits
from edge_runtime.isolation.sandbox import NO_SANDBOX, Sandbox
from edge_runtime.options import CameraOptions, VideoOptions
from edge_runtime.sources.isolated import sandbox_of as sandbox_of_source
from support.road import PACK

DONE_S = 20.0
TESTS = Path(__file__).parent.parent
needs_landlock = pytest.mark.skipif(
    not landlock.version(), reason="this kernel has no Landlock (CONFIG_LSM, or lsm=landlock)"
)


@pytest.fixture(scope="module")
def children() -> Iterator[ChildFactory]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS))
        factory = ChildFactory(("numpy",), ("support.child_entries",))
        factory.prepare()
        yield factory
        factory.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Stand in for a state folder, in which the clip lies, too."""
    for name in ("device.key", "outbox.db", "clip.avi", "password"):
        (tmp_path / name).write_bytes(b"bytes")
    return tmp_path


def tried(children: ChildFactory, sandbox: Sandbox | None, *names: str) -> dict[str, str]:
    """Return what became of each attempt in a child."""
    child = children.start(
        "support.child_entries:opens", "\n".join(names).encode(), name="opens",
        limits=ChildLimits(256 * MIB, sandbox=sandbox),
    )  # fmt: skip
    answers: dict[str, str] = {}
    for _ in names:
        answer = child.channel.receive(DONE_S)
        assert answer is not None
        name, _, outcome = answer.decode().rpartition(": ")
        answers[name] = outcome
    child.close(DONE_S)
    return answers


def refused(answers: dict[str, str]) -> set[str]:
    return {name for name, outcome in answers.items() if outcome == "PermissionError"}


@needs_landlock
def test_a_source_opens_its_file_and_nothing_of_the_daemons(
    children: ChildFactory, state: Path
) -> None:
    (state / "way-round").symlink_to(state / "device.key")
    key, clip, daemon = state / "device.key", state / "clip.avi", os.getpid()
    allowed = {f"read {clip}", f"read {os.__file__}", "write /dev/null"}
    answers = tried(
        children, sandbox_of_source(VideoOptions(clip)), *allowed, f"read {key}", f"write {clip}",
        f"read {state / 'way-round'}", f"read /proc/self/root{key}", f"list {state}",
        f"write {state / 'outbox.db'}", f"write {state / 'new'}", "run /bin/true",
        f"read /proc/{daemon}/mem", f"read /proc/{daemon}/root{key}",
    )  # fmt: skip
    assert refused(answers) == set(answers) - allowed
    assert {answers[name] for name in allowed} == {"yes"}
    assert key.read_bytes() == (state / "outbox.db").read_bytes() == b"bytes"


@needs_landlock
def test_only_a_network_camera_opens_connections(children: ChildFactory, state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect = f"connect {server.getsockname()[1]}"
        key = f"read {state / 'device.key'}"
        camera = sandbox_of_source(CameraOptions("rtsp://camera.local/yard"))
        answers = tried(children, camera, connect, key, "read /etc/hosts")
        assert answers == {connect: "yes", key: "PermissionError", "read /etc/hosts": "yes"}
        model = sandbox_of_model((str(next(PACK.glob("*.tflite"))),), None)
        expected = "PermissionError" if landlock.version() >= landlock.TCP_SINCE else "yes"
        assert tried(children, model, connect)[connect] == expected


@needs_landlock
def test_a_child_cannot_signal_the_daemon(children: ChildFactory) -> None:
    if landlock.version() < landlock.OUTSIDE_PROCESSES_SINCE:
        pytest.skip("this kernel's Landlock knows no signals (Linux 6.12)")
    name = f"signal {os.getpid()}"
    assert tried(children, Sandbox(), name)[name] == "PermissionError"
    assert tried(children, None, name)[name] == "yes"


def test_on_any_kernel_a_process_can_give_up_opening_anything(
    children: ChildFactory, state: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        names = f"read {state / 'device.key'}", f"connect {server.getsockname()[1]}", "share "
        answers = tried(children, None, "no more", *names)
        assert [answers[name] for name in names] == ["OSError"] * 3


def test_a_kernel_without_it_is_told_once_and_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, state: Path
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    caplog.set_level(logging.WARNING)
    assert children_module.kept_by() == ""
    factory = ChildFactory((), ("support.child_entries",))
    factory.prepare()
    name = f"read {state / 'password'}"
    assert [tried(factory, None, name) for _ in range(2)] == [{name: "yes"}] * 2
    factory.close()
    assert [one.getMessage() for one in caplog.records] == [f"isolation: {NO_SANDBOX}"]
