"""The service as systemd runs it: notified, watched, and shut in."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from hil.site import PULSE, SERVICE, START_S, WATCHDOG_S, Site, road

HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateUsers": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RestrictNamespaces": "yes",
    "DevicePolicy": "closed",
    "CapabilityBoundingSet": "",
}
SERIAL_DROP_IN = f"/etc/systemd/system/{SERVICE}.service.d/serial.conf"
OWN_RULES = f"/etc/systemd/system.control/{SERVICE}.service.d"
# The number of USB serial adapters, with nothing behind it: what the unit allows is asked first.
BARE_PORT = "/dev/ttyHIL188"
SCORE = 16  # of 100, as systemd-analyze counts its threshold: 1.6


@pytest.mark.quick
def test_it_is_active_notified_and_never_fell(site: Site) -> None:
    shown = site.show("Type", "ActiveState", "SubState", "NRestarts", "User", "WatchdogUSec")
    assert shown.pop("WatchdogUSec") not in ("0", "infinity")
    assert shown == {
        "Type": "notify",
        "ActiveState": "active",
        "SubState": "running",
        "NRestarts": "0",
        "User": "edge-runtime",
    }
    assert site.must(f"systemctl is-enabled {SERVICE}") == "enabled\n"


@pytest.mark.quick
def test_the_hardening_is_in_force(site: Site) -> None:
    assert site.show(*HARDENED) == HARDENED
    process = site.show("MainPID")["MainPID"]
    status = dict(
        line.split(":\t", 1)
        for line in site.must(f"cat /proc/{process}/status").splitlines()
        if ":\t" in line
    )
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert site.board.sh(f"systemd-analyze security --threshold={SCORE} {SERVICE}").rc == 0


@pytest.mark.quick
@pytest.mark.parametrize(
    ("attempt", "allowed"),
    [
        ("touch /var/lib/edge-runtime/hil-probe && rm /var/lib/edge-runtime/hil-probe", True),
        ("cat /etc/edge-runtime/edge-runtime.toml", True),
        ("ls /home/*", False),
        ("cat /root/.bashrc", False),
        ("touch /opt/edge-runtime/current/hil-probe", False),
        ("touch /etc/edge-runtime/hil-probe", False),
        ("touch /var/log/hil-probe", False),
        ("echo 1 > /proc/sys/net/ipv4/ip_forward", False),
        ("cat /etc/shadow", False),
    ],
)
def test_it_sees_and_writes_only_its_own(site: Site, attempt: str, allowed: bool) -> None:
    site.must("mkdir -p /home/someone && echo secret > /home/someone/diary; chmod -R a+rX /home")
    process = site.show("MainPID")["MainPID"]
    inside = f"nsenter -t {process} -m setpriv --reuid edge-runtime --regid edge-runtime"
    done = site.board.sh(f"{inside} --clear-groups --bounding-set=-all -- sh -c '{attempt}'")
    assert (done.rc == 0) is allowed, done.out


@pytest.mark.quick
def test_a_process_that_stands_still_is_ended_by_the_watchdog_and_comes_back(site: Site) -> None:
    before = site.show("MainPID")["MainPID"]
    boots = len(site.births())
    site.must(f"kill -STOP {before}")
    limit_s = 10 * WATCHDOG_S + START_S
    site.hear("a new birth", lambda: len(site.births()) > boots, limit_s)
    assert site.show("MainPID")["MainPID"] != before
    assert site.show("NRestarts") == {"NRestarts": "1"}
    assert "Watchdog timeout" in site.board.sh(f"journalctl -u {SERVICE} -b --no-pager").out
    site.hear_more()
    site.miss_nothing()


def test_a_camera_whose_driver_hangs_for_ever_gets_the_process_restarted(site: Site) -> None:
    # Each new source hangs at its first frame. After five abandoned calls, of 15 s each, the
    # daemon stops feeding the watchdog: only a new process helps.
    hung = road("hung", 'faults = [{ at = 0, kind = "hang", hang_s = 3600 }]')
    site.configure(hung)
    process = site.show("MainPID")["MainPID"]
    site.see("the stream is degraded", lambda: site.state_of("hung") == "degraded", 60)
    site.see("a new process", lambda: site.show("MainPID")["MainPID"] not in (process, "0"), 240)
    assert "hangs again and again" in site.log(400)


@pytest.fixture
def ports(site: Site) -> Iterator[dict[str, str]]:
    """Yield the sources of a sensor and of a bare port; the drop-in that opens both comes back."""
    sensor = site.board.plug("serial")
    sensor.insert()
    site.must(f"mknod -m 660 {BARE_PORT} c 188 200 && chgrp dialout {BARE_PORT}")
    site.must(f"mv {SERIAL_DROP_IN} {SERIAL_DROP_IN}.away")
    yield {
        "serial": sensor.source,
        "bare": re.sub(r'url = "[^"]+"', f'url = "{BARE_PORT}"', sensor.source),
    }
    sensor.pull()
    site.must(f"mv {SERIAL_DROP_IN}.away {SERIAL_DROP_IN}; rm {BARE_PORT}")
    site.must(f"rm -rf {OWN_RULES} && systemctl daemon-reload")


def test_a_device_that_the_unit_does_not_open_is_mended_by_what_the_doctor_says(
    site: Site, ports: dict[str, str]
) -> None:
    streams = [f'[[streams]]\nname = "{n}"\nsource = {s}\n' for n, s in ports.items()]
    site.must("systemctl daemon-reload")
    site.configure("\n".join([PULSE, *streams]))
    site.see("it is missed", lambda: site.state_of("serial") == "degraded")
    found = site.doctor()
    for name in ports:
        assert found[f"serial/{name}"]["state"] == "failed"
        assert found[f"serial/{name}"]["text"].endswith("its unit is without serial.conf")
    type_advice(site, found["serial/serial"])
    site.must(f"cmp {SERIAL_DROP_IN} {SERIAL_DROP_IN}.away")
    site.see("it is there", lambda: site.state_of("serial") == "running")
    found = site.doctor()
    assert found.get("serial/serial", {}).get("state") == "ok", found
    assert not is_shut(found["serial/bare"])
    # An adapter of a number that the drop-in does not know.
    site.must(f"sed -i /char-188/d {SERIAL_DROP_IN} && systemctl daemon-reload")
    found = site.doctor()
    assert is_shut(found["serial/bare"])
    assert not is_shut(found["serial/serial"])
    type_advice(site, found["serial/bare"])
    site.must("systemctl daemon-reload")
    assert not is_shut(site.doctor()["serial/bare"])


def is_shut(finding: dict[str, str]) -> bool:
    return "the service may not open it" in finding["text"]


def type_advice(site: Site, finding: dict[str, str]) -> None:
    """Type the command that a finding gives, as root: a small system has no sudo."""
    typed = re.search("`(.+)`", finding["advice"])
    assert typed is not None, finding
    site.must(typed[1].replace("sudo ", ""), timeout_s=120 * site.board.slowness)
