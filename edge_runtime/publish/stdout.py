"""The publisher of runs without a broker: one JSON line a message, on standard output."""

from __future__ import annotations

import logging
import threading
from typing import TextIO

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.errors import Text, because
from edge_runtime.publish.contract import LinkHealth, PublisherSettings
from edge_runtime.publish.outgoing import PublishStatistics
from edge_runtime.publish.packets import kind_of
from edge_runtime.records import Message, Stored

log = logging.getLogger("edge_runtime.publish")

BATCH = 20


class StdoutPublisher:
    """Prints rows and takes what was printed for delivered. See `Publisher`."""

    def __init__(self, settings: PublisherSettings, clock: Clock, out: TextIO) -> None:
        self._settings = settings
        self._announced = 0
        self._clock = clock
        self._out = out
        self._ledger = PublishStatistics()
        self._news = threading.Event()
        self._stopping = False
        self._lock = threading.RLock()
        self._reason = Text("printing to standard output")
        self._since_s = clock.monotonic()
        self._thread = self._new_thread()

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="stdout", daemon=True)

    def start(self) -> None:
        if self._stopping:
            self._stopping, self._thread = False, self._new_thread()
        self._thread.start()

    def wake(self) -> None:
        self._news.set()

    def publish_retained(self, topic: str, payload: bytes) -> None:
        try:
            self._print_status(Message(topic, payload, "application/json", retain=True))
        except OSError as error:
            self._give_up(error)

    def change(self, settings: PublisherSettings) -> None:
        with self._lock:
            self._settings = settings
            if self._thread.is_alive():
                try:
                    self._announce()
                except OSError as error:
                    self._give_up(error)

    def stop(self, timeout_s: float) -> None:
        self._stopping = True
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def health(self) -> LinkHealth:
        ledger = self._ledger
        return LinkHealth(
            state="connected" if self._thread.is_alive() else "stopped",
            reason=self._reason,
            since_s=self._since_s,
            sent=ledger.sent,
            acknowledged=ledger.acknowledged,
            rejected=ledger.rejected,
            bytes_out=ledger.bytes_out,
            last_ack_s=ledger.last_ack_s,
            announced=self._announced,
            by_kind=ledger.by_kind(),
        )

    def _run(self) -> None:
        try:
            self._settings.queue.connected(self._clock.monotonic())
            self._announce()
            self._print_rows()
            while not self._stopping:
                self._news.wait()
                self._news.clear()
                self._print_rows()
            self._print_status(self._settings.status.stopped())
        except OSError as error:
            self._give_up(error)
        finally:
            self._settings.queue.disconnected()

    def _give_up(self, error: OSError) -> None:
        """Say that whoever read us is gone (a closed pipe). The rows stay in the outbox."""
        reason = Text("standard output cannot be written: {why}", why=because(error))
        if reason != self._reason:
            log.warning("%s", reason)
        self._reason = reason

    def _print_rows(self) -> None:
        while not self._stopping and (rows := self._settings.queue.take(BATCH)):
            for stored in rows:
                self._print_row(stored)

    def _announce(self) -> None:
        with self._lock:
            self._print_status(self._settings.status.birth())
            self._announced = self._settings.revision

    def _print_row(self, stored: Stored) -> None:
        queue = self._settings.queue
        with self._lock:  # no other birth may come between
            try:
                message = self._settings.encode(stored)
            except Exception as error:  # one bad record must not stop those behind it
                self._ledger.rejected += 1
                queue.reject(stored.row, f"cannot be encoded: {error}")
                return
            self._print(message, stored.body.KIND)
        queue.acknowledge([stored.row])
        self._ledger.acknowledged += 1
        self._ledger.last_ack_s = self._clock.monotonic()

    def _print_status(self, message: Message) -> None:
        self._print(message, kind_of(message.topic))

    def _print(self, message: Message, kind: str) -> None:
        line = line_of(message)
        with self._lock:
            self._out.write(line)
            self._out.flush()
        self._ledger.count(kind, len(line))


def line_of(message: Message) -> str:
    """Return a message as a line: JSON payloads as they are, CBOR in base64."""
    payload: object = message.payload
    if message.content_type == "application/json":
        payload = msgspec.Raw(message.payload)
    body = {"topic": message.topic, "content_type": message.content_type, "payload": payload}
    return msgspec.json.encode(body).decode() + "\n"
