"""Children that somebody took over: whatever they say, the daemon loses nothing but them."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.errors import BackendError, SourceError
from edge_runtime.infer import isolated as isolated_model
from edge_runtime.infer.isolated import IsolatedBackend, open_isolated
from edge_runtime.isolation.children import Child, ChildFactory
from edge_runtime.isolation.limits import MIB, ChildLimits
from edge_runtime.options import CameraOptions, VideoOptions
from edge_runtime.sources import isolated as isolated_source
from edge_runtime.sources.isolated import IsolatedSource
from support.child_entries import ODD_TENSORS
from support.hostile import DrippingCamera, HugePictures
from support.media import read_some, write_clip
from support.waiting import until

DONE_S = 20.0
TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def children() -> Iterator[ChildFactory]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS))
        factory = ChildFactory(("numpy", "cv2"), ("support.child_entries",))
        factory.prepare()
        yield factory
        factory.close()


def camera(children: ChildFactory, url: str, *, patience_s: float = DONE_S) -> IsolatedSource:
    return IsolatedSource(
        CameraOptions(url), SystemClock(), children, slots=4, patience_s=patience_s
    )


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_source, "ENTRY", "support.child_entries:lying_camera")
    monkeypatch.setattr(isolated_model, "ENTRY", "support.child_entries:lying_model")


def descriptors() -> int:
    gc.collect()  # what earlier tests left lying
    return len(list(Path("/proc/self/fd").iterdir()))


def open_and_read(source: IsolatedSource) -> None:
    source.open()
    read_some(source, 10)


@pytest.mark.usefixtures("liar")
@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("endless-pools", "no larger"),
        ("endless-waits", "without end"),
        ("waits-for-ever", "waits for what"),
        ("waits-twice", "waits for what"),
        ("no-word", "does not speak"),
        ("no-time", "no time"),
        ("no-moment", "no time"),
        ("late-year", "no time"),
        ("backwards", "back in time"),
        ("no-slot", "no picture of the pool"),
        ("no-picture", "shape"),
        ("long-text", "does not speak"),
    ],
)
def test_a_capture_process_that_lies_costs_its_source(
    children: ChildFactory, lie: str, reason: str
) -> None:
    source = camera(children, f"rtsp://127.0.0.1/{lie}")
    before = descriptors()
    with pytest.raises(SourceError, match=reason):
        open_and_read(source)
    source.close()
    assert descriptors() <= before


@pytest.mark.usefixtures("liar")
def test_pictures_without_end_and_descriptors_with_each_are_read_one_by_one(
    children: ChildFactory,
) -> None:
    source = camera(children, "rtsp://127.0.0.1/endless-pictures")
    source.open()
    read_some(source, 1)
    before = descriptors()
    assert len(read_some(source, 100)) == 100
    assert descriptors() <= before
    source.close()


@pytest.mark.usefixtures("liar")
def test_a_notice_is_one_line(children: ChildFactory) -> None:
    source = camera(children, "rtsp://127.0.0.1/odd-text")
    source.open()
    read_some(source, 1)
    assert source.notice == r"first\n\x1b[2Jsecond"
    source.close()


@pytest.mark.usefixtures("liar")
@pytest.mark.parametrize("lie", ODD_TENSORS)
def test_a_model_with_tensors_that_no_model_has_is_refused(
    children: ChildFactory, lie: str
) -> None:
    before = descriptors()
    with pytest.raises(BackendError):
        open_liar(children, lie)
    assert descriptors() <= before


@pytest.mark.usefixtures("liar")
def test_descriptors_that_come_with_results_are_closed(children: ChildFactory) -> None:
    backend = open_liar(children, "thrower")
    before = descriptors()
    for _ in range(20):
        backend.infer(backend.new_input())
    assert descriptors() <= before
    backend.close()


@pytest.mark.usefixtures("liar")
def test_a_model_that_reads_nothing_and_answers_all_is_ended(
    children: ChildFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated_model, "FIRST_RUN_TIMEOUT_S", 0.3)
    monkeypatch.setattr(isolated_model, "RUN_TIMEOUT_S", 0.3)
    backend = open_liar(children, "talker")
    with pytest.raises(BackendError, match="inference hangs"):
        infer_often(backend)
    backend.close()


def infer_often(backend: IsolatedBackend) -> None:
    for _ in range(5000):
        backend.infer(backend.new_input())


def open_liar(children: ChildFactory, lie: str) -> IsolatedBackend:
    return open_isolated(children, Path("/nowhere") / lie, engine="auto", delegate=None)


# What is at fault is said


def test_pictures_too_large_to_decode_are_named(children: ChildFactory) -> None:
    with HugePictures() as hostile:
        source = camera(children, hostile.url)
        with pytest.raises(SourceError, match="16000x16000 are too large") as error:
            source.open()
        assert "secret" not in str(error.value)
        source.close()


def test_what_libraries_say_is_kept_from_the_log(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from edge_runtime.sources.capture_process import silence_libraries\n"
        "silence_libraries()\n"
        "os.write(2, b'rtsp://guard:secret@camera\\n')\n"
        "sys.stderr.write('ours\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stderr == b"ours\n"


# FailureThrottle


def test_a_file_that_waits_says_so_and_one_that_hangs_is_noticed(
    children: ChildFactory, tmp_path: Path
) -> None:
    clip = VideoOptions(write_clip(tmp_path / "slow.avi", frames=4, fps=0.4))
    source = IsolatedSource(clip, SystemClock(), children, slots=4, patience_s=1.0)
    source.open()
    assert len(read_some(source, 2)) == 2  # 2.5 s apart
    child = source._child
    assert child is not None
    os.kill(child.process, signal.SIGSTOP)
    with pytest.raises(SourceError, match="no answer for 1 s"):
        read_some(source, 2)
    source.close()


def test_a_source_that_is_closed_as_its_process_starts_is_not_waited_for(
    children: ChildFactory,
) -> None:
    probe = echo(children)
    template = parent_of(probe.process)
    probe.close(DONE_S)
    with DrippingCamera() as hostile:
        source = camera(children, hostile.url)
        errors: list[SourceError] = []

        def open_it() -> None:
            try:
                source.open()
            except SourceError as error:
                errors.append(error)

        os.kill(template, signal.SIGSTOP)
        try:
            opener = threading.Thread(target=open_it)
            opener.start()
            until(lambda: not source._closed.is_set(), "the open under way")
            source.close()
        finally:
            os.kill(template, signal.SIGCONT)
        opener.join(DONE_S)
        assert [str(error) for error in errors] == ["the source is closed; open it before reading"]


# The template


def echo(children: ChildFactory) -> Child:
    child = children.start(
        "support.child_entries:echo", b"here", name="echo", limits=ChildLimits(256 * MIB)
    )
    assert child.channel.receive(DONE_S) == b"here"
    return child


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_threads_that_find_the_template_gone_share_the_next_one(children: ChildFactory) -> None:
    child = echo(children)
    os.kill(parent_of(child.process), signal.SIGKILL)
    assert child.ended(DONE_S) == -signal.SIGKILL
    assert child.lost_template
    started: list[Child] = []
    threads = [threading.Thread(target=lambda: started.append(echo(children))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DONE_S)
    assert len({parent_of(one.process) for one in started}) == 1
    assert [one.ended() for one in started] == [None] * 4
    children.end_children()
    assert [one.ended(DONE_S) for one in started] == [-signal.SIGKILL] * 4
    for one in (child, *started):
        one.close()


def test_children_look_for_garbage(children: ChildFactory) -> None:
    child = children.start(
        "support.child_entries:collects", b"", name="gc", limits=ChildLimits(256 * MIB)
    )
    assert child.channel.receive(DONE_S) == b"True"
    child.close(DONE_S)


def test_a_process_that_the_kernel_refuses_costs_no_other() -> None:
    program = """
import ctypes, os, resource
import support.child_entries
from edge_runtime.isolation.children import ChildFactory, ChildStartError
from edge_runtime.isolation.limits import ChildLimits
if os.getuid() == 0:  # whom no limit holds
    os.setresuid(54321, 54321, 54321)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: else /proc/self is root's
factory = ChildFactory()
def start():
    limits = ChildLimits(1 << 28)
    return factory.start("support.child_entries:echo", b"here", name="x", limits=limits)
first = start()
assert first.channel.receive(20) == b"here"
stat = open(f"/proc/{first.process}/stat").read()
template = int(stat.rpartition(")")[2].split()[1])
resource.prlimit(template, resource.RLIMIT_NPROC, (0, 0))
try:
    start()
except ChildStartError as error:
    print(error)
first.channel.send(b"still")
print(first.channel.receive(20).decode())
factory.close()
"""
    environment = os.environ | {"PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    error, still = done.stdout.splitlines()
    assert "could not be started (Resource temporarily unavailable)" in error
    assert still == "still"
