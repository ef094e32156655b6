"""Changes on a board at work: a wrong configuration, newer versions, power cuts in their proof."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.topics import Topics
from hil import bundles
from hil.office import SITE
from hil.site import CONFIG, DEVICE, SERVICE, STATE, STICK, Site
from support import format_2

NEWER, BROKEN, DEAF, LATE, NEWEST = "0.99.0", "0.99.1", "0.99.2", "0.99.3", "0.99.4"
FORMAT_3 = "0.99.5"
OPT, UNIT = "/opt/edge-runtime", f"/etc/systemd/system/{SERVICE}.service"
RUN = "edge_runtime/cli/run.py"
CRASHES = 'raise RuntimeError("this version was broken on purpose")\n'
# For as long as it needs to pull the plug, which takes this file too.
HOLD = "/run/hil-hold"
CRASHES_LATE = f"""\
import time
from pathlib import Path

while Path("{HOLD}").exists():
    time.sleep(0.1)
{CRASHES}"""
# Starts, never says that it is ready, and ends when it is asked to.
NEVER_READY = """\
import click, time
from pathlib import Path

@click.command()
@click.option("--config")
def run(config: str) -> None:
    time.sleep(3600)
"""


@pytest.mark.quick
def test_a_wrong_file_leaves_the_last_good_configuration_at_work(site: Site) -> None:
    good = site.must(f"cat {CONFIG}")
    site.write_config(good.replace("rate_fps", "rate_fsp"))
    births = len(site.births())
    site.must(f"systemctl restart {SERVICE}", timeout_s=120)
    site.hear("a birth", lambda: len(site.births()) > births)
    told = site.births()[-1]["config"]
    assert told["state"] == "fallback"
    assert "rate_fsp" in told["reason"]
    assert site.status()["config"] == told
    site.hear_more()
    site.write_config(good)
    site.must(f"systemctl restart {SERVICE}", timeout_s=120)
    site.hear("another birth", lambda: len(site.births()) > births + 1)
    assert "config" not in site.births()[-1]
    site.hear_more()


def test_an_upgrade_takes_over_what_was_there(site: Site, bundle: Path, tmp_path: Path) -> None:
    newer = bundles.another(bundle, tmp_path / "newer.tar.gz", NEWER)
    site.load_stick(newer)
    before = site.must("readlink /opt/edge-runtime/current")
    boot = site.births()[-1]["boot"]
    installed = site.install(newer, "--watch 5")
    assert installed.rc == 0, installed.out
    assert NEWER in site.must("edge-runtime --version")
    assert site.must("readlink /opt/edge-runtime/previous") == before
    site.hear("its birth", lambda: site.births()[-1]["version"] == NEWER)
    assert site.births()[-1]["boot"] > boot
    assert [one["device"] for one in site.office.devices()] == ["board"]
    site.hear_more()
    site.miss_nothing()


def leave_old_outbox(site: Site, boot: int, place: Path) -> None:
    """Put an outbox in place as the program before format 3 left it, the plug pulled in that boot.

    The service is stopped.
    """
    format_2.make(place / "outbox", place / "outbox.mark", boot)
    site.must(f"rm -rf {STATE}/outbox {STATE}/outbox.mark")
    for name in ("outbox", "outbox.mark"):
        site.board.put(place / name, f"{STATE}/{name}")
    site.must(
        f"chown -R edge-runtime: {STATE}/outbox {STATE}/outbox.mark; chmod 700 {STATE}/outbox"
    )


def came_of(site: Site, boot: int, kind: str) -> list[dict[str, Any]]:
    """Return what the office has heard of a boot, in order, repetitions left out."""
    found = {one["seq"]: one for one in site.ear.of(kind) if one["boot"] == boot}
    return list(found.values())


def test_an_upgrade_from_the_outbox_of_before_delivers_all_that_it_held(
    site: Site, bundle: Path, tmp_path: Path
) -> None:
    newer = bundles.another(bundle, tmp_path / "newer.tar.gz", FORMAT_3)
    site.load_stick(newer)
    site.must(f"systemctl stop {SERVICE}", timeout_s=60 * site.board.slowness)
    boot = site.births()[-1]["boot"] + 1
    leave_old_outbox(site, boot, tmp_path)
    installed = site.install(newer, "--watch 5")
    assert installed.rc == 0, installed.out
    site.hear("its birth", lambda: site.births()[-1]["boot"] > boot)
    assert site.births()[-1]["version"] == FORMAT_3
    for kind, held in (
        ("event", format_2.alarms()[format_2.ALARMS_DONE :]),
        ("detections", format_2.plains()[format_2.PLAINS_DONE :]),
    ):
        site.hear(
            f"what waited: {kind}", lambda k=kind, h=held: len(came_of(site, boot, k)) >= len(h)
        )
        assert [one["seq"] for one in came_of(site, boot, kind)] == held
        assert all(one["late"] for one in came_of(site, boot, kind))
    assert {one["rule"] for one in came_of(site, boot, "event")} == {"yard"}
    hole = {"of_boot": boot, "from_seq": 2_001, "to_seq": 2_050, "reason": "summarised"}
    site.hear(
        "what was declared", lambda: any(hole.items() <= one.items() for one in site.ear.of("gap"))
    )
    site.hear(
        "what was thinned out", lambda: [one["count"] for one in site.ear.of("summary")] == [50]
    )
    # What was acknowledged before the upgrade can still be asked for.
    asked = {"boot": boot, "from_seq": 1, "to_seq": format_2.RESULTS}
    site.ear.publish(f"{Topics(SITE, DEVICE).base}/cmd/replay", json.dumps(asked).encode())
    site.hear_more()
    site.miss_nothing()
    assert site.status()["outbox"]["state"] == "ok"


@pytest.mark.parametrize(
    ("version", "run"),
    [pytest.param(BROKEN, CRASHES, marks=pytest.mark.quick), (DEAF, NEVER_READY)],
)
def test_a_version_that_does_not_come_to_work_is_rolled_back(
    site: Site, bundle: Path, tmp_path: Path, version: str, run: str
) -> None:
    bad = bundles.another(bundle, tmp_path / "bad.tar.gz", version, {RUN: run})
    site.load_stick(bad)
    before = site.must("readlink /opt/edge-runtime/current; edge-runtime --version")
    installed = site.install(bad, "--watch 5")
    assert installed.rc != 0
    assert f"{version}" in installed.out.splitlines()[-1]
    assert "is back and at work" in installed.out.splitlines()[-1]
    assert site.must("readlink /opt/edge-runtime/current; edge-runtime --version") == before
    site.hear_more()
    site.miss_nothing()


def cut_in_the_proof(site: Site, bundle: Path, version: str) -> None:
    """Install, and pull the plug once the new version is the current one and not yet trusted.

    Its unit differs from the old one's.
    """
    site.load_stick(bundle)
    install = f"{STICK}/install --bundle {STICK}/{bundle.name} --watch 20"
    site.must(f"systemd-run --collect --unit=hil-upgrade {install}")
    site.board.wait_until(
        f"test -e {OPT}/unproven && readlink {OPT}/current | grep -qF {version}",
        300 * site.board.slowness,
    )
    site.must(f"echo '# of {version}' >>{UNIT}; sync {UNIT}")
    site.board.off()
    site.board.on()
    unproven = f"test -e {OPT}/unproven"
    site.see("the end of the upgrade", lambda: site.board.sh(unproven).rc == 1, 120)


def settled(site: Site) -> str:
    """Return what this boot has said of the upgrade."""
    return site.must(f"journalctl -b -u {SERVICE}-settle -o cat --no-pager")


def test_a_power_cut_in_the_proof_of_a_broken_version_brings_the_old_one_back(
    site: Site, bundle: Path, tmp_path: Path
) -> None:
    bad = bundles.another(bundle, tmp_path / "bad.tar.gz", LATE, {RUN: CRASHES_LATE})
    before = site.must(f"readlink {OPT}/current; readlink {OPT}/previous; ls {OPT}/versions")
    births = len(site.births())
    site.must(f"touch {HOLD}")
    cut_in_the_proof(site, bad, LATE)
    after = site.must(f"readlink {OPT}/current; readlink {OPT}/previous; ls {OPT}/versions")
    assert after == before
    assert LATE not in site.must(f"cat {UNIT}")
    assert "was broken on purpose" in settled(site)
    assert settled(site).count("is back and at work") == 1
    site.hear("the old one's birth", lambda: len(site.births()) > births)
    site.hear_more()
    site.miss_nothing()


def test_a_power_cut_in_the_proof_of_a_good_version_leaves_it_at_work(
    site: Site, bundle: Path, tmp_path: Path
) -> None:
    good = bundles.another(bundle, tmp_path / "good.tar.gz", NEWEST)
    before = site.must(f"readlink {OPT}/current")
    cut_in_the_proof(site, good, NEWEST)
    assert NEWEST in site.must("edge-runtime --version")
    assert site.must(f"readlink {OPT}/previous") == before
    assert "is installed and at work" in settled(site)
    assert site.show("ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "0"}
    site.hear("its birth", lambda: site.births()[-1]["version"] == NEWEST)
    site.hear_more()
    site.miss_nothing()
