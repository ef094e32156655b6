"""What the office hears of Mosquitto's log: refusals, from whom, how often; nothing else."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.office.broker import RefusalReporter, follow
from edge_runtime.office.broker_log import (
    KEPT_ID,
    LONGEST_LINE,
    MOST_CONNECTIONS,
    BrokerLog,
    Client,
    LoggedRefusal,
)
from edge_runtime.office.denials import AGAIN_AFTER_S, LONGEST_S, MAX_CLIENTS, MAX_KINDS, Denials
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.listing import last_events
from edge_runtime.office.mosquitto import lacking
from edge_runtime.office.open_files import OpenFiles
from edge_runtime.office.registry import Registry
from edge_runtime.office.units import program
from support.daemon import command
from support.waiting import until

# As Mosquitto 2.0.11 wrote it; here "-" marks noise, and "!" a refusal.
LOG = """\
mosquitto version 2.0.11 running
New connection from 127.0.0.1:56669 on port 8883.
New client connected from 127.0.0.1:56669 as dev-a (p5, c1, k60, u'site/a').
-No will message specified.
-Sending CONNACK to dev-a (0, 0)
!Denied PUBLISH from dev-a (d0, q1, r0, m1, 'edge/v1/site/b/s', ... (1 bytes))
-Sending PUBACK to dev-a (m1, rc135)
-Received PUBLISH from dev-a (d0, q1, r0, m2, 'edge/v1/site/a/s', ... (1 bytes))
-Received SUBSCRIBE from dev-a
-\tedge/v1/# (QoS 1)
-Sending SUBACK to dev-a
-Received UNSUBSCRIBE from dev-a
-\t#
-Sending UNSUBACK to dev-a
-Received DISCONNECT from dev-a
Client dev-a disconnected.
Client connection from 192.0.2.1 failed: error:0A000126:SSL routines::unexpected eof while reading.
Client <unknown> disconnected due to protocol error.
Reloading config.
"""


@pytest.fixture
def broker_log() -> BrokerLog:
    return BrokerLog()


def heard(broker_log: BrokerLog, *lines: str) -> list[LoggedRefusal]:
    """Return what was refused by some lines, which Mosquitto cuts like these."""
    whole = (f"1795331752: {line}".encode()[:LONGEST_LINE] for line in lines)
    return [one for line in whole if isinstance(one := broker_log.take(line), LoggedRefusal)]


def came(client_id: str, name: str) -> str:
    return f"New client connected from 192.0.2.9:4711 as {client_id} (p2, c1, k60, u'{name}')."


def denied(client_id: str, topic: str) -> str:
    return f"Denied PUBLISH from {client_id} (d0, q1, r0, m1, '{topic}', ... (1 bytes))"


@pytest.mark.parametrize("time", ["1795331752: ", "2026-11-22T07:15:52+0700: ", ""])
def test_what_is_kept_of_a_real_log(broker_log: BrokerLog, time: str) -> None:
    for marked in LOG.splitlines():
        line = f"{time}{marked.lstrip('-!')}".encode()
        if marked.startswith("-"):
            assert broker_log.take(line) is None, marked
        elif marked.startswith("!"):
            client = Client("dev-a", "site/a", "127.0.0.1")
            assert broker_log.take(line) == LoggedRefusal(
                client, "may not write 'edge/v1/site/b/s'"
            )
        else:
            assert broker_log.take(line) == line


@pytest.mark.parametrize(
    ("client_id", "topic"),
    [
        ("dev b (d0, q1, r0, m1, 'x", "t (d0, q1, r0, m1, 'y', ... (1 bytes))"),
        ("a (p5, c1, k60, u'site/victim').", "x"),
        ("", "', ... (1 bytes))"),
        ("Denied PUBLISH from victim (d0, q1, r0, m1, 'x", "New client connected from"),
    ],
)
def test_a_client_is_known_whatever_its_id_and_topic_look_like(
    broker_log: BrokerLog, client_id: str, topic: str
) -> None:
    heard(broker_log, came("victim", "site/victim"), came(client_id, "site/a"))
    (told,) = heard(broker_log, denied(client_id, topic))
    assert told == LoggedRefusal(
        Client(client_id, "site/a", "192.0.2.9"), f"may not write {topic!r}"
    )


def test_an_id_that_fills_the_line_hides_the_name_but_not_the_address(
    broker_log: BrokerLog,
) -> None:
    begin = len("1795331752: New client connected from 192.0.2.9:4711 as ")
    false = " (p2, c1, k60, u'site/victim')."
    for client_id in ("i" * 2000, "i" * (LONGEST_LINE - begin - len(false)) + false):
        assert heard(broker_log, came(client_id, "site/a")) == []
        (told,) = heard(broker_log, denied(client_id, "x"))
        assert told.client == Client("i" * KEPT_ID, "", "192.0.2.9")
        assert str(told.client) == f"a client with the id '{'i' * KEPT_ID}'"


def test_one_that_left_or_took_anothers_id_is_not_taken_for_it(broker_log: BrokerLog) -> None:
    heard(broker_log, came("id", "site/a"))
    taken = "Client id already connected, closing old connection."
    takeover, told = heard(broker_log, taken, came("id", "site/b"), denied("id", "x"))
    assert str(takeover) == "site/b: connected with site/a's client id 'id'"
    assert told.client.name == "site/b"
    for end in (
        "disconnected.",
        "disconnected due to malformed packet.",
        "disconnected, not authorised.",
        "been disconnected by administrative action.",
        "closed its connection.",
        "has exceeded timeout, disconnecting.",
    ):
        heard(broker_log, came("id", "site/a"), f"Client id {end}")
        (told,) = heard(broker_log, denied("id", "x"))
        assert told.client == Client("id"), end


def test_an_id_that_is_a_devices_own_is_told_whoever_had_it_before(broker_log: BrokerLog) -> None:
    (told,) = heard(broker_log, came("edge:hill:victim", "hill/evil"))
    assert str(told) == "hill/evil: connected as hill/victim, whose connection that cuts"
    (told,) = heard(broker_log, came("edge:hill:victim:doctor", "office"))
    assert str(told) == "office: connected with hill/victim's client id 'edge:hill:victim:doctor'"
    own = ("edge:hill:evil", "edge:hill:evil:provision", "edge", "")
    assert heard(broker_log, *(came(client_id, "hill/evil") for client_id in own)) == []
    assert heard(broker_log, came("archive", "office"), came("archive", "office")) == []


def test_a_device_that_holds_many_connections_is_told(broker_log: BrokerLog) -> None:
    ids = [f"id {number}" for number in range(MOST_CONNECTIONS)]
    for _ in range(2):  # who comes again with an id has no more of them
        assert heard(broker_log, *(came(client_id, "hill/evil") for client_id in ids)) == []
    assert (
        heard(broker_log, *(came(f"office {client_id}", "office") for client_id in ids * 2)) == []
    )
    (told,) = heard(broker_log, came("one more", "hill/evil"))
    assert str(told) == "hill/evil: holds 17 connections at once; a board needs 3 at most"
    heard(broker_log, "Client one more disconnected.")
    assert heard(broker_log, "Client id 0 disconnected.", came("another", "hill/evil")) == []


def test_only_a_will_for_anothers_topic_is_told(broker_log: BrokerLog) -> None:
    will = "Will message specified (1 bytes) (r0, q1)."
    mine, others = "\tedge/v1/site/a/status", "\tedge/v1/site/ab/status"
    assert heard(broker_log, came("id", "site/a"), will, mine) == []
    (told,) = heard(broker_log, came("id", "site/a"), will, others, others)
    assert told.what == "may not leave its will at 'edge/v1/site/ab/status'"


TCPD = "Client connection from 192.0.2.1 denied access by tcpd."
NO_FILES = "it may open no more files, one a connection (1023 of 1024 are open)"


@pytest.mark.parametrize(
    ("line", "files", "told"),
    [
        (TCPD, OpenFiles(1023, 1024), f"lets nobody else in: {NO_FILES}"),
        (TCPD, OpenFiles(500, 1024), "/etc/hosts.deny forbids it, or it had no file left (500 of"),
        (TCPD, None, "/etc/hosts.deny forbids it, or it had no file left"),
        (
            "Unable to accept new connection, system socket count has been exceeded. "
            'Try increasing "ulimit -n" or equivalent.',
            OpenFiles(1023, 1024),
            NO_FILES,
        ),
        (
            "Client connection from 192.0.2.1 denied: max_connections exceeded.",
            OpenFiles(500, 1024),
            "lets nobody else in: max_connections of mosquitto.conf is reached",
        ),
        (
            "Error saving in-memory database, unable to open /x/mosquitto.db.new for writing.",
            OpenFiles(20, 1024),
            "cannot save what it has acknowledged: it says 'unable to open /x/mosquitto.db.new",
        ),
        ("Error saving in-memory database, out of memory.", OpenFiles(1023, 1024), NO_FILES),
    ],
)
def test_what_the_broker_has_too_little_of_is_told_as_measured(
    line: str, files: OpenFiles | None, told: str
) -> None:
    (refusal,) = heard(BrokerLog(lambda: files), line)
    assert told in str(refusal)
    assert str(refusal).startswith("the broker")
    assert refusal.client.address in ("", "192.0.2.1")


def test_a_reader_whose_messages_are_dropped_is_named(broker_log: BrokerLog) -> None:
    line = "Outgoing messages are being dropped for client archive."
    (away,) = heard(broker_log, line)
    assert str(away).startswith("a client with the id 'archive': reads too slowly or is away")
    heard(broker_log, came("archive", "office"))
    (there,) = heard(broker_log, line)
    assert there.client == Client("archive", "office", "192.0.2.9")


@given(st.binary(max_size=200), st.text(max_size=2000))
def test_nothing_that_does_not_print_is_told(raw: bytes, text: str) -> None:
    broker_log = BrokerLog()
    broker_log.take(b"New client connected from " + raw)
    lines = (
        b"Denied PUBLISH from " + raw,
        b"Outgoing messages are being dropped for client " + raw,
        b"Error saving in-memory database" + raw,
        denied("id", text).encode(errors="replace"),
    )
    for line in lines:
        told = broker_log.take(line)
        assert isinstance(told, LoggedRefusal)
        assert f"{told.client}{told.what}".isprintable()
        assert len(told.what) < 2500, "backslashes and all"


# How often


def from_client(name: str, address: str = "192.0.2.9") -> LoggedRefusal:
    return LoggedRefusal(Client("id", name, address), "may not write 'x'")


def test_what_goes_on_is_told_ever_more_rarely() -> None:
    denials, told = Denials(), []
    for second in range(24 * 3600):
        denials.add(from_client("site/a"), float(second))
        told += [(second, text) for _, text, _ in denials.due(float(second))]
    assert [second for second, _ in told[:4]] == [0, 60, 180, 420]
    assert told[0][1] == "site/a: may not write 'x'"
    assert told[1][1] == "site/a: may not write 'x'; 60 such refusals"
    assert len(told) < 32
    assert told[-1][0] - told[-2][0] == LONGEST_S


def test_one_that_was_quiet_begins_anew() -> None:
    denials = Denials()
    assert denials.add(from_client("site/a"), 0.0)
    assert len(denials.due(0.0)) == 1
    assert denials.due(AGAIN_AFTER_S) == []
    assert len(denials) == 0
    assert denials.add(from_client("site/a"), AGAIN_AFTER_S + 1)


def test_each_that_suffers_is_told_at_once_up_to_a_number() -> None:
    denials = Denials()
    evil = Client("id", "hill/evil", "192.0.2.9")
    for number in range(1000):
        denials.add(LoggedRefusal(evil, f"connected as hill/{number}", f"as hill/{number}"), 0.0)
    denials.add(from_client("site/a"), 0.0)
    told = [text for _, text, _ in denials.due(0.0)]
    assert told[:MAX_KINDS] == [f"hill/evil: connected as hill/{n}" for n in range(MAX_KINDS)]
    many, other = told[MAX_KINDS:]
    assert many.endswith(f"{1000 - MAX_KINDS} such refusals")
    assert other == "site/a: may not write 'x'", "one that goes wild hides nobody else"


def test_clients_without_number_are_counted_together() -> None:
    denials = Denials()
    for number in range(3 * MAX_CLIENTS):
        denials.add(from_client("", f"192.0.2.{number}"), 0.0)
    told = denials.due(0.0)
    assert len(told) == len(denials) == MAX_CLIENTS + 1
    assert told[-1][1].endswith(f"{2 * MAX_CLIENTS} such refusals")


# The reading


@contextlib.contextmanager
def reading(registry: Registry) -> Iterator[int]:
    """Read from a pipe in a thread; give the end to write to."""
    end, pipe = os.pipe()
    thread = threading.Thread(target=follow, args=(end, registry))
    thread.start()
    try:
        yield pipe
    finally:
        os.close(pipe)
        thread.join()
        os.close(end)


def test_a_registry_that_is_held_does_not_stop_the_reading(
    office: OfficeFolder,
    capfdbinary: pytest.CaptureFixture[bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    held = sqlite3.connect(office.registry.path, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    with reading(Registry(office.registry.path, busy_s=0.05)) as pipe:
        os.write(pipe, f"{came('id', 'site/a')}\n{denied('id', 'x')}\n".encode())
        until(lambda: "held by another command" in caplog.text, "the failure in the log")
        os.write(pipe, b"still read\nand the la")
        until(lambda: capfdbinary.readouterr().out.endswith(b"still read\n"), "the next line")
        held.close()
        os.write(pipe, f"st\n{denied('id', 'y')}\nno end".encode())
    assert capfdbinary.readouterr().out == b"and the last\nno end\n"
    told = [(one.address, one.what) for one in last_events(office.registry, 10)]
    assert told == [("192.0.2.9", "site/a: may not write 'y'")]
    assert "refused 192.0.2.9: site/a: may not write 'x'" in caplog.text


def test_a_log_that_nobody_takes_does_not_stop_the_reports(
    office: OfficeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, closed = os.pipe()
    os.close(end)
    with os.fdopen(closed, "w") as out, reading(office.registry) as pipe:
        monkeypatch.setattr("sys.stdout", out)
        os.write(pipe, f"{came('id', 'site/c')}\n{denied('id', 'x')}\n".encode())
        until(lambda: last_events(office.registry, 1)[0].what.startswith("site/c: "), "a report")
        with contextlib.suppress(OSError):
            out.close()


def test_a_reporter_that_has_nothing_to_tell_ends(
    office: OfficeFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with RefusalReporter(office.registry):
        pass
    assert caplog.messages == []


# The configuration and the drop-in


def test_the_unit_starts_what_the_configuration_is_made_for(office: OfficeFolder) -> None:
    assert lacking(office.configuration) == []
    unit = office.broker_unit.read_text().splitlines()
    start = f"ExecStart={program()} office broker --folder {office.path}"
    assert {start, "LimitNOFILE=65536", "MemoryMax=50%", "Restart=always"} <= set(unit)


def test_a_configuration_that_hides_refusals_is_told(office: OfficeFolder, tmp_path: Path) -> None:
    quiet = tmp_path / "mosquitto.conf"
    quiet.write_text(office.configuration.read_text().replace("\nlog_type debug", "\n#"))
    assert lacking(quiet) == ["log_type debug"]
    assert lacking(tmp_path / "none") == [], "Mosquitto says it"


def test_a_program_that_is_none_is_said_in_one_line(office: OfficeFolder, tmp_path: Path) -> None:
    folder, wrong = str(office.path), str(tmp_path / "mosquitto")
    done = command("office", "broker", "--folder", folder, "--mosquitto", wrong)
    told = f"edge-runtime: --mosquitto: '{wrong}' is no program; apt-get install mosquitto\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)
