"""What `watch` and `demo` put on the screen: JSON lines, plain lines, or a live table."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from typing import Any, Protocol

import msgspec

from edge_runtime.cli.printable import printable, printable_json, say
from edge_runtime.cli.repeated import RateLimitedNotice
from edge_runtime.cli.summary import is_in_history, summarise
from edge_runtime.consume.consumer import Consumer
from edge_runtime.consume.items import (
    ConsumerItem,
    DeviceMessage,
    DeviceRecord,
    DeviceStatus,
    TrackingReduced,
    Undecodable,
)

SHOWN_EVENTS = 12
SHOWN_ROWS = 500  # no terminal is higher, and all are drawn five times a second
SHOWN_CHARACTERS = 300
MOST_STATES = 20_000
REFRESH_S = 0.2


class MessageView(Protocol):
    """Shows messages of devices."""

    def __enter__(self) -> MessageView: ...
    def __exit__(self, *_: object) -> None: ...

    def message(self, message: DeviceMessage) -> None:
        """Show a message."""
        ...

    def notice(self, text: str) -> None:
        """Say something beside the messages: a hole, what was done about it."""
        ...

    def tick(self) -> None:
        """Nothing came for a while."""
        ...


class LinesView:
    """One JSON line a message, for programs."""

    def __enter__(self) -> LinesView:
        return self

    def __exit__(self, *_: object) -> None: ...

    def message(self, message: DeviceMessage) -> None:
        line = {
            "topic": message.topic,
            "site": message.site,
            "device": message.device,
            "stream": message.stream,
            "kind": message.kind,
            "payload": message.fields,
        }
        sys.stdout.write(printable_json(msgspec.json.encode(line).decode()) + "\n")
        sys.stdout.flush()

    def notice(self, text: str) -> None:
        notify(text)

    def tick(self) -> None: ...


class StreamRow:
    """One stream of one device in the table."""

    def __init__(self) -> None:
        self.messages = 0
        self.payload_bytes = 0
        self.last = ""
        self.seen_s = 0.0


class TableView:
    """A live table and the last events; plain lines where the output is no terminal."""

    def __init__(self, live: bool) -> None:
        self._live: Any = None
        self._wanted = live
        self._rows: dict[tuple[str, str, str], StreamRow] = {}
        self._states: dict[tuple[str, str], str] = {}
        self._events: deque[str] = deque(maxlen=SHOWN_EVENTS)
        self._drawn_s = 0.0
        self._left_out = False

    def __enter__(self) -> TableView:
        if self._wanted:
            from rich.live import Live

            self._live = Live(self._render(), auto_refresh=False)
            self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.update(self._render(), refresh=True)
            self._live.__exit__(None, None, None)

    def message(self, message: DeviceMessage) -> None:
        text = printable(summarise(message)[:SHOWN_CHARACTERS])
        if message.kind == "status" and not message.stream:
            self._note_state(message)
        if message.stream:
            self._count(message, text)
        if is_in_history(message):
            where = f"{message.site}/{message.device}/{message.stream}"
            self._events.append(f"{printable(where)}  {text}")
        if self._live is None:
            say(f"{message.topic}  {message.size_bytes} B  {text}")
        else:
            self.tick()

    def _note_state(self, message: DeviceMessage) -> None:
        place = message.site, message.device
        self._states.pop(place, None)
        if isinstance(message, DeviceStatus):
            self._states[place] = message.state
        if len(self._states) > MOST_STATES:
            del self._states[next(iter(self._states))]

    def _count(self, message: DeviceMessage, text: str) -> None:
        place = message.site, message.device, message.stream
        row = self._rows.pop(place, None) or StreamRow()
        row.messages += 1
        row.payload_bytes += message.size_bytes
        row.seen_s = time.monotonic()
        row.last = text
        self._rows[place] = row  # at the end: of too many the one that is silent longest goes
        if len(self._rows) > SHOWN_ROWS:
            del self._rows[next(iter(self._rows))]
            self._left_out = True

    def notice(self, text: str) -> None:
        if self._live is None:
            notify(text)
        else:
            self._events.append(printable(text))

    def tick(self) -> None:
        now_s = time.monotonic()
        if self._live is not None and now_s - self._drawn_s >= REFRESH_S:
            self._drawn_s = now_s
            self._live.update(self._render(), refresh=True)

    def _render(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(title="edge-runtime: what a subscriber receives")
        for column in ("site", "device", "state", "stream"):
            table.add_column(column)
        for column in ("messages", "bytes each", "age"):
            table.add_column(column, justify="right")
        table.add_column("latest", ratio=1)
        for (site, device, stream), row in sorted(self._rows.items()):
            age_s = time.monotonic() - row.seen_s
            # As Text: in plain strings rich would take "[red]" for its own.
            table.add_row(
                Text(printable(site)),
                Text(printable(device)),
                Text(printable(self._states.get((site, device), "?"))),
                Text(printable(stream)),
                str(row.messages),
                f"{row.payload_bytes / row.messages:.0f}",
                f"{age_s:.0f} s",
                Text(row.last, overflow="ellipsis", no_wrap=True),
            )
        if self._left_out:
            table.caption = f"the last {SHOWN_ROWS} streams that published"
        lines = Text("\n".join(self._events) or "waiting for results …")
        return Group(table, lines)


class ItemPresenter:
    """Shows what a consumer yields; what comes in any number is told together."""

    def __init__(self, view: MessageView) -> None:
        self._view = view
        self._undecodable = RateLimitedNotice(
            "1 message was no record", "{count} messages were no records"
        )
        self._forgotten = RateLimitedNotice(
            "not all is tracked", "not all is tracked, {count} times"
        )

    def show(self, item: ConsumerItem, now_s: float) -> int:
        """Show an item; 1 where it is a record."""
        match item:
            case DeviceMessage():
                self._view.message(item)
            case Undecodable():
                self._undecodable.add(str(item), now_s)
            case TrackingReduced():
                self._forgotten.add(str(item), now_s)
            case _:
                self._view.notice(str(item))
        return int(isinstance(item, DeviceRecord))

    def tick(self, now_s: float) -> None:
        """Say what is due."""
        for notice in (self._undecodable, self._forgotten):
            if text := notice.due(now_s):
                self._view.notice(text)
        self._view.tick()

    def rest(self) -> list[str]:
        """Return what was not said yet."""
        return [text for one in (self._undecodable, self._forgotten) if (text := one.rest())]


def show(
    consumer: Consumer,
    view: MessageView,
    *,
    seconds: float | None,
    first_within_s: float = 0.0,
) -> int:
    """Show messages for a time, or until it is interrupted; return how many records there were.

    `first_within_s`: the time begins with the first record, which is waited for so long.
    """
    presenter = ItemPresenter(view)
    records = 0
    until_s = time.monotonic() + max(seconds, first_within_s) if seconds is not None else None
    try:
        with view:
            while until_s is None or time.monotonic() < until_s:
                for item in consumer.poll(REFRESH_S):
                    now_s = time.monotonic()
                    is_record = presenter.show(item, now_s)
                    if first_within_s and seconds is not None and is_record and not records:
                        until_s = now_s + seconds
                    records += is_record
                presenter.tick(time.monotonic())
    except BrokenPipeError:
        # `watch --json | head`: the reader has left, which is no error. What is still in the
        # buffer must go somewhere when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        for text in presenter.rest():
            notify(text)
        if consumer.duplicates:
            notify(f"{consumer.duplicates} records came more than once and were left out")
        if consumer.dropped:
            notify(f"{consumer.dropped} messages came faster than they could be shown")
    return records


def notify(text: str) -> None:
    """Say something on standard error: standard output is for what was received."""
    say(f"edge-runtime: {text}", err=True)
