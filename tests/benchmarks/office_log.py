"""What the reports of `office broker` cost: CPU of Mosquitto and the reader of its log.

    python tests/benchmarks/office_log.py [PUBLICATIONS]

A device publishes 120 bytes at QoS 1, one after the other, over TLS; the office has subscribed to
all. In turn: Mosquitto alone without `log_type debug`, and `office broker`; as fast as answers
come, and 100 a second. Prints the medians of three runs.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_runtime.office.folder import OfficeFolder
from support.certificates import Pair
from support.office import OfficeMosquitto, ReportingMosquitto, enrolled, new_office
from support.party import Party

ROUNDS = 3
PUBLICATIONS = 2_000
SLOW_S = 0.01
TOPIC, PAYLOAD = "edge/v1/site/a/gate/detections", "x" * 120


def cpu_ms(pid: int) -> float:
    """Return what all threads of a process have used."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e6


def measure(
    office: OfficeFolder, broker: OfficeMosquitto, device: Pair, count: int, every_s: float
) -> list[float]:
    """Return the CPU ms for 1,000 publications of the broker, and of the reader if there is one."""
    broker.start()
    assert broker.process is not None
    pids = [broker.process.pid]
    if isinstance(broker, ReportingMosquitto):
        pids.append(broker.reader)
    everything = Pair(office.office, office.office_key)
    with Party(broker, office.ca, everything) as ear, Party(broker, office.ca, device) as party:
        ear.reads("edge/v1/#")
        before = [cpu_ms(pid) for pid in pids]
        began_s = time.monotonic()
        for number in range(count):
            party.writes(TOPIC, PAYLOAD)
            ear.heard.get(timeout=20)
            time.sleep(max(0.0, began_s + number * every_s - time.monotonic()))
        time.sleep(1.0)  # the reader comes to the last lines
        used = [cpu_ms(pid) - start for pid, start in zip(pids, before, strict=True)]
    broker.stop()
    return [ms * 1000 / count for ms in used]


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="office-") as name:
        place = Path(name)
        place.chmod(0o711)  # Mosquitto's own user passes through
        office = new_office(place / "office")
        device = enrolled(office, "a", place)
        told = office.configuration.read_text()
        quiet = told.replace("\nlog_type debug\n", "\n")
        for every_s in (0.0, SLOW_S):
            runs: dict[str, list[list[float]]] = {"alone": [], "reporting": []}
            for _ in range(ROUNDS):
                for kind, text in (("alone", quiet), ("reporting", told)):
                    office.configuration.write_text(text)
                    make = OfficeMosquitto if kind == "alone" else ReportingMosquitto
                    runs[kind].append(measure(office, make(office, place), device, count, every_s))
            for kind, found in runs.items():
                parts = [statistics.median(part) for part in zip(*found, strict=True)]
                shown = " + ".join(f"{part:.1f}" for part in parts)
                print(f"every {every_s} s, {kind}: {shown} ms of CPU for 1,000 publications")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PUBLICATIONS)
