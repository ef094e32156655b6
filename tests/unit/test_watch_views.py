"""Whatever lies on a broker, the views go on: no exception, nothing that a terminal obeys."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.cli.printable import UNPRINTABLE
from edge_runtime.cli.repeated import FIRST_AFTER_S, RateLimitedNotice
from edge_runtime.cli.view import SHOWN_ROWS, ItemPresenter, LinesView, MessageView, TableView
from edge_runtime.consume import DeviceMessage, MessageProcessor, ReceivedMessage
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
            notice.add(f"edge/v1/s/d/x/{number}: no record", float(second))
        if text := notice.due(float(second)):
            told.append(text)
    assert told[0].startswith("10 messages were no records: edge/v1/s/d/x/0: no record; ")
    assert told[0].endswith("; …")
    assert len(told) < 25
    assert "messages were no records" in notice.rest()
    assert notice.rest() == notice.due(1e9) == ""
    notice.add("one", 1e9)
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
