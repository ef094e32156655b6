"""`watch --heal` as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.broker import Mosquitto
from support.device import Device
from support.proxy import Proxy
from support.waiting import until
from support.watching import Watcher


def test_watch_heals_what_it_missed_while_its_own_link_was_down(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """A real watch on a real broker: seqs 11 to 20 pass while the watch is cut off."""
    with (
        Proxy(mosquitto.port) as proxy,
        Watcher(mosquitto.port) as witness,
        Device(mosquitto.port, tmp_path / "outbox") as device,
        (tmp_path / "said").open("w") as said,
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_runtime", "watch", "--json", "--heal", "--grace", "0.5",
             "--broker", f"mqtt://127.0.0.1:{proxy.port}"],
            stdout=subprocess.PIPE, stderr=said, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            seen = iter(json.loads(line) for line in process.stdout)
            assert next(seen)["kind"] == "status"  # retained: it listens

            def receive(last: int) -> list[int]:
                seqs: list[int] = []
                while last not in seqs:
                    one = next(seen)
                    assert set(one) == {"topic", "site", "device", "stream", "kind", "payload"}
                    if one["stream"]:
                        seqs.append(one["payload"]["seq"])
                return seqs

            device.add(10)
            assert receive(10) == list(range(1, 11))
            proxy.cut()
            device.add(10, 11)
            until(lambda: results(witness) == 20, "20 results at the witness")
            until(lambda: open_links(proxy) == 1, "the watch has come back")
            device.add(10, 21)
            assert sorted(receive(20)) == list(range(11, 31))
            until(lambda: "closed" in (tmp_path / "said").read_text(), "the hole closed")
        finally:
            process.terminate()
            process.communicate()
    text = (tmp_path / "said").read_text()
    assert "hole: hill/gate: seq 11 to 20 of boot 1: 10 missing" in text
    assert "10 sent again" in text


def results(witness: Watcher) -> int:
    return len([m for m in witness.messages if m.topic.endswith("/detections")])


def open_links(proxy: Proxy) -> int:
    """Return how many connections have subscribed since the cut."""
    return sum(b"edge/v1/+/+/#" in bytes(one.from_client) for one in proxy.connections[1:])
