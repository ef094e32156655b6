"""The world at its worst: the plug is pulled, the cable is out, the disk is full."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from hil.site import SERVICE, STATE, Site, road

MANY, HOUR_S = 20, 3600
LONG = pytest.mark.timeout(7200)  # on an emulated board
# An hour of results in a minute: no waiting between pictures, and their time is the clip's.
HOUR = road("hour", f"rate_fps = 1, frames = {HOUR_S}, realtime = false")
SLOW_PULSE = road("pulse", "rate_fps = 1")  # leaves the board's time to the other stream
# What waits in memory for a disk that takes nothing is bounded; the rest is dropped and declared.
IN_MEMORY = 4096 + 200
FLOOD = road("flood", "frames = 6000, realtime = false")


@pytest.mark.parametrize(
    "cuts",
    [pytest.param(3, marks=pytest.mark.quick), pytest.param(MANY, marks=LONG)],
)
def test_nothing_that_was_committed_is_lost_by_power_cuts(site: Site, cuts: int) -> None:
    chance = random.Random(1)
    on_disk: dict[int, int] = {}
    for _ in range(cuts):
        site.hear_more(count=chance.randint(3, 20))
        time.sleep(chance.uniform(0.0, 0.5))
        site.board.off()
        sent = site.books().last()
        site.board.on()
        site.hear_more(count=1)
        found = site.committed()
        for boot, seq in found.items():
            on_disk[boot] = max(seq, on_disk.get(boot, 0))
        # What was sent had been committed before: an acknowledgement deletes it only later.
        assert on_disk[max(sent)] >= sent[max(sent)]
    site.hear("all that was on the disk", lambda: not site.books().missing(on_disk), 60)
    site.miss_nothing()
    assert site.books().inversions == []


@pytest.mark.quick
def test_a_short_outage_is_made_good(site: Site) -> None:
    site.board.cut_link()
    heard = len(site.records())
    before = site.status()["outbox"]["pending"]
    site.see("results wait", lambda: site.status()["outbox"]["pending"] > before + 50, 60)
    time.sleep(1.0)  # what was on its way has come
    assert len(site.records()) <= heard + 50
    site.board.restore_link()
    site.hear("what waited", lambda: len(site.records()) > heard + 50, 120)
    site.miss_nothing()


@LONG
def test_an_hour_without_a_link_is_made_good(site: Site) -> None:
    site.board.cut_link()
    site.configure(SLOW_PULSE + HOUR)
    site.see("an hour of results", lambda: site.state_of("hour") == "ended", 300)
    site.see("all of it stored", lambda: site.status()["outbox"]["pending"] >= HOUR_S)
    assert site.records("hour") == []
    site.board.restore_link()
    site.hear("the whole hour", lambda: len(site.records("hour")) >= HOUR_S, 300)
    hour = [one.payload for one in site.records("hour")]
    assert len({(one["boot"], one["seq"]) for one in hour}) == HOUR_S
    assert all(one["late"] for one in hour)
    assert hour[-1]["ts"] - hour[0]["ts"] == pytest.approx(HOUR_S - 1, abs=0.01)
    site.miss_nothing()
    assert site.books().inversions == []


ASIDE = "/var/tmp/hil-state"
SMALL = f"mount -t tmpfs -o size=24m,mode=700 state {STATE} && chown edge-runtime: {STATE}"


@pytest.fixture
def small_disk(site: Site) -> Iterator[Site]:
    """Give the state folder a disk of its own, with 24 MiB; what it holds goes along both ways."""
    move_state(site, SMALL)
    yield site
    move_state(site, f"umount {STATE} && find {STATE} -mindepth 1 -delete")


def move_state(site: Site, change: str) -> None:
    """Stop the service, change what the state folder lies on, and start again with its files."""
    site.must(
        f"systemctl stop {SERVICE} && rm -rf {ASIDE} && cp -a --sparse=always {STATE} {ASIDE} && "
        f"rm -f {ASIDE}/filler && {change} && cp -a {ASIDE}/. {STATE} && systemctl start {SERVICE}",
        timeout_s=120 * site.board.slowness,
    )


@LONG
def test_a_full_disk_is_said_and_what_it_costs_is_declared(small_disk: Site) -> None:
    site = small_disk
    site.configure(SLOW_PULSE + FLOOD)
    site.hear_more("flood")
    process = site.show("MainPID")
    assert "No space left" in site.board.sh(f"cat /dev/zero > {STATE}/filler").out
    site.see("it says so", lambda: site.status()["outbox"]["state"] == "disk_full", 60)
    assert "the disk is full" in site.status()["outbox"]["reason"]
    site.see("memory is full too", lambda: site.status()["outbox"]["pending"] > IN_MEMORY, 300)
    site.must(f"rm {STATE}/filler")
    site.see("it is well again", lambda: site.status()["outbox"]["state"] == "ok", 120)
    site.hear("a gap", lambda: "disk_full" in {one["reason"] for one in site.ear.of("gap")}, 120)
    assert site.status()["outbox"]["dropped"] > 0
    site.see("all is delivered", lambda: site.status()["outbox"]["pending"] < 20, 300)
    site.hear_more()
    site.miss_nothing()
    assert site.show("MainPID") == process
