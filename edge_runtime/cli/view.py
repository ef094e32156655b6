"""What `watch` and `demo` put on the screen: JSON lines, or a view; and what is said beside it."""

from __future__ import annotations

import os
import sys
import time
from typing import Protocol

import msgspec

from edge_runtime.cli.localized import spoken
from edge_runtime.cli.printable import printable_json, say
from edge_runtime.cli.repeated import RateLimitedNotice
from edge_runtime.consume.consumer import Consumer
from edge_runtime.consume.items import (
    ConsumerItem,
    DeviceMessage,
    DeviceRecord,
    TrackingReduced,
    Undecodable,
)
from edge_runtime.errors import Text
from edge_runtime.language import N_

REFRESH_S = 0.2


class MessageView(Protocol):
    """Shows messages of devices."""

    def __enter__(self) -> MessageView: ...
    def __exit__(self, *_: object) -> None: ...

    def message(self, message: DeviceMessage) -> None:
        """Show a message."""
        ...

    def notice(self, text: Text) -> None:
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

    def notice(self, text: Text) -> None:
        notify(text)

    def tick(self) -> None: ...


class ItemPresenter:
    """Shows what a consumer yields; what comes in any number is told together."""

    def __init__(self, view: MessageView) -> None:
        self._view = view
        self._undecodable = RateLimitedNotice(
            N_("1 message was no record"), N_("{count} messages were no records")
        )
        self._forgotten = RateLimitedNotice(
            N_("not all is tracked"), N_("not all is tracked, {count} times")
        )

    def show(self, item: ConsumerItem, now_s: float) -> int:
        """Show an item; 1 where it is a record."""
        match item:
            case DeviceMessage():
                self._view.message(item)
            case Undecodable():
                self._undecodable.add(item.text, now_s)
            case TrackingReduced():
                self._forgotten.add(item.text, now_s)
            case _:
                self._view.notice(item.text)
        return int(isinstance(item, DeviceRecord))

    def tick(self, now_s: float) -> None:
        """Say what is due."""
        for notice in (self._undecodable, self._forgotten):
            if text := notice.due(now_s):
                self._view.notice(text)
        self._view.tick()

    def rest(self) -> list[Text]:
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
            notify(
                Text(
                    "{count} records came more than once and were left out",
                    count=consumer.duplicates,
                )
            )
        if consumer.dropped:
            notify(
                Text(
                    "{count} messages came faster than they could be shown", count=consumer.dropped
                )
            )
    return records


def notify(text: Text) -> None:
    """Say something on standard error: standard output is for what was received."""
    say(f"edge-runtime: {text.localized(spoken())}", err=True)
