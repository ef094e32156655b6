"""Whatever lies on a broker, the views go on: no exception, nothing that a terminal obeys."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.broker.reasons import refused
from edge_runtime.cli.printable import UNPRINTABLE
from edge_runtime.cli.repeated import FIRST_AFTER_S, RateLimitedNotice
from edge_runtime.cli.summary import summarise, troubles_of
from edge_runtime.cli.table_view import SHOWN_ROWS, TableView
from edge_runtime.cli.view import ItemPresenter, LinesView, MessageView
from edge_runtime.cli.watch import OptionsText
from edge_runtime.consume import DeviceMessage, MessageProcessor, ReceivedMessage
from edge_runtime.errors import RawText
from edge_runtime.language import Code, Language
from support.payloads import HEAD, PAYLOADS, as_json


@contextmanager
def presenting(view: MessageView) -> Iterator[tuple[Bench, io.StringIO, io.StringIO]]:
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err, view:
        yield Bench(view), out, err


class Bench:
    """A view, and what brings messages to it."""

    def __init__(self, view: MessageView) -> None:
        self.processor = MessageProcessor(1.0, lambda _request: 1)
        self.presenter = ItemPresenter(view)

    def take(self, topic: str, payload: bytes, now_s: float) -> int:
        message = ReceivedMessage(f"edge/v1/s/d/{topic}", payload)
        items = (*self.processor.take(message, now_s), *self.processor.tick(now_s))
        records = sum(self.presenter.show(item, now_s) for item in items)
        self.presenter.tick(now_s)
        return records


VIEWS = [LinesView, lambda: TableView(live=False), lambda: TableView(live=True)]


@pytest.mark.parametrize("make", VIEWS, ids=["json", "lines", "table"])
@settings(max_examples=50, deadline=None)
@given(messages=st.lists(PAYLOADS, max_size=8))
def test_whatever_comes_each_view_goes_on(make: Any, messages: list[tuple[str, bytes]]) -> None:
    with presenting(make()) as (bench, out, err):
        for number, (topic, payload) in enumerate(messages):
            bench.take(topic, payload, float(number))
        begun = len(out.getvalue())
        last = {**HEAD, "seq": 2**39, "event": "dwell"}
        assert bench.take("gate/event", as_json(last), 100.0) == 1
        bench.presenter.tick(200.0)
        said = bench.presenter.rest()
    shown = out.getvalue()
    assert "dwell" in shown[begun:]
    for line in (*shown.splitlines(), *err.getvalue().splitlines(), *said):
        # The live table's own sequences are those of rich: colours, and the cursor's ways.
        bare = re.sub(r"\x1b\[[0-9;]*[mAK]|\x1b\[\?25[hl]", "", line)
        assert make is VIEWS[0] or not UNPRINTABLE.search(bare.replace("\r", "")), line
        if make is VIEWS[0] and line.startswith("{"):
            assert not UNPRINTABLE.search(line)
            json.loads(line, parse_constant=pytest.fail)


def new_notice() -> RateLimitedNotice:
    return RateLimitedNotice("1 message was no record", "{count} messages were no records")


def test_what_is_no_record_is_told_together_and_ever_more_rarely() -> None:
    notice, told = new_notice(), []
    for second in range(7200):
        for number in range(5):
            notice.add(RawText(f"edge/v1/s/d/x/{number}: no record"), float(second))
        if text := notice.due(float(second)):
            told.append(text)
    assert told[0].startswith("10 messages were no records: edge/v1/s/d/x/0: no record; ")
    assert told[0].endswith("; …")
    assert len(told) < 25
    assert "messages were no records" in notice.rest()
    assert notice.rest() == notice.due(1e9) == ""
    notice.add(RawText("one"), 1e9)
    assert notice.due(1e9 + FIRST_AFTER_S) == "1 message was no record: one"


def test_strangers_cannot_fill_the_memory_of_a_view() -> None:
    view = TableView(live=False)
    with redirect_stdout(io.StringIO()):
        for number in range(2 * SHOWN_ROWS):
            view.message(
                DeviceMessage(
                    topic="x", site="s", device=f"d{number}", stream="a", kind="x", fields={},
                    size_bytes=1,
                )
            )  # fmt: skip
    assert len(view._rows) == SHOWN_ROWS


# Boards in trouble


def told(view: TableView, kind: str, fields: dict[str, Any], device: str = "d") -> None:
    """Have a board's own message reach a view as a consumer hands it on."""
    processor = MessageProcessor(1.0, lambda _request: 1)
    message = ReceivedMessage(f"edge/v1/s/{device}/{kind}", as_json(fields), retained=True)
    for item in processor.take(message, 0.0):
        assert isinstance(item, DeviceMessage)
        with redirect_stdout(io.StringIO()):
            view.message(item)


