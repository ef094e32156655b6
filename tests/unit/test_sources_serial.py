"""The serial source on ptys and sockets: every row, unplugging, silence, what cannot be opened."""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import serial
from serial import rfc2217

from edge_runtime.clock import SystemClock
from edge_runtime.errors import SourceError
from edge_runtime.raw import Samples
from edge_runtime.sources.ports import cannot_open
from edge_runtime.sources.serial_port import SerialSource
from support.sensors import frames, line, lines_at, samples_at
from support.serial_device import SerialDevice, frame, repeating


@pytest.fixture
def device(tmp_path: Path) -> Iterator[SerialDevice]:
    with SerialDevice(tmp_path) as made:
        yield made


def lines_source(url: object, stale_after_s: float = 10.0) -> SerialSource:
    return SerialSource(lines_at(url, stale_after_s), SystemClock())


def sampled_source(url: object) -> SerialSource:
    return SerialSource(samples_at(url), SystemClock())


def take(source: SerialSource, blocks: int) -> list[Samples]:
    made = []
    for _ in range(blocks):
        block = source.read()
        assert isinstance(block, Samples)
        made.append(block)
    return made


class TcpConnection:
    """What pyserial's RFC 2217 server answers through."""

    def __init__(self, client: socket.socket) -> None:
        self.write = client.sendall


def serve_rfc2217(server: socket.socket) -> None:
    """Be a serial server for one client: negotiate, then send lines until it goes."""
    client = server.accept()[0]
    client.settimeout(0.002)
    port = serial.serial_for_url("loop://", timeout=0.1)
    negotiation = rfc2217.PortManager(port, TcpConnection(client))
    with client, contextlib.suppress(ConnectionError):
        while True:
            with contextlib.suppress(TimeoutError):
                received = client.recv(1024)
                if not received:
                    return
                list(negotiation.filter(received))
            client.sendall(line(1))


def test_every_row_of_a_stream_comes_through_in_order(device: SerialDevice) -> None:
    source = sampled_source(device.path)
    source.open()
    with repeating(lambda number: device.write(frames(number)), every_s=0.01):
        rows = np.concatenate([block.values for block in take(source, 10)])
    steps = np.diff(rows[:, 1])
    assert len(rows) > 100
    assert (steps == 1).all()
    assert (rows[:, 0] == 7).all()
    source.close()


def test_garbage_in_a_stream_is_counted_and_marked(device: SerialDevice) -> None:
    source = sampled_source(device.path)
    source.open()

    def step(number: int) -> None:
        device.write(frames(number) if number % 10 else frame((1, 2))[:-1] + b"!")

    with repeating(step):
        blocks = take(source, 20)
    assert source.tally.bad["checksum"] >= 1
    assert sum(block.gap for block in blocks) >= 1
    source.close()


def unplug_and_plug(device: SerialDevice, times: int) -> None:
    source = lines_source(device.path)
    rows = 0
    with repeating(lambda number: device.write(line(number))):
        for turn in range(times):
            source.open()
            (block,) = take(source, 1)
            assert block.gap == (turn > 0)
            assert block.index == rows
            device.unplug()
            rows += 1
            with pytest.raises(  # noqa: PT012 - rows already on their way come first
                SourceError, match=r"the port is gone: its adapter was unplugged"
            ):
                while True:
                    rows += len(take(source, 1)[0].values)
            source.close()
            with pytest.raises(SourceError, match="no such port"):
                source.open()
            device.plug()


def test_a_sensor_may_be_unplugged_and_plugged_in_again(device: SerialDevice) -> None:
    unplug_and_plug(device, 20)


@pytest.mark.long
def test_a_sensor_may_be_unplugged_many_times(device: SerialDevice) -> None:
    before = open_files()
    unplug_and_plug(device, 100)
    assert open_files() == before


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_silent_sensor_is_said_to_be_silent(device: SerialDevice) -> None:
    source = lines_source(device.path, stale_after_s=0.3)
    source.open()
    with pytest.raises(SourceError, match=r"nothing came for 0\.3 s, not one byte; check the"):
        source.read()
    source.close()


