"""The live table of `watch` and `demo`: a row a stream, and each board that is not well."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any, TypeAlias

from edge_runtime.cli.localized import spoken
from edge_runtime.cli.printable import printable, say
from edge_runtime.cli.summary import is_in_history, summarise, troubles_of
from edge_runtime.cli.view import REFRESH_S, notify
from edge_runtime.consume.items import DeviceHealth, DeviceMessage, DeviceStatus
from edge_runtime.errors import Text
from edge_runtime.language import N_

SHOWN_EVENTS = 12
SHOWN_ROWS = 500  # no terminal is higher, and all are drawn five times a second
SHOWN_CHARACTERS = 300
MOST_STATES = 20_000
WELL = "online"
STATES = (N_("online"), N_("offline"), N_("stopped"), N_("degraded"))
COLUMNS = (N_("site"), N_("device"), N_("state"), N_("stream"))
FIGURES = (N_("messages"), N_("bytes each"), N_("age"))

Place: TypeAlias = tuple[str, str]
"""A board: its site and its name."""


class StreamRow:
    """One stream of one board in the table."""

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
        self._language = spoken()
        self._rows: dict[tuple[str, str, str], StreamRow] = {}
        self._states: dict[Place, str] = {}
        self._troubles: dict[Place, dict[str, str]] = {}  # by stream; "": of the board itself
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
        self._note_board(message)
        if message.stream:
            self._count(message, text)
        if is_in_history(message):
            where = f"{message.site}/{message.device}/{message.stream}"
            self._events.append(f"{printable(where)}  {text}")
        if self._live is None:
            say(f"{message.topic}  {message.size_bytes} B  {text}")
        else:
            self.tick()

    def _note_board(self, message: DeviceMessage) -> None:
        """Keep how a board is: what it says of itself, or the broker where it was lost."""
        place = message.site, message.device
        if message.kind == "status" and not message.stream:
            self._states.pop(place, None)
            if isinstance(message, DeviceStatus):
                put(self._states, place, message.state)
        if isinstance(message, DeviceHealth):
            self._troubles.pop(place, None)
            if found := troubles_of(message.fields):
                put(self._troubles, place, found)

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

    def notice(self, text: Text) -> None:
        if self._live is None:
            notify(text)
        else:
            self._events.append(printable(text.localized(self._language)))

    def tick(self) -> None:
        now_s = time.monotonic()
        if self._live is not None and now_s - self._drawn_s >= REFRESH_S:
            self._drawn_s = now_s
            self._live.update(self._render(), refresh=True)

    def shown(self) -> list[tuple[str, str, str]]:
        """Return the rows: boards in trouble first, then each stream, and boards without one."""
        in_trouble = {(*place, name) for place, found in self._troubles.items() for name in found}
        gone = {place for place, state in self._states.items() if state != WELL}
        streams = {*self._rows, *in_trouble}
        heard = {(site, device) for site, device, _ in streams}
        every = streams | {(*place, "") for place in self._states if place not in heard}
        order = sorted(every, key=lambda one: (not (one in in_trouble or one[:2] in gone), one))
        self._left_out = self._left_out or len(order) > SHOWN_ROWS
        return order[:SHOWN_ROWS]

    def _cells(self, site: str, device: str, stream: str) -> Iterator[Any]:
        from rich.text import Text as Cell

        # As Cell: in plain strings rich would take "[red]" for its own.
        row = self._rows.get((site, device, stream))
        trouble = self._troubles.get((site, device), {}).get(stream)
        state = self._states.get((site, device), "?")
        is_well = state in (WELL, "?") and trouble is None
        if trouble is not None and state == WELL:
            state = "degraded"
        yield Cell(printable(site))
        yield Cell(printable(device))
        known = self._language.text(state) if state in STATES else state
        yield Cell(printable(known), style="" if is_well else "red")
        yield Cell(printable(stream))
        yield str(row.messages) if row else ""
        yield f"{row.payload_bytes / row.messages:.0f}" if row else ""
        yield f"{time.monotonic() - row.seen_s:.0f} s" if row else ""
        latest = printable(trouble) if trouble is not None else row.last if row else ""
        yield Cell(latest[:SHOWN_CHARACTERS], overflow="ellipsis", no_wrap=True)

    def _render(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text as Cell

        language = self._language
        table = Table(title=language.text("edge-runtime: what a subscriber receives"))
        for column in COLUMNS:
            table.add_column(language.text(column))
        for column in FIGURES:
            table.add_column(language.text(column), justify="right")
        table.add_column(language.text("latest"), ratio=1)
        for place in self.shown():
            table.add_row(*self._cells(*place))
        if self._left_out:
            table.caption = language.text(
                "the last {count} streams that published", count=SHOWN_ROWS
            )
        lines = Cell("\n".join(self._events) or language.text("waiting for results …"))
        return Group(table, lines)


def put(table: dict[Place, Any], place: Place, value: object) -> None:
    """Set a board's entry; of too many the oldest goes."""
    table[place] = value
    if len(table) > MOST_STATES:
        del table[next(iter(table))]
