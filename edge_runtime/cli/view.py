"""What `watch` and `demo` put on the screen: JSON lines, plain lines, or a live table."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from typing import Any, Protocol

import msgspec

from edge_runtime.cli.heal import COMMAND, Healer
from edge_runtime.cli.holes import Holes
from edge_runtime.cli.printable import printable, printable_json, say
from edge_runtime.cli.strays import Strays
from edge_runtime.cli.summary import summarise
from edge_runtime.encode.reader import Decoded, PayloadError, Reader
from edge_runtime.publish.subscriber import Received, Subscriber
from edge_runtime.topics import parse_topic

SHOWN_EVENTS = 12
SHOWN_ROWS = 500  # no terminal is higher, and all are drawn five times a second
SHOWN_CHARACTERS = 300
MOST_STATES = 20_000
REFRESH_S = 0.2
GRACE_S = 30.0


class MessageView(Protocol):
    """Shows decoded messages."""

    def __enter__(self) -> MessageView: ...
    def __exit__(self, *_: object) -> None: ...

    def message(self, decoded: Decoded, received: Received) -> None:
        """Show a message."""
        ...

    def notice(self, text: str) -> None:
        """Tell something beside the messages: a hole, what was done about it."""
        ...

    def tick(self) -> None:
        """Nothing came for a while."""
        ...


class LinesView:
    """One JSON line a message, for programs."""

    def __enter__(self) -> LinesView:
        return self

    def __exit__(self, *_: object) -> None: ...

    def message(self, decoded: Decoded, received: Received) -> None:  # noqa: ARG002 - protocol
        sys.stdout.write(printable_json(msgspec.json.encode(decoded).decode()) + "\n")
        sys.stdout.flush()

    def notice(self, text: str) -> None:
        tell(text)

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

    def message(self, decoded: Decoded, received: Received) -> None:
        text = printable(summarise(decoded)[:SHOWN_CHARACTERS])
        if decoded.kind == "status" and not decoded.stream:
            self._note_state(decoded)
        if decoded.stream:
            self._count(decoded, received, text)
        if decoded.kind in ("event", "gap", "summary", "counts"):
            where = f"{decoded.site}/{decoded.device}/{decoded.stream}"
            self._events.append(f"{printable(where)}  {text}")
        if self._live is None:
            say(f"{decoded.topic}  {len(received.payload)} B  {text}")
        else:
            self.tick()

    def _note_state(self, decoded: Decoded) -> None:
        place = decoded.site, decoded.device
        self._states.pop(place, None)
        if isinstance(decoded.payload, dict):
            self._states[place] = decoded.payload["state"]
        if len(self._states) > MOST_STATES:
            del self._states[next(iter(self._states))]

    def _count(self, decoded: Decoded, received: Received, text: str) -> None:
        place = decoded.site, decoded.device, decoded.stream
        row = self._rows.pop(place, None) or StreamRow()
        row.messages += 1
        row.payload_bytes += len(received.payload)
        row.seen_s = time.monotonic()
        row.last = text
        self._rows[place] = row  # at the end: of too many the one that is silent longest goes
        if len(self._rows) > SHOWN_ROWS:
            del self._rows[next(iter(self._rows))]
            self._left_out = True

    def notice(self, text: str) -> None:
        if self._live is None:
            tell(text)
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
            table.caption = f"the last {SHOWN_ROWS} streams that were heard"
        lines = Text("\n".join(self._events) or "waiting for results …")
        return Group(table, lines)


class MessageListener:
    """Decodes what comes, leaves repetitions out, shows the rest, and minds the holes."""

    def __init__(
        self, view: MessageView, subscriber: Subscriber, *, heal: bool, grace_s: float
    ) -> None:
        self._view = view
        self._reader = Reader()
        self._strays = Strays()
        self._holes = Holes(grace_s)
        publish = subscriber.publish if heal else None
        self._healer = Healer(self._holes, grace_s, view.notice, publish)
        self._ticked_s = 0.0

    @property
    def repeated(self) -> int:
        """How many records came more than once."""
        return self._holes.repeated

    def take(self, received: Received, now_s: float) -> int:
        """Take one message; 1 where it was a result that did not come before."""
        address = parse_topic(received.topic)
        if address is not None and (address.stream, address.kind) == ("reply", COMMAND):
            self._healer.answer(address.site, address.device, received.payload, now_s)
            return 0
        try:
            decoded = self._reader.decode(received.topic, received.payload)
        except PayloadError as error:
            self._strays.add(str(error), now_s)
            return 0
        if decoded is None or not self._holes.note(decoded, now_s):
            return 0
        self._view.message(decoded, received)
        return 1 if decoded.stream else 0

    def tick(self, now_s: float) -> None:
        """Do what is due, some times a second: with each message it would cost too much."""
        if now_s - self._ticked_s >= REFRESH_S:
            self._ticked_s = now_s
            self._healer.tick(now_s)
            if strays := self._strays.due(now_s):
                self._view.notice(strays)
        self._view.tick()

    def untold(self) -> str:
        """Return what of the strays was not told yet, once."""
        return self._strays.rest()


def show(
    subscriber: Subscriber,
    view: MessageView,
    *,
    seconds: float | None,
    heal: bool = False,
    grace_s: float = GRACE_S,
    first_within_s: float = 0.0,
) -> int:
    """Show messages for a time, or for ever; return how many results there were.

    `first_within_s`: the time begins with the first result, which is waited for so long.
    """
    listener = MessageListener(view, subscriber, heal=heal, grace_s=grace_s)
    results = 0
    until_s = time.monotonic() + max(seconds, first_within_s) if seconds is not None else None
    try:
        with view:
            for received in subscriber.messages(REFRESH_S):
                now_s = time.monotonic()
                if received is not None:
                    fresh = listener.take(received, now_s)
                    if first_within_s and seconds is not None and fresh and not results:
                        until_s = now_s + seconds
                    results += fresh
                listener.tick(now_s)
                if until_s is not None and now_s >= until_s:
                    break
    except BrokenPipeError:
        # `watch --json | head`: the reader has left, which is no error. What is still in the
        # buffer must go somewhere when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        if untold := listener.untold():
            tell(untold)
        if listener.repeated:
            tell(f"{listener.repeated} records came more than once and were left out")
        if subscriber.overflowed:
            tell(f"{subscriber.overflowed} messages came faster than they could be shown")
    return results


def tell(text: str) -> None:
    """Say something on standard error: standard output is for what was received."""
    say(f"edge-runtime: {text}", err=True)
