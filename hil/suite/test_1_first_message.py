"""From the shop to the first acknowledged message: a stick and two typed commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.board import Board
from hil.site import DEVICE, Bringing, Site

pytestmark = pytest.mark.quick
LIMIT_S = 180.0


def test_two_commands_bring_the_first_acknowledged_message(
    shop: Site, brought_up: Bringing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert brought_up.installed.rc == 0, brought_up.installed.out
    assert brought_up.provisioned.rc == 0, brought_up.provisioned.out
    told = brought_up.install_s, brought_up.provision_s
    with capsys.disabled():
        print(f"\n{shop.board.name}: install {told[0]:.0f} s, provision {told[1]:.0f} s")
        print(brought_up.provisioned.out)
    assert sum(told) < LIMIT_S * shop.board.slowness
    shop.hear_more(count=1)
    # What arrived arrived under the claim's name, over the certificate of the claim's office.
    assert {one.device for one in shop.ear.heard} == {DEVICE}
    (known,) = shop.office.devices()
    assert known["words"] in brought_up.provisioned.out


def test_the_claim_is_used_up(shop: Site, brought_up: Bringing) -> None:
    assert brought_up.provisioned.rc == 0
    assert "used" in shop.office.run("claim", "list")


def test_nothing_of_the_key_can_be_read_by_others(board: Board, brought_up: Bringing) -> None:
    assert brought_up.provisioned.rc == 0
    readable = board.sh("find /var/lib/edge-runtime -mindepth 1 -perm /077 ! -type l")
    folder = board.sh("stat -c '%a %U' /var/lib/edge-runtime").out
    assert folder == "700 edge-runtime\n", readable.out
    keys = board.sh("find / -xdev -name '*.key' -not -path '/proc/*' -exec stat -c '%a %U %n' {} +")
    assert keys.out.count("\n") == 1
    assert keys.out.startswith("600 edge-runtime /var/lib/edge-runtime/identity/")


def test_the_same_bundle_again_changes_nothing(
    shop: Site, brought_up: Bringing, bundle: Path
) -> None:
    assert brought_up.provisioned.rc == 0
    process = shop.show("MainPID", "ActiveState")
    listed = "find /opt /etc /usr/local ! -type d -exec stat -c '%n %i %Y %a %U' {} + | sort"
    files = shop.must(listed)
    again = shop.install(bundle)
    assert (again.rc, "nothing to do" in again.out) == (0, True), again.out
    assert set(shop.must(listed).splitlines()) ^ set(files.splitlines()) == set()
    assert shop.show("MainPID", "ActiveState") == process
