"""The log says what happens without end in a bounded number of lines, and how often it was."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_runtime.cli.log_limit import MAX_TEXTS, PLACE_AT_ONCE, TEXT_AT_ONCE, LimitedHandler
from edge_runtime.daemon.commands import Commands
from edge_runtime.office.folder import OfficeFolder
from support import packets
from support.memory_queue import MemoryQueue
from support.office import office_process
from support.packets import Connect, Publish
from support.paths import ROOT
from support.publishing import publishing, records
from support.scripted_broker import Client, Script, ScriptedBroker
from support.waiting import until

log = logging.getLogger("edge_runtime.tests")
QUOTA = 0x97
HELD = re.compile(r"(\d+) more such lines were not written; the last: (.*)")


class Now:
    """A clock that is set."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@contextmanager
def limited(now: Now | None = None) -> Iterator[io.StringIO]:
    """Yield what the project's log writes through the limit; without a clock the time stands."""
    out = io.StringIO()
    handler = LimitedHandler(out, now or Now())
    root = logging.getLogger("edge_runtime")
    level, root.propagate = root.level, False
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield out
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        root.propagate = True
        handler.close()


def lines(out: io.StringIO) -> list[str]:
    return out.getvalue().splitlines()


def happened(out: io.StringIO, text: str) -> int:
    """Return how often a text is accounted for: written, or counted as held back."""
    found = [HELD.fullmatch(line) for line in lines(out)]
    return sum(line == text for line in lines(out)) + sum(
        int(one[1]) for one in found if one and one[2] == text
    )


def test_one_text_is_written_ten_times_then_counted() -> None:
    now = Now()
    with limited(now) as out:
        for second in range(86_400):
            now.s = float(second)
            log.warning("the same")
    assert lines(out)[:TEXT_AT_ONCE] == ["the same"] * TEXT_AT_ONCE
    assert lines(out)[TEXT_AT_ONCE] == "61 more such lines were not written; the last: the same"
    assert len(lines(out)) < 200
    assert happened(out, "the same") == 86_400


def test_ever_new_texts_of_one_place_are_bounded_and_another_place_is_heard() -> None:
    now = Now()
    with limited(now) as out:
        for second in range(3600):
            now.s = float(second)
            log.info("refused %s", second)
        log.error("something else")
    assert lines(out)[:PLACE_AT_ONCE] == [f"refused {at}" for at in range(PLACE_AT_ONCE)]
    assert "something else" in lines(out)
    assert len(lines(out)) < PLACE_AT_ONCE + 80


def test_a_line_now_and_then_is_always_written() -> None:
    now = Now()
    with limited(now) as out:
        for hour in range(100):
            now.s = hour * 3600.0
            log.warning("once an hour")
    assert lines(out) == ["once an hour"] * 100


def test_what_was_held_back_is_told_with_the_next_line_of_any_kind_or_at_the_end() -> None:
    now = Now()
    with limited(now) as out:
        for _ in range(TEXT_AT_ONCE + 5):
            log.warning("again")
        assert lines(out) == ["again"] * TEXT_AT_ONCE
        now.s = 61.0
        log.info("another")
        assert lines(out)[-1] == "5 more such lines were not written; the last: again"
        log.warning("again")
    assert lines(out)[-1] == "1 more such lines were not written; the last: again"


def test_what_is_remembered_is_bounded() -> None:
    with limited() as out:
        handler = logging.getLogger("edge_runtime").handlers[-1]
        assert isinstance(handler, LimitedHandler)
        for number in range(3 * MAX_TEXTS):
            log.info("text %d", number)
        assert len(handler._texts) == MAX_TEXTS
        assert len(handler._places) == 1
    assert len(lines(out)) == PLACE_AT_ONCE + 1


def test_no_log_goes_past_the_limit() -> None:
    package = ROOT / "edge_runtime"
    others = [
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if re.search(r"StreamHandler\(|basicConfig|FileHandler|lastResort", file.read_text())
    ]
    assert others == ["cli/logs.py"]


# Places that write a line a packet, a record, a connection


class Flapping(Script):
    """Acknowledges what greets it, then closes: a link that is there, and gone at once."""

    def on_publish(self, client: Client, publish: Publish) -> None:
        super().on_publish(client, publish)
        if len(client.publishes) >= 2:
            client.close()


def test_a_link_that_breaks_again_and_again() -> None:
    with limited() as out:
        with ScriptedBroker(Flapping()) as broker, publishing(
            broker.url, MemoryQueue(), retry_max_s=0.01
        ) as publisher:  # fmt: skip
            until(lambda: publisher.health().attempts > 60, "sixty links")
        assert len(lines(out)) <= 4 * TEXT_AT_ONCE


def test_a_broker_that_refuses_in_turns() -> None:
    class InTurns(Script):
        taken = 0

        def on_publish(self, client: Client, publish: Publish) -> None:
            self.taken += publish.topic.endswith("detections")
            client.acknowledge(publish, QUOTA if self.taken % 15 == 1 else 0)

    queue = MemoryQueue()
    queue.put(records(400))
    with limited() as out, ScriptedBroker(InTurns()) as broker:
        with publishing(broker.url, queue) as publisher:
            until(lambda: publisher.health().refused >= 3, "three refusals")
        waits = [line for line in lines(out) if "waits:" in line]
        assert waits, "said"
        assert len(lines(out)) <= 4 * TEXT_AT_ONCE


def test_commands_without_end() -> None:
    answers: list[bytes] = []
    commands = Commands({"fine": lambda _payload: {}, "broken": lambda _payload: {}["x"]})
    with limited() as out:
        commands.start()
        for count in range(300):
            commands.take("broken" if count % 2 else "fine", b"", answers.append)
            until(lambda: len(answers) == count + 1, "an answer")  # noqa: B023 - at once
        commands.stop()
        assert sum("command fine: done" in line for line in lines(out)) == TEXT_AT_ONCE
        assert sum(line == "command broken failed" for line in lines(out)) == TEXT_AT_ONCE
    assert happened(out, "command fine: done") == 150


def test_garbage_from_a_broker_on_every_connection() -> None:
    class Garbled(Script):
        def on_connect(self, client: Client, connect: Connect) -> None:
            client.send(packets.packet(packets.CONNACK, b"\0\0\x7f"))

    with limited() as out:
        with ScriptedBroker(Garbled()) as broker, publishing(
            broker.url, MemoryQueue(), retry_max_s=0.01
        ) as publisher:  # fmt: skip
            until(lambda: publisher.health().attempts > 60, "sixty attempts")
        assert 0 < len(lines(out)) <= 4 * TEXT_AT_ONCE


def test_connections_to_the_office_that_ask_for_nothing(
    office: OfficeFolder, tmp_path: Path
) -> None:
    log_file = tmp_path / "log"
    with office_process(office, log_file) as est:
        for _ in range(200):
            with socket.create_connection(("127.0.0.1", est.port)) as scan:
                scan.sendall(b"\x16\x03\x01")  # TLS begins, and ends
                scan.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    while scan.recv(4096):
                        pass
    said = log_file.read_text().splitlines()
    assert any("went away before TLS" in line or "no TLS" in line for line in said), said
    assert len(said) < 40, said
