"""Changes on a board at work: a wrong configuration, a newer version, one that does not work."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import bundles
from hil.site import CONFIG, SERVICE, Site

NEWER, BROKEN, DEAF = "0.99.0", "0.99.1", "0.99.2"
RUN = "edge_runtime/cli/run.py"
CRASHES = 'raise RuntimeError("this version was broken on purpose")\n'
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
