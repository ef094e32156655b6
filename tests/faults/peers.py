"""The same kills and the same outage for what people use instead of an outbox.

    tests/faults/run peers --kills 50

paho: an application with paho's own queue. bridge: the same application, publishing to a Mosquitto
on the board that bridges to the office with persistence; once as Debian sets it up, once with
every setting that helps (no limit on the queue, saved at each change). "Power fails" kills
application and local broker at once.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from bad_link import BadLink
from consumer import Consumer

from support.broker import Mosquitto
from support.device import NAME, Device

CHILD = Path(__file__).with_name("peers_child.py")
BROKER = "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
BRIDGE = """user root
allow_anonymous true
persistence true
persistence_location {folder}/
connection office
address 127.0.0.1:{port}
topic edge/# out 1
cleansession false
restart_timeout 1 2
{more}"""
DEBIAN = ""  # max_queued_messages 1000, autosave_interval 1800
TUNED = "max_queued_messages 0\nautosave_on_changes true\nautosave_interval 1\n"
QUIET_S = 4.0


class Figures(msgspec.Struct):
    """What became of messages: handed over, acknowledged to the application, arrived."""

    who: str
    made: int
    acked: int
    arrived: int
    inversions: int = 0
    written: int = 0


class Peer:
    """An application that is killed, with its local broker where it has one."""

    def __init__(self, folder: Path, device: str, port: int, bridge: str | None) -> None:
        folder.mkdir()
        self._folder = folder
        self._device = device
        self._port = port
        self._local: Mosquitto | None = None
        if bridge is not None:
            self._local = Mosquitto(folder, BRIDGE.format(folder=folder, port=port, more=bridge))
        self._child: subprocess.Popen[str] | None = None
        self.boots = 0
        self.written = 0  # bytes, by the local broker

    def start(self, *options: str) -> subprocess.Popen[str]:
        self.boots += 1
        port = self._port
        if self._local is not None:
            self._local.start()
            port = self._local.port
        place = (self._device, str(port), self._folder, str(self.boots))
        self._child = subprocess.Popen(
            [sys.executable, CHILD, *place, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self._child

    def power_fails(self) -> None:
        assert self._child is not None
        self._child.kill()
        if self._local is not None and self._local.process is not None:
            self.written += proc_number(self._local.process.pid, "io", "write_bytes:")
            self._local.stop(kill=True)
        self._child.communicate()

    def noted(self, what: str) -> int:
        files = self._folder.glob(f"{what}-*")
        return sum(int(text) for file in files if (text := file.read_text()))


def settle(consumer: Consumer, device: str) -> None:
    """Wait until nothing more comes."""
    books = consumer.of(device)
    while True:
        had = len(books.names)
        if not consumer.wait_for(lambda had=had: len(books.names) > had, QUIET_S):  # type: ignore[misc]
            return


def kills(folder: Path, device: str, count: int, bridge: str | None, seed: int) -> Figures:
    """Cut, delay and kill a peer as `daemon_kills.py` does ours."""
    chance = random.Random(seed)
    broker = Mosquitto(folder, BROKER)
    broker.start()
    try:
        with (
            Consumer(broker.port) as consumer,
            BadLink(broker.port, random.Random(seed)) as link,
        ):
            peer = Peer(folder / device, device, link.port, bridge)
            for _ in range(count):
                peer.start()
                time.sleep(chance.uniform(0.3, 2.0))
                peer.power_fails()
            link.make_good()
            peer.start("--count", "1")
            settle(consumer, device)
            peer.power_fails()
            books = consumer.of(device)
            return Figures(
                device, peer.noted("made"), peer.noted("acked"), len(books.names),
                len(books.inversions), peer.written,
            )  # fmt: skip
    finally:
        broker.stop()


def outage(folder: Path, device: str, count: int, bridge: str | None) -> tuple[Figures, int]:
    """Make messages while the office is away, lose power, start again, have the office back.

    Returns the figures and the application's memory in kB.
    """
    office = Mosquitto(folder, BROKER)  # its port is known, and nobody listens there yet
    peer = Peer(folder / device, device, office.port, bridge)
    child = peer.start("--rate", "0", "--count", str(count))
    if bridge is None:
        while peer.noted("made") < count:
            time.sleep(0.1)
        rss_kb = proc_number(child.pid, "status", "VmRSS:")
    else:
        assert child.stdout is not None
        rss_kb = json.loads(child.stdout.readline())["rss_kb"]
        time.sleep(2.0)  # autosave_interval
    made, acked = peer.noted("made"), peer.noted("acked")
    peer.power_fails()
    office.start()
    try:
        with Consumer(office.port) as consumer:
            peer.start("--count", "1")
            settle(consumer, device)
            peer.power_fails()
            arrived = max(0, len(consumer.of(device).names) - 1)
            return Figures(device, made, acked, arrived, written=peer.written), rss_kb
    finally:
        office.stop()


def our_outage(folder: Path, count: int) -> Figures:
    """Do the same with an outbox: results are made while the office is away, then it is back."""
    office = Mosquitto(folder, BROKER)
    code = (
        "import os, sys; from pathlib import Path; from support.device import Device\n"
        f"with Device({office.port}, Path({str(folder / 'outbox')!r})) as one:\n"
        f"    one.add({count})\n"
        "    print(Path('/proc/self/io').read_text(), flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    written = int(done.stdout.partition("\nwrite_bytes: ")[2].partition("\n")[0])
    office.start()
    try:
        with Consumer(office.port) as consumer:
            with Device(office.port, folder / "outbox"):
                settle(consumer, NAME)
            books = consumer.of(NAME)
            arrived, disorder = len(books.names), len(books.inversions)
            return Figures("ours", count, count, arrived, disorder, written)
    finally:
        office.stop()


def proc_number(pid: int, file: str, key: str) -> int:
    """Return what the kernel tells of a process."""
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--messages", type=int, default=20_000, help="made during the outage")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    ways = (("paho", None), ("bridge-debian", DEBIAN), ("bridge-tuned", TUNED))
    print(f"{options.kills} power failures over a bad link")
    print(
        f"{'':14} {'made':>8} {'acked':>8} {'arrived':>8} {'lost':>8} {'of acked':>8} inversions  "
        "written to disk"
    )
    for device, bridge in ways:
        with tempfile.TemporaryDirectory() as place:
            show(kills(Path(place), device, options.kills, bridge, options.seed))
    print(f"{options.messages} messages while the office is away, then a power failure")
    for device, bridge in ways:
        with tempfile.TemporaryDirectory() as place:
            figures, rss_kb = outage(Path(place), device, options.messages, bridge)
            show(figures)
            print(f"{'':14} the application held {rss_kb / 1024:.0f} MB")
    with tempfile.TemporaryDirectory() as place:
        show(our_outage(Path(place), options.messages))


def show(figures: Figures) -> None:
    lost = figures.made - figures.arrived
    of_acked = max(0, figures.acked - figures.arrived)
    print(
        f"{figures.who:14} {figures.made:8} {figures.acked:8} {figures.arrived:8} "
        f"{lost:8} {of_acked:8} {figures.inversions:10}  {figures.written / 1e6:.1f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
