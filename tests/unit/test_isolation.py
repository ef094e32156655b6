"""Children from a template: bounded, ended whatever they do, gone with the daemon."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.isolation.channel import (
    MAX_MESSAGE_BYTES,
    ChannelClosedError,
    MessageChannel,
)
from edge_runtime.isolation.children import Child, ChildFactory, ChildStartError
from edge_runtime.isolation.frames import FramePool
from edge_runtime.isolation.limits import MIB, ChildLimits
from edge_runtime.isolation.memory import SharedMemoryError
from edge_runtime.isolation.template import OUT_OF_MEMORY
from edge_runtime.isolation.tensors import SharedTensors
from edge_runtime.raw import TensorSpec
from support.waiting import until

DONE_S = 20.0
TESTS = Path(__file__).parent.parent


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChildFactory]:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    factory = ChildFactory(("numpy",))
    yield factory
    factory.close()


def start(
    factory: ChildFactory, what: str, request: bytes = b"", *, data_bytes: int = 256 * MIB
) -> Child:
    entry = f"support.child_entries:{what}"
    return factory.start(entry, request, name=what, limits=ChildLimits(data_bytes))


def heard(child: Child) -> bytes:
    received = child.channel.receive(DONE_S)
    assert received is not None
    return received


def is_gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_a_child_answers_and_ends_when_its_channel_is_closed(children: ChildFactory) -> None:
    child = start(children, "echo", b"hello")
    assert heard(child) == b"hello"
    child.channel.send(b"again")
    assert heard(child) == b"again"
    assert child.ended() is None
    child.close(DONE_S)
    assert child.ended() == 0


def test_a_child_that_does_not_end_is_ended(children: ChildFactory) -> None:
    child = start(children, "stubborn")
    process = int(heard(child))
    os.kill(process, signal.SIGTERM)
    assert child.ended() is None
    child.close(0.0)
    assert child.ended() == -signal.SIGKILL
    until(lambda: is_gone(process), "the child's end")


def test_a_child_that_crashes_takes_nobody_with_it(children: ChildFactory) -> None:
    beside = start(children, "echo", b"here")
    assert heard(beside) == b"here"
    child = start(children, "crash")
    assert child.ended(DONE_S) == -signal.SIGABRT
    with pytest.raises(ChannelClosedError):
        child.channel.receive(DONE_S)
    beside.channel.send(b"still")
    assert heard(beside) == b"still"
    child.close()
    beside.close(DONE_S)


def own_data_bytes() -> int:
    (line,) = re.findall(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) * 1024


def test_memory_is_bounded(children: ChildFactory) -> None:
    limit = own_data_bytes() + 128 * MIB  # a forked child has what this process has
    modest = start(children, "greedy", b"%d" % (32 * MIB), data_bytes=limit)
    assert heard(modest) == b"got them"
    greedy = start(children, "greedy", b"%d" % (8192 * MIB), data_bytes=limit)
    assert greedy.ended(DONE_S) == OUT_OF_MEMORY
    modest.close(DONE_S)
    greedy.close()


def test_a_child_has_no_descriptor_of_the_daemons(children: ChildFactory, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    beside = start(children, "echo", b"here")
    assert heard(beside) == b"here"
    with secret.open("w"):
        child = start(children, "descriptors")
        targets = heard(child).decode().splitlines()
    child.close(DONE_S)
    beside.close(DONE_S)
    assert str(secret) not in targets
    assert len([one for one in targets if one.startswith("socket:")]) == 1


def test_a_template_that_was_ended_is_replaced(children: ChildFactory) -> None:
    child = start(children, "stubborn")
    process = int(heard(child))
    template = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(template, signal.SIGKILL)
    assert child.ended(DONE_S) == -signal.SIGKILL
    until(lambda: is_gone(process), "the child's end with its template's")
    child.close()
    again = start(children, "echo", b"back")
    assert heard(again) == b"back"
    again.close(DONE_S)


def test_children_end_with_the_daemon() -> None:
    program = (
        "import sys\n"
        "from edge_runtime.isolation.children import ChildFactory\n"
        "from edge_runtime.isolation.limits import ChildLimits\n"
        "child = ChildFactory().start('support.child_entries:stubborn', b'', name='x',\n"
        "                             limits=ChildLimits(1 << 28))\n"
        "print(child.channel.receive(20).decode(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    ) as daemon:  # fmt: skip
        assert daemon.stdout is not None
        process = int(daemon.stdout.readline())
        daemon.kill()
        until(lambda: is_gone(process), "the child's end with the daemon's")


def test_nothing_is_started_once_it_is_closed(children: ChildFactory) -> None:
    children.close()
    with pytest.raises(ChildStartError):
        start(children, "echo")


# Shared memory


def test_a_slot_is_free_when_the_last_part_of_its_picture_is_unused() -> None:
    pool = FramePool.create(2, 60)
    freed: list[int] = []
    picture = pool.picture(1, (4, 5, 3), lambda: freed.append(1))
    picture[:] = 7
    part = picture[1:2, :, 0]
    del picture
    gc.collect()
    assert freed == []
    assert part.tolist() == [[7] * 5]
    pool.close()
    assert part.tolist() == [[7] * 5]
    del part
    assert freed == [1]


def test_both_sides_see_the_same_picture() -> None:
    pool = FramePool.create(3, 12)
    other = FramePool.attach(os.dup(pool.descriptor), pool.slots, pool.slot_bytes)
    pool.picture(2, (3, 4), lambda: None)[:] = np.arange(12).reshape(3, 4)
    assert other.picture(2, (3, 4), lambda: None).ravel().tolist() == list(range(12))
    pool.close()
    other.close()


@pytest.mark.parametrize(
    ("slot", "shape"), [(3, (1, 1)), (-1, (1, 1)), (0, (4096, 2)), (0, ()), (0, (0, 3))]
)
def test_a_picture_beyond_the_pool_is_refused(slot: int, shape: tuple[int, ...]) -> None:
    pool = FramePool.create(3, 12)
    with pytest.raises(SharedMemoryError):
        pool.picture(slot, shape, lambda: None)
    pool.close()


def test_memory_that_its_owner_could_shorten_is_not_mapped() -> None:
    descriptor = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, 8192)
    with pytest.raises(SharedMemoryError, match="shorter"):
        FramePool.attach(os.dup(descriptor), 1, 4096)
    with pytest.raises(SharedMemoryError, match="shorter"):
        SharedTensors(descriptor, [TensorSpec("x", (8192,), "uint8")])
    os.close(descriptor)


def test_memory_smaller_than_announced_is_not_mapped() -> None:
    pool = FramePool.create(1, 100)
    with pytest.raises(SharedMemoryError, match="smaller"):
        FramePool.attach(os.dup(pool.descriptor), 60, 4096)
    pool.close()


def test_tensors_are_shared_in_their_types() -> None:
    specs = [
        TensorSpec("in", (1, 3, 5), "uint8"),
        TensorSpec("out", (2, 2), "float32"),
        TensorSpec("count", (), "int64"),
    ]
    ours = SharedTensors.create(specs)
    theirs = SharedTensors(os.dup(ours.descriptor), specs)
    ours.close()
    for array, spec in zip(ours.arrays, specs, strict=True):
        array[...] = 3
        assert (array.shape, array.dtype.name) == (spec.shape, spec.dtype)
    assert [array.sum() for array in theirs.arrays] == [45, 12, 3]


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec("x", (1 << 40,), "uint8"),
        TensorSpec("x", (0,), "uint8"),
        TensorSpec("x", (1,), "no type"),
    ],
)
def test_tensors_that_no_model_has_are_refused(spec: TensorSpec) -> None:
    with pytest.raises(SharedMemoryError):
        SharedTensors.create([spec])


def test_a_closed_end_tells_the_one_that_waits() -> None:
    ours, theirs = MessageChannel.pair()
    other = MessageChannel(theirs)
    other.close()
    with pytest.raises(ChannelClosedError):
        ours.receive(DONE_S)
    with pytest.raises(ChannelClosedError):
        ours.send(b"x")
    ours.post(b"x")  # lost, and that is all
    ours.close()


def receive_message(channel: MessageChannel) -> bytes | None:
    received = channel.receive_with_descriptors(DONE_S)
    return None if received is None else received[0]


@pytest.mark.parametrize("receive", [MessageChannel.receive, receive_message])
def test_what_was_sent_before_the_other_end_closed_comes_though_it_had_not_read_all(
    receive: Callable[[MessageChannel], bytes | None],
) -> None:
    ours, theirs = MessageChannel.pair()
    other = MessageChannel(theirs)
    ours.post(b"never read")
    other.send(b"one")
    other.send(b"the last")
    other.close()
    assert [receive(ours), receive(ours)] == [b"one", b"the last"]
    with pytest.raises(ChannelClosedError):
        receive(ours)
    ours.close()


def test_a_message_of_the_largest_size_comes_whole() -> None:
    ours, theirs = MessageChannel.pair()
    other = MessageChannel(theirs)
    largest = bytes(range(256)) * (MAX_MESSAGE_BYTES // 256)
    assert other.send(largest)
    assert ours.receive(DONE_S) == largest
    assert other.send(largest)
    assert ours.receive_with_descriptors(DONE_S) == (largest, ())
    ours.close()
    other.close()


@pytest.mark.parametrize("timeout_s", [-1.0, 0.0, 0.001])
def test_who_has_no_time_left_does_not_wait(timeout_s: float) -> None:
    ours, theirs = MessageChannel.pair()
    assert ours.receive(timeout_s) is None
    while ours.send(b"x", timeout_s=timeout_s):
        pass  # until the other end's queue is full
    ours.close()
    theirs.close()


def test_a_wait_longer_than_the_kernel_knows_is_one_without_end() -> None:
    ours, theirs = MessageChannel.pair()
    theirs.send(b"x")
    assert ours.receive(1e9) == b"x"
    ours.close()
    theirs.close()


def descriptors() -> list[Path]:
    """Return the descriptors of this process, and that of the look itself."""
    return sorted(Path("/proc/self/fd").iterdir())


def test_descriptors_that_come_are_no_other_programs_and_those_of_no_message_are_closed() -> None:
    ours, theirs = MessageChannel.pair()
    with Path("/dev/null").open("rb") as file:
        socket.send_fds(theirs, [b"x"], [file.fileno()])
        received = ours.receive_with_descriptors(DONE_S)
        assert received is not None
        message, (descriptor,) = received
        assert message == b"x"
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)
        before = descriptors()
        socket.send_fds(theirs, [b""], [file.fileno()])
        with pytest.raises(ChannelClosedError):
            ours.receive_with_descriptors(DONE_S)
        assert descriptors() == before
    ours.close()
    theirs.close()


def test_an_end_that_was_closed_here_says_so() -> None:
    ours, theirs = MessageChannel.pair()
    ours.close()
    ours.close()
    with pytest.raises(ChannelClosedError, match="closed here"):
        ours.receive(DONE_S)
    theirs.close()