def test_a_sensor_that_talks_nonsense_is_told_from_a_silent_one(device: SerialDevice) -> None:
    source = lines_source(device.path, stale_after_s=0.3)
    source.open()
    with (
        repeating(lambda _number: device.write(b"\xf3\x9c\n")),
        pytest.raises(SourceError, match=r"nothing valid for 0\.3 s: \d+ of \d+ bytes are no text"),
    ):
        source.read()
    source.close()


def test_a_loop_port_opens_and_is_silent() -> None:
    source = lines_source("loop://", stale_after_s=0.3)
    source.open()
    with pytest.raises(SourceError, match="loop://: nothing came"):
        source.read()
    source.close()


# pyserial 3.5 starts its RFC 2217 reader with `Thread.setDaemon` and `setName`.
@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
def test_a_port_over_rfc_2217_is_read_as_any_other() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve_rfc2217, args=(server,))
        thread.start()
        source = lines_source(f"rfc2217://127.0.0.1:{server.getsockname()[1]}")
        source.open()
        assert [block.values.tolist() for block in take(source, 3)] == [[[20.5, 1.0]]] * 3
        source.close()
        thread.join(30)
        assert not thread.is_alive()


def test_a_server_that_hangs_up_is_a_port_that_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = lines_source(f"socket://127.0.0.1:{server.getsockname()[1]}")
        source.open()
        server.accept()[0].close()
        with pytest.raises(SourceError, match="the connection is lost"):
            source.read()
        source.close()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("/dev/serial/by-id/nothing", "no such port.*plug the adapter in, or "),
        ("/dev/null", "/dev/null: not a serial port; name one from `ls"),
        ("nonsense://x", "nonsense://x: cannot be opened .*check url"),
        ("socket://127.0.0.1:1", "cannot be opened .*refused"),
    ],
)
def test_what_cannot_be_opened_says_why_and_may_come_later(url: str, text: str) -> None:
    source = lines_source(url)
    for _ in range(2):
        with pytest.raises(SourceError, match=text):
            source.open()


def test_a_port_that_another_has_is_refused(device: SerialDevice) -> None:
    first, second = lines_source(device.path), lines_source(device.path)
    first.open()
    with pytest.raises(SourceError, match="another stream of this program holds it"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_port_without_permission_says_whose_it_is(tmp_path: Path) -> None:
    denied = PermissionError(13, "")
    path = tmp_path / "ttyS0"
    path.touch()
    path.chmod(0o660)
    group = grp.getgrgid(path.stat().st_gid).gr_name
    cause = cannot_open(str(path), denied)
    assert cause.what == f"permission denied: it is for the group {group}"
    assert f"sudo usermod -aG {group} " in cause.advice
    path.chmod(0o600)
    assert "permission denied for the user " in cannot_open(str(path), denied).what
    assert "DeviceAllow" in cannot_open(str(path), PermissionError(1, "")).what


FEEDER = """
import os, sys, time
for number in range(10_000):
    os.write(int(sys.argv[1]), b"1.5,%d\\n" % number)
    time.sleep(0.001)
"""


def test_a_process_that_feeds_is_read_like_a_sensor() -> None:
    master, slave = os.openpty()
    source = lines_source(os.ttyname(slave))
    source.open()
    child = subprocess.Popen([sys.executable, "-c", FEEDER, str(master)], pass_fds=[master])
    try:
        numbers = [int(block.values[0, 1]) for block in take(source, 20)]
    finally:
        child.kill()
        child.wait()
        source.close()
        os.close(master)
        os.close(slave)
    assert numbers == list(range(numbers[0], numbers[0] + 20))


def test_a_serial_source_imports_neither_opencv_nor_modbus() -> None:
    code = (
        "import sys\n"
        "from edge_runtime.sources.serial_port import SerialSource\n"
        "from edge_runtime.options import NmeaOptions, SerialOptions\n"
        "from edge_runtime.clock import SystemClock\n"
        "SerialSource(SerialOptions(url='loop://', framing=NmeaOptions()), SystemClock())\n"
        "assert 'cv2' not in sys.modules\n"
        "assert 'edge_runtime.sources.modbus' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