def table_of(view: TableView) -> str:
    """Return the table as a terminal of 140 columns shows it."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=140).print(view._render())
    return out.getvalue()


LOST = {"state": "offline", "boot": 3}
ONLINE = {"state": "online", "boot": 3, "version": "0.1.0", "streams": {"gate": {}}}
NO_CAMERA = {
    "ts": 1.0, "boot": 3, "state": "degraded",
    "streams": {
        "gate": {"state": "degraded", "reason": "/dev/video0: the camera is gone"},
        "pump": {"state": "running", "results": 3},
    },
    "link": {"sent": 1},
}  # fmt: skip


def test_a_board_that_the_broker_lost_has_a_row() -> None:
    view = TableView(live=False)
    told(view, "status", ONLINE, "good")
    told(view, "status", LOST, "gone")
    assert view.shown() == [("s", "gone", ""), ("s", "good", "")]
    assert re.search(r"gone\W+offline", table_of(view))


def test_a_stream_that_gives_nothing_has_a_row_with_the_reason() -> None:
    view = TableView(live=False)
    told(view, "status", ONLINE)
    told(view, "health", NO_CAMERA)
    assert view.shown() == [("s", "d", "gate")]
    shown = table_of(view)
    assert re.search(r"d\W+degraded\W+gate", shown)
    assert "/dev/video0: the camera is gone" in shown
    well = {**NO_CAMERA, "state": "ok", "streams": {"gate": {"state": "running"}}}
    told(view, "health", well)
    assert view.shown() == [("s", "d", "")]
    assert "camera is gone" not in table_of(view)


def test_what_is_wrong_on_the_board_itself_has_a_row() -> None:
    view = TableView(live=False)
    fault = {"state": "fallback", "reason": "streams[0].source: unknown key"}
    told(view, "health", {**NO_CAMERA, "streams": {}, "config": fault})
    assert view.shown() == [("s", "d", "")]
    assert "streams[0].source: unknown key" in table_of(view)


def test_plain_lines_say_first_what_is_wrong() -> None:
    message = DeviceMessage(
        topic="x", site="s", device="d", stream="", kind="health", fields=NO_CAMERA, size_bytes=1
    )
    assert summarise(message).startswith("gate: /dev/video0: the camera is gone; state=degraded")


@pytest.mark.parametrize(
    "health", [None, [], {"streams": [1]}, {"streams": {"a": 1}}, {"streams": {"a": {"state": []}}}]
)
def test_a_health_of_another_shape_says_nothing(health: Any) -> None:
    assert troubles_of(health) == {}


# Words of the configuration


@pytest.mark.parametrize("code", get_args(Code))
@pytest.mark.parametrize("number", [0x86, 0x85, 0x87])
def test_watch_names_its_own_options(number: int, code: Code) -> None:
    text = refused(number).text
    said = OptionsText(text).localized(Language(code))
    assert not re.search(r"broker\.(username|password_file|url|ca_file)", said)
    if number != 0x85:
        assert "--username" in said
        assert "--password-file" in said
