"""Mosquitto on the configuration that `office init` wrote: who may do what, who is let in."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.office.broker import PIPE_BYTES
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.listing import last_events
from edge_runtime.office.retained import MOST_RETAINED
from edge_runtime.office.revoking import revoke
from support.certificates import Authority, Pair
from support.daemon import command
from support.manager import Manager
from support.office import ReportingMosquitto, member, new_office
from support.party import Party
from support.waiting import until

ALLOWED, DENIED = 0x00, 0x87  # MQTT 5 reason codes


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that Mosquitto's own user can pass through: pytest's are shut to it."""
    with tempfile.TemporaryDirectory(prefix="office-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def office(place: Path) -> OfficeFolder:
    return new_office(place / "office")


@pytest.fixture(scope="module")
def broker(office: OfficeFolder, place: Path) -> Iterator[ReportingMosquitto]:
    broker = ReportingMosquitto(office, place)
    broker.start()
    yield broker
    broker.stop()


def device(office: OfficeFolder, broker: ReportingMosquitto, place: Path, name: str) -> Party:
    return Party(broker, office.ca, member(office, name, place))


def the_office(office: OfficeFolder, broker: ReportingMosquitto, client_id: str = "") -> Party:
    return Party(broker, office.ca, Pair(office.office, office.office_key), client_id)


def test_the_broker_runs_as_its_own_user_and_keeps_its_data(
    office: OfficeFolder, broker: ReportingMosquitto
) -> None:
    assert broker.process is not None
    status = Path(f"/proc/{broker.process.pid}/status").read_text()
    uid = int(next(line for line in status.splitlines() if line.startswith("Uid")).split()[2])
    assert uid == office.data.stat().st_uid
    assert uid != 0 or os.geteuid() != 0
    assert office.broker_key.stat().st_mode & 0o077 == 0


def test_a_device_writes_its_own_topics_alone(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    with device(office, broker, place, "a") as a:
        assert a.writes("edge/v1/site/a/gate/event") == ALLOWED
        assert a.writes("edge/v1/site/a/status") == ALLOWED
        for topic in (
            "edge/v1/site/b/gate/event", "edge/v1/site/b/cmd/replay", "edge/v1/site/ab/status",
            "edge/v1/site/a/cmd/replay", "edge/v1/site/a/cmd",  # would fill queues of its own
            "edge/v1/other/a/status", "edge/v1/office/x", "edge/v1/site/status",
            "edge/v2/site/a/x", "$SYS/x", "x",
        ):  # fmt: skip
            assert a.writes(topic) == DENIED, topic


def test_a_device_reads_its_own_commands_alone(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    with (
        device(office, broker, place, "a") as a,
        device(office, broker, place, "b") as b,
        the_office(office, broker) as boss,
    ):
        b.writes("edge/v1/site/b/status", "retained", retain=True)
        for topic in (
            "edge/v1/#", "#", "+/v1/site/b/#", "edge/v1/site/b/cmd/#", "edge/v1/site/b/status",
            "edge/v1/site/a/#", "$SYS/#", "$CONTROL/#", "$share/x/edge/v1/#", "$share/x/#",
            "$share/x/edge/v1/site/b/cmd/#",
        ):  # fmt: skip
            assert a.reads(topic) == DENIED, topic
        assert a.reads("edge/v1/site/a/cmd/#") == 1
        b.writes("edge/v1/site/b/gate/event")
        assert boss.writes("edge/v1/site/b/cmd/replay", "not for a") == ALLOWED
        assert boss.writes("edge/v1/site/a/cmd/replay", "for a") == ALLOWED
        assert a.heard.get(timeout=20) == "edge/v1/site/a/cmd/replay for a"
        assert a.heard.empty()


def test_a_device_takes_nothing_from_those_who_share_a_subscription(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    shared = "$share/telegraf/edge/v1/site/dealt/#"
    with (
        device(office, broker, place, "dealt") as dealt,
        device(office, broker, place, "swallows") as thief,
        the_office(office, broker) as one,
        the_office(office, broker) as other,
    ):
        assert (one.reads(shared), other.reads(shared)) == (1, 1)
        assert thief.reads(shared) == DENIED
        for number in range(40):
            assert dealt.writes("edge/v1/site/dealt/gate/event", str(number)) == ALLOWED
        until(lambda: one.heard.qsize() + other.heard.qsize() == 40, "each result, at one of two")
        assert min(one.heard.qsize(), other.heard.qsize()) > 0
        assert thief.heard.empty()


def test_nobody_but_the_office_itself_changes_the_list_of_members(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    order = '{"commands": [{"command": "deleteClient", "username": "office"}]}'
    with (
        device(office, broker, place, "mutinous") as member_of_site,
        the_office(office, broker) as boss,
    ):
        for party in (member_of_site, boss):
            assert party.writes("$CONTROL/dynamic-security/v1", order) == DENIED
            assert party.reads("$CONTROL/dynamic-security/v1/response") == DENIED


def test_the_office_reads_all_and_writes_commands_alone(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    with the_office(office, broker) as boss, device(office, broker, place, "c") as c:
        boss.reads("edge/v1/site/c/gate/#")
        assert c.writes("edge/v1/site/c/gate/event", "seen") == ALLOWED
        assert boss.heard.get(timeout=20) == "edge/v1/site/c/gate/event seen"
        for topic in ("edge/v1/site/c/gate/event", "edge/v1/site/c/status", "x"):
            assert boss.writes(topic) == DENIED


def test_who_takes_anothers_client_id_gets_none_of_its_messages(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    victim, thief = member(office, "victim", place), member(office, "taker", place)
    with Party(broker, office.ca, victim, "device-victim") as party:
        party.reads("edge/v1/site/victim/cmd/#")
    with the_office(office, broker) as boss:
        assert boss.writes("edge/v1/site/victim/cmd/replay", "waits for the victim") == ALLOWED
        with Party(broker, office.ca, thief, "device-victim") as party:
            assert party.reads("edge/v1/site/victim/cmd/#") == DENIED
            party.reads("edge/v1/site/taker/cmd/#")
            boss.writes("edge/v1/site/victim/cmd/replay", "comes meanwhile")
            boss.writes("edge/v1/site/taker/cmd/replay", "its own")
            assert party.heard.get(timeout=20) == "edge/v1/site/taker/cmd/replay its own"


def test_without_a_certificate_of_the_office_nobody_is_let_in(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path, tmp_path: Path
) -> None:
    foreign = Authority(tmp_path / "foreign", "Another CA").sign("office", "DNS:x")
    server = Pair(office.broker, office.broker_key)  # ours, but no client's
    for identity in (None, foreign, server):
        with pytest.raises(OSError), Party(broker, office.ca, identity):  # noqa: PT011
            pass


def refusals(office: OfficeFolder, of: str) -> list[str]:
    """Return what the office was told of one device or client."""
    told = (one.what for one in last_events(office.registry, 1000))
    return [what for what in told if what.startswith(f"{of}: ")]


def test_a_device_that_writes_elsewhere_is_reported_once_and_then_counted(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    foreign = "edge/v1/site/b/gate/event"
    with device(office, broker, place, "liar") as liar:
        assert liar.writes("edge/v1/site/liar/status") == ALLOWED
        assert liar.writes(foreign) == DENIED
        first = f"site/liar: may not write '{foreign}'"
        until(lambda: refusals(office, "site/liar") == [first], "the refusal in the events")
        for _ in range(500):
            assert liar.writes(foreign) == DENIED
    shown = command("office", "events", "--folder", str(office.path), "--json").stdout
    (told,) = [event for event in json.loads(shown) if event["what"] == first]
    assert told["address"] == "127.0.0.1"
    os.kill(broker.reader, signal.SIGTERM)  # systemd stops both at once
    broker.stop()  # the reader tells what it has counted before it ends
    rest = f"{first}; 500 such refusals"
    until(lambda: refusals(office, "site/liar") == [first, rest], "the rest, as one event")
    broker.start()


def test_a_will_for_anothers_topic_is_reported(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    identity = member(office, "heir", place)
    for will in ("edge/v1/site/heir/status", "edge/v1/site/b/status"):
        with Party(broker, office.ca, identity, will=will):
            pass
    told = "site/heir: may not leave its will at 'edge/v1/site/b/status'"
    until(lambda: refusals(office, "site/heir") == [told], "one refused will of two")


def test_nobody_can_have_another_device_accused(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    false = "Denied PUBLISH from device-accused (d0, q1, r0, m1, 'x', ... (1 bytes))"
    with (
        Party(broker, office.ca, member(office, "accused", place), "device-accused"),
        Party(broker, office.ca, member(office, "accuser", place), false) as accuser,
    ):
        accuser.reads("edge/v1/', ... (1 bytes))")
        assert accuser.writes(f"x\u2028{false}") == DENIED
        (told,) = until(lambda: refusals(office, "site/accuser"), "the accuser's own refusal")
    assert told == f"site/accuser: may not write {'x' + chr(0x2028) + false!r}"
    assert refusals(office, "site/accused") == []


def test_mosquitto_is_the_process_that_systemd_started(
    broker: ReportingMosquitto, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.stop()
    with Manager(place) as manager:
        (socket,) = manager.environment.values()
        Path(socket).chmod(0o777)  # as systemd's: Mosquitto has given up root
        monkeypatch.setenv("NOTIFY_SOCKET", socket)
        broker.start()
        manager.told_until("READY=1")
    assert broker.process is not None
    assert Path(f"/proc/{broker.process.pid}/comm").read_text() == "mosquitto\n"


def test_a_reader_that_is_stuck_or_killed_leaves_the_broker_serving(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    assert broker.process is not None
    topic = f"edge/v1/site/busy/{'x' * 900}"
    with device(office, broker, place, "busy") as busy:
        os.kill(broker.reader, signal.SIGSTOP)
        for _ in range(2 * PIPE_BYTES // len(topic)):
            assert busy.writes(topic) == ALLOWED
        os.kill(broker.reader, signal.SIGCONT)
        until(lambda: refusals(office, "the broker's log"), "what was lost is told")
        os.kill(broker.reader, signal.SIGKILL)
        assert busy.writes(topic) == ALLOWED
        broker.process.send_signal(signal.SIGHUP)
        assert busy.writes(topic) == ALLOWED
    broker.process.terminate()
    assert broker.process.wait(20) == 0
    broker.start()


def test_a_revoked_device_is_cut_off_at_once_and_stays_out_after_a_reload(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    identity = member(office, "thief", place)
    assert broker.process is not None
    with device(office, broker, place, "honest") as honest:
        with Party(broker, office.ca, identity) as living:
            assert living.writes("edge/v1/site/thief/x") == ALLOWED
            revoke(office, "site", "thief", time.time())
            until(lambda: living.is_cut_off, "the thief's connection ended")
        broker.process.send_signal(signal.SIGHUP)
        until(lambda: not let_in(broker, office, identity), "the device shut out")
        assert honest.writes("edge/v1/site/honest/x") == ALLOWED  # on the connection it had
    # Its replacement has the name, and the rights, again.
    with device(office, broker, place, "thief") as replacement:
        assert replacement.writes("edge/v1/site/thief/x") == ALLOWED


def test_what_a_device_leaves_beyond_its_share_is_cleared_and_told(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    root = "edge/v1/site/hoarder"
    with device(office, broker, place, "hoarder") as hoarder:
        for number in range(3 * MOST_RETAINED):
            assert hoarder.writes(f"{root}/{number}", "x" * 1000, retain=True) == ALLOWED
        hoarder.writes(f"{root}/status", "last", retain=True)
        told = f"site/hoarder: leaves more than {MOST_RETAINED} retained messages"
        until(lambda: refusals(office, "site/hoarder"), "the excess in the events")
        assert refusals(office, "site/hoarder")[0].startswith(told)
        kept: set[str] = set()

        def is_cleared() -> bool:
            with the_office(office, broker) as boss:
                boss.reads(f"{root}/#")
                hoarder.writes(f"{root}/end")
                kept.clear()
                while not (heard := boss.heard.get(timeout=20)).startswith(f"{root}/end"):
                    kept.add(heard.split()[0].removeprefix(f"{root}/"))
            return len(kept) == MOST_RETAINED + 1

        until(is_cleared, "the excess cleared")
        assert kept == {"status", *map(str, range(MOST_RETAINED))}


def test_who_connects_as_another_is_told(
    office: OfficeFolder, broker: ReportingMosquitto, place: Path
) -> None:
    robbed, robber = member(office, "robbed", place), member(office, "robber", place)
    own = ("edge:site:robbed", "edge:site:robbed:doctor")
    with Party(broker, office.ca, robbed, own[0]) as daemon:
        with Party(broker, office.ca, robbed, own[1]):  # a command beside its daemon
            assert not daemon.is_cut_off
        with Party(broker, office.ca, robber, own[0]):
            until(lambda: daemon.is_cut_off, "the connection that the other one cuts")
    told = "site/robber: connected as site/robbed, whose connection that cuts"
    until(lambda: told in refusals(office, "site/robber"), "the takeover in the events")
    assert refusals(office, "site/robbed") == []
    with Party(broker, office.ca, robber, "edge:site:robbed-2"):
        told = "site/robber: connected as site/robbed-2, whose connection that cuts"
        until(lambda: told in refusals(office, "site/robber"), "the second that suffers, at once")
    with the_office(office, broker, "archive"), Party(broker, office.ca, robber, "archive"):
        pass
    told = "site/robber: connected with office's client id 'archive'"
    until(lambda: told in refusals(office, "site/robber"), "the consumer's")


def let_in(broker: ReportingMosquitto, office: OfficeFolder, identity: Pair) -> bool:
    with contextlib.suppress(OSError), Party(broker, office.ca, identity):
        return True
    return False


def test_a_broker_that_has_no_room_for_another_board_says_why(place: Path) -> None:
    office = new_office(place / "small")
    broker = ReportingMosquitto(office, place, files="32:64")
    broker.start()
    try:
        assert broker.process is not None
        (files,) = [
            line.split()[3]
            for line in Path(f"/proc/{broker.process.pid}/limits").read_text().splitlines()
            if line.startswith("Max open files")
        ]
        assert files == "64"  # as many as it was allowed to
        log = (place / "mosquitto.log").read_text()
        assert "lets in some 52 boards at once: 64 files" in log
        with contextlib.ExitStack() as stack:
            for _ in range(80):
                boards = socket.create_connection(("127.0.0.1", broker.port), timeout=10)
                stack.enter_context(boards)
            (told,) = until(lambda: refusals(office, "the broker"), "the limit in the events")
            assert re.fullmatch(
                r"the broker: lets nobody else in: it may open no more files, one a connection "
                r"\(6\d of 64 are open\); raise LimitNOFILE of its unit(; \d+ such refusals)?",
                told,
            )
        with device(office, broker, place, "a") as a:  # there is room again
            assert a.writes("edge/v1/site/a/gate/event") == ALLOWED
    finally:
        broker.stop()


def changed(office: OfficeFolder, option: str, value: int) -> None:
    """Set one of the configuration's limits to another value."""
    text = office.configuration.read_text()
    new, count = re.subn(rf"^{option} \d+$", f"{option} {value}", text, flags=re.MULTILINE)
    assert count == 1
    office.configuration.write_text(new)


@pytest.mark.parametrize("limit", [("max_queued_messages", 3), ("max_queued_bytes", 3)])
def test_what_a_reader_did_not_fetch_in_time_is_told(place: Path, limit: tuple[str, int]) -> None:
    office = new_office(place / limit[0])
    changed(office, *limit)
    broker = ReportingMosquitto(office, place)
    broker.start()
    try:
        with Party(broker, office.ca, Pair(office.office, office.office_key), "archive") as archive:
            archive.reads("edge/v1/#")
        with device(office, broker, place, "a") as a:
            for _ in range(40):
                assert a.writes("edge/v1/site/a/gate/event") == ALLOWED
        lost = until(lambda: refusals(office, "a client with the id 'archive'"), "the loss")
        assert "max_queued_messages and max_queued_bytes have no room for is lost" in lost[0]
    finally:
        broker.stop()
