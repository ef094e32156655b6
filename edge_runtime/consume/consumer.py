"""A consumer of what devices publish: connects, decodes, tracks, heals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from edge_runtime.consume.arrivals import (
    Arrival,
    ConnectionClosed,
    PublishRefused,
    ReceivedMessage,
)
from edge_runtime.consume.connection import SubscribedConnection
from edge_runtime.consume.healing import ReplayRequest
from edge_runtime.consume.items import ConsumerItem, MessagesDropped
from edge_runtime.consume.processor import MessageProcessor
from edge_runtime.errors import UsageError, located
from edge_runtime.options import BrokerOptions
from edge_runtime.options.broker import faults, has_scheme, no_broker
from edge_runtime.topics import ROOT

TICK_S = 0.2
LONGEST_POLL_S = 1.0
MOST_AT_ONCE = 500
ANY = "+"


class Consumer:
    """Yields what devices publish, decoded, each record once. A context manager and an iterator.

    ```python
    with Consumer("mqtts://broker.example", ca_file=Path("ca.pem"), heal=True) as consumer:
        for item in consumer:
            ...
    ```

    `site`, `device`: of one alone. `client_id`: names this consumer at the broker; two of one name
    throw each other out; empty: a random one. `heal`: ask devices for records that are missing.
    `grace_s`: how long late records have to fill a hole before it counts as one. `server_name`:
    what the broker's certificate must bear where it is not the host of the URL.

    It connects again by itself, and says so by `ConnectionLost` and `ConnectionRestored`. One
    thread iterates or polls; any thread may `close`.
    """

    def __init__(
        self,
        url: str,
        *,
        site: str | None = None,
        device: str | None = None,
        client_id: str = "",
        ca_file: Path | None = None,
        cert_file: Path | None = None,
        key_file: Path | None = None,
        username: str | None = None,
        password_file: Path | None = None,
        server_name: str | None = None,
        heal: bool = False,
        grace_s: float = 30.0,
        keepalive_s: int = 60,
        connect_timeout_s: float = 10.0,
        retry_max_s: float = 60.0,
    ) -> None:
        """Raises UsageError where an option is wrong."""
        broker = BrokerOptions(
            url,
            ca_file,
            cert_file,
            key_file,
            username,
            password_file,
            keepalive_s=keepalive_s,
            connect_timeout_s=connect_timeout_s,
            retry_max_s=retry_max_s,
            server_name=server_name,
        )
        check_options(broker, site=site, device=device)
        self._connection = SubscribedConnection(
            broker, f"{ROOT}/{site or ANY}/{device or ANY}/#", client_id
        )
        self._processor = MessageProcessor(grace_s, self._request if heal else None)
        self._ticked_s = 0.0
        self._dropped = 0
        self._closed = False

    @property
    def duplicates(self) -> int:
        """How many records came more than once, and were left out."""
        return self._processor.duplicates

    @property
    def undecodable(self) -> int:
        """How many messages were no records."""
        return self._processor.undecodable

    @property
    def dropped(self) -> int:
        """How many messages came faster than they were taken."""
        return self._connection.dropped

    def open(self) -> None:
        """Connect and subscribe. Raises LinkError that says why it cannot."""
        self._connection.open()

    def close(self) -> None:
        """Disconnect; an iteration ends."""
        self._connection.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[ConsumerItem]:
        while not self._closed:
            yield from self.poll(LONGEST_POLL_S)

    def poll(self, timeout_s: float) -> list[ConsumerItem]:
        """Return what has come, as soon as anything has; after `timeout_s` what there is."""
        items: list[ConsumerItem] = []
        for count in range(MOST_AT_ONCE + 1):
            arrival = self._connection.take(0.0 if count else timeout_s)
            if arrival is None:
                break
            items.extend(self._items_of(arrival))
        items.extend(self._tick())
        return items

    def _items_of(self, arrival: Arrival) -> Iterator[ConsumerItem]:
        match arrival:
            case ReceivedMessage():
                yield from self._processor.take(arrival, time.monotonic())
            case PublishRefused(publish_id=publish_id, reason=reason):
                yield from self._processor.request_refused(publish_id, reason)
            case ConnectionClosed():
                self._closed = True
            case _:
                yield arrival

    def _tick(self) -> Iterator[ConsumerItem]:
        now_s = time.monotonic()
        if now_s - self._ticked_s < TICK_S:  # with each message it would cost too much
            return
        self._ticked_s = now_s
        yield from self._processor.tick(now_s)
        if (dropped := self._connection.dropped) > self._dropped:
            self._dropped = dropped
            yield MessagesDropped(dropped)

    def _request(self, request: ReplayRequest) -> int:
        return self._connection.publish(
            request.topic,
            request.payload,
            reply_to=request.reply_to,
            correlation=request.correlation,
        )


def check_options(broker: BrokerOptions, **levels: str | None) -> None:
    """Raise UsageError where an option is wrong: the address, a file, a topic level."""
    if not has_scheme(broker.url):  # "discover" is for devices alone
        raise UsageError(located("url", no_broker(broker.url)))
    for key, wrong in faults(broker):
        raise UsageError(located(key, wrong))
    for key, level in levels.items():
        if level is not None and (not level or set(level) & set("/+#\0")):
            raise UsageError(
                "{key}: '{level}' is not one level of a topic; give a name without '/', '+', '#'",
                key=key,
                level=level,
            )
