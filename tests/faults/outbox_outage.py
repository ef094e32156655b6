"""Days without a link: `outbox_outage.py --hours 72 --per-s 10 --mb 64` simulates one.

Prints how large the outbox's files ever were, what was thinned out, and how the drain went.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import msgspec
from outbox_tools import Account, alarm, folder_bytes, open_box, plain

from edge_runtime.clock import ManualClock
from edge_runtime.records import Event


class Outage(msgspec.Struct):
    """What one simulated outage came to."""

    results: int
    most_bytes: int
    limit_bytes: int
    longest_flush_s: float
    summarised: int
    dropped: int
    delivered: int
    alarms: int
    summaries: int
    gaps: int
    told: int
    span_s: float
    unexplained: int
    twice: int
    seconds_in: float
    seconds_out: float


def simulate(folder: Path, *, hours: float, per_s: int, max_mb: float, alarm_every: int) -> Outage:
    """Append through the outage, measuring the files, then drain everything."""
    clock = ManualClock()
    box = open_box(folder, clock, max_mb=max_mb, commit_s=5.0)
    started, began_s = time.perf_counter(), clock.monotonic()
    most = alarms = number = 0
    longest = 0.0
    while number < hours * 3600 * per_s:
        for _ in range(per_s * 30):
            number += 1
            is_alarm = number % alarm_every == 0
            alarms += is_alarm
            box.append((alarm if is_alarm else plain)(number, clock.now()))
            clock.advance(1 / per_s)
        flushing = time.perf_counter()
        assert box.flush(60.0)
        longest = max(longest, time.perf_counter() - flushing)
        most = max(most, folder_bytes(folder))
    seconds_in = time.perf_counter() - started
    health = box.health()
    assert health.state == "ok", health
    account = Account()
    box.connected(clock.monotonic())
    started = time.perf_counter()
    account.drain(box)
    seconds_out = time.perf_counter() - started
    assert box.pending() == 0, box.health()
    most = max(most, folder_bytes(folder))
    box.close()
    told = sum(one.body.count for one in account.summaries)
    first_s = min(
        one.stamp.monotonic_s - getattr(one.body, "span_s", 0.0)
        for one in account.order
        if one.body.KIND != "gap"
    )
    return Outage(
        results=number, most_bytes=most, limit_bytes=int(max_mb * 1e6), longest_flush_s=longest,
        summarised=health.summarised, dropped=health.dropped, delivered=len(account.numbers()),
        alarms=sum(isinstance(one.body, Event) for one in account.order) - alarms,
        summaries=len(account.summaries), gaps=len(account.gaps), told=told,
        span_s=first_s - began_s,
        unexplained=unexplained(account, number), twice=account.twice,
        seconds_in=seconds_in, seconds_out=seconds_out,
    )  # fmt: skip


def unexplained(account: Account, last: int) -> int:
    """Count seqs of boot 1 that neither arrived nor were declared."""
    there = bytearray(last + 1)
    for _, seq in account.got:
        if seq <= last:
            there[seq] = 1
    for _, gap in account.gaps:
        first, upto = min(gap.from_seq, last + 1), min(gap.to_seq, last)
        there[first : upto + 1] = b"\1" * (upto + 1 - first)
    return there.count(0) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=72.0)
    parser.add_argument("--per-s", type=int, default=10)
    parser.add_argument("--mb", type=float, default=64.0)
    parser.add_argument("--alarm-every", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = simulate(
            Path(folder), hours=options.hours, per_s=options.per_s, max_mb=options.mb,
            alarm_every=options.alarm_every,
        )  # fmt: skip
    for name, value in msgspec.structs.asdict(done).items():
        print(f"{name:16} {value:,.2f}" if isinstance(value, float) else f"{name:16} {value:,}")


if __name__ == "__main__":
    main()
