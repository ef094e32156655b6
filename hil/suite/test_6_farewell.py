"""The end of a device: taken down by a technician, or shut out by the office."""

from __future__ import annotations

from hil.office import SITE
from hil.site import DEVICE, SERVICE, STATE, STICK, Site

PROBE = f"edge/v1/{SITE}/{DEVICE}/cmd/hil"


def test_a_decommissioned_board_leaves_nothing_behind_and_may_come_anew(site: Site) -> None:
    assert retained(site) != []
    done = site.board.sh("edge-runtime provision --decommission --yes", timeout_s=120)
    assert done.rc == 0, done.out
    left = site.must(f"find {STATE} -type f").split()
    # The counter of boots stays, in both its places: it keeps (boot, seq) a record's name for ever.
    counters = [f"{STATE}/outbox.mark", f"{STATE}/outbox/boot"]
    assert sorted(name for name in left if "/models/" not in name) == counters
    assert site.board.sh(f"systemctl is-enabled {SERVICE}").out == "disabled\n"
    assert site.show("ActiveState") == {"ActiveState": "inactive"}
    assert retained(site) == []
    come_anew_without_a_link(site)


def test_a_revoked_device_is_refused_says_so_and_may_come_anew(site: Site) -> None:
    site.office.run("revoke", "--yes", f"{SITE}/{DEVICE}")
    site.office.broker.stop()
    site.office.broker.start()
    site.see("it says why", lambda: "revoked" in site.status()["link"]["reason"], 120)
    heard = len(site.records())
    pending = site.status()["outbox"]["pending"]
    site.see("results wait", lambda: site.status()["outbox"]["pending"] > pending + 20, 60)
    assert len(site.records()) == heard
    assert site.show("ActiveState") == {"ActiveState": "active"}
    come_anew(site)
    site.miss_nothing()


def come_anew(site: Site) -> None:
    """Provision the board with another claim."""
    claim = site.office.claim(DEVICE)
    site.board.put(claim, f"{STICK}/{claim.name}")
    done = site.provision(claim)
    assert done.rc == 0, done.out
    site.hear_more()


def come_anew_without_a_link(site: Site) -> None:
    """Provision the board with another claim while nobody answers; the enrolment ends by itself."""
    claim = site.office.claim(DEVICE)
    site.board.put(claim, f"{STICK}/{claim.name}")
    site.board.cut_link()
    done = site.provision(claim)
    assert done.rc == 0, done.out
    site.see("it collects", lambda: site.status()["outbox"]["pending"] > 10, 60)
    assert "not enrolled yet" in site.status()["link"]["reason"]
    site.board.restore_link()
    # What the timer starts every ten minutes.
    assert site.must("systemctl is-active edge-runtime-renew.timer") == "active\n"
    site.must("systemctl start edge-runtime-renew.service", timeout_s=120)
    site.hear_more()


def retained(site: Site) -> list[str]:
    """Return the device's topics that a new subscriber is told of at once."""
    with site.office.listening() as ear:
        # What is published now comes after all that was retained.
        ear.publish(PROBE, b"{}")
        ear.wait_for(lambda heard: any(message.topic == PROBE for message in heard.raw))
        return [message.topic for message in ear.raw if message.retain]
