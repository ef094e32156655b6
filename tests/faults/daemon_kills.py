"""SIGKILL of the whole daemon at random moments, over a link that is cut and delayed.

    tests/faults/run kills --kills 1000

Each board is a real daemon (a simulated road, the bundled model) that publishes to a real Mosquitto
through a proxy. After each kill its database is copied and read: what it holds was committed. In
the end the link is made good, and a consumer must have all of it, each lane in order.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from pathlib import Path

import msgspec
from bad_link import BadLink
from consumer import Consumer, count

from support.books import Books, committed
from support.broker import Mosquitto
from support.daemon import Daemon
from support.paths import ROOT

CONFIG = """
[device]
site = "kills"
name = "{device}"

[broker]
url = "mqtt://127.0.0.1:{port}"
retry_max_s = 1.0
connect_timeout_s = 3.0

[outbox]
max_mb = 8
commit_interval_s = 0.1
backlog_per_s = 5000

[inference]
workers = 1

[[streams]]
name = "road"
source = {{ kind = "synthetic", width = 320, height = 180, rate_fps = 40, frames = {frames} }}
model = {{ pack = "{pack}" }}
track = {{ max_lost_s = 0.3, min_hits = 2 }}
rules = [{{ kind = "zone", name = "half", debounce_s = 0.0,
  polygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]] }}]
publish = {{ mode = "every_inference" }}
""".replace("0.0,\n  polygon", "0.0, polygon")

# A broker that keeps all for its consumers: what is looked for here is what the device loses.
BROKER = "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
LIFE_S = 1.2
STARTING = 0.2  # the part of the kills that meet a daemon before its first record
FIRST_RECORD_S = 6.0
DRAIN_S = 120.0
ARRIVAL_S = 10.0


class Verdict(msgspec.Struct):
    """What the kills of one board came to."""

    kills: int
    link_cuts: int
    committed: int
    arrived: int
    repeated: int
    lost: list[tuple[int, int]]
    undeclared_holes: list[tuple[int, int]]
    inversions: list[tuple[str, tuple[int, int], tuple[int, int]]]
    declared: list[tuple[int, int, int, str]]


class Board:
    """One daemon that is killed again and again."""

    def __init__(self, folder: Path, device: str, link: BadLink, consumer: Consumer) -> None:
        folder.mkdir()
        pack = ROOT / "models" / "village-road"
        values = {"device": device, "port": link.port, "pack": pack}
        self._last_text = CONFIG.format(frames=40, **values)
        self._daemon = Daemon(folder, CONFIG.format(frames=0, **values))
        self._link = link
        self._consumer = consumer
        self.books = consumer.of(device)
        self.last_seq: dict[int, int] = {}
        self.kills = 0

    def live_and_die(self, chance: random.Random) -> None:
        """Run for a moment, be killed, and note what was committed."""
        boots = self.books.last_boot()
        process = self._daemon.start()
        if chance.random() >= STARTING:
            self._consumer.wait_for(lambda: self.books.last_boot() > boots, FIRST_RECORD_S)
        time.sleep(chance.uniform(0.0, LIFE_S))
        assert process.poll() is None, self._daemon.text()[-2000:]
        process.kill()
        process.wait()
        self.kills += 1
        self._note()

    def deliver(self) -> Verdict:
        """Over a good link, run to the end of the scene: the daemon delivers all that there is."""
        self._link.make_good()
        self._daemon.config.write_text(self._last_text)
        self._daemon.start()
        assert self._daemon.wait(DRAIN_S) == 0, self._daemon.text()[-2000:]
        self._note()
        self._consumer.wait_for(lambda: not self.books.missing(self.last_seq), ARRIVAL_S)
        return self._verdict(self.books)

    def end(self) -> None:
        if self._daemon.process is not None and self._daemon.process.poll() is None:
            self._daemon.process.kill()
            self._daemon.process.wait()

    def _note(self) -> None:
        if (self._daemon.state / "outbox" / "outbox.db").exists():
            for boot, seq in committed(self._daemon.state / "outbox").items():
                self.last_seq[boot] = max(seq, self.last_seq.get(boot, 0))

    def _verdict(self, books: Books) -> Verdict:
        return Verdict(
            self.kills,
            self._link.cuts,
            sum(self.last_seq.values()),
            len(books.names),
            books.repeated,
            books.missing(self.last_seq),
            books.holes(),
            books.inversions,
            books.declared,
        )


def kill(folder: Path, kills: int, boards: int, seed: int) -> list[Verdict]:
    """Kill daemons so many times, some side by side; return each board's verdict."""
    broker = Mosquitto(folder, BROKER)
    broker.start()
    verdicts: list[Verdict] = []

    def run(number: int) -> None:
        chance = random.Random(seed * 1000 + number)
        with BadLink(broker.port, random.Random(seed * 2000 + number)) as link:
            board = Board(folder / f"{number}", f"board-{number}", link, consumer)
            try:
                for turn in range(kills // boards):
                    board.live_and_die(chance)
                    if turn % 25 == 24:
                        print(f"board {number}: {turn + 1} kills", flush=True)
                verdicts.append(board.deliver())
            finally:
                board.end()

    try:
        with Consumer(broker.port) as consumer:
            threads = [threading.Thread(target=run, args=(n,)) for n in range(boards)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        broker.stop()
    assert len(verdicts) == boards, "a board did not come to its end"
    return verdicts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--boards", type=int, default=2, help="side by side")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        verdicts = kill(Path(folder), options.kills, options.boards, options.seed)
    print(f"kills                       {sum(v.kills for v in verdicts)}")
    print(f"links cut                   {sum(v.link_cuts for v in verdicts)}")
    print(f"committed                   {sum(v.committed for v in verdicts)}")
    print(f"arrived, each once          {sum(v.arrived for v in verdicts)}")
    print(f"repeated, told by boot+seq  {sum(v.repeated for v in verdicts)}")
    print(f"lost                        {count(n for v in verdicts for n in v.lost)}")
    print(f"undeclared holes            {count(n for v in verdicts for n in v.undeclared_holes)}")
    print(f"inversions within a lane    {count(n for v in verdicts for n in v.inversions)}")
    print(f"declared by gaps            {count(n for v in verdicts for n in v.declared)}")
    print(f"seconds                     {time.monotonic() - started_s:.0f}")


if __name__ == "__main__":
    main()
