"""One connection's life: birth, then records and extras within the window, commands, farewell."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

import msgspec

from edge_runtime.backoff import Backoff
from edge_runtime.broker.reasons import LinkError, says
from edge_runtime.clock import Clock
from edge_runtime.errors import Text, one_line
from edge_runtime.publish.contract import (
    Identity,
    OnCommand,
    PublisherSettings,
    Queue,
    StatusMessages,
)
from edge_runtime.publish.extras import Extra, Extras
from edge_runtime.publish.ledger import PublishCounters
from edge_runtime.publish.link import Ack, BrokerLink, Command, Granted
from edge_runtime.publish.record_refusal import HUNG_UP, RecordRefusal, refusal_of
from edge_runtime.publish.refusals import Refusals
from edge_runtime.publish.window import SendWindow, Sent
from edge_runtime.publish.wire import Alias, AliasTable, kind_of, wire_bytes
from edge_runtime.records import Gap, Message, Stored

log = logging.getLogger("edge_runtime.publish")

LONGEST_WAIT_S = 15.0
# A broker may learn of a new device's rights only after it has let the device in.
FIRST_RESUBSCRIBE_S = 1.0
LONGEST_RESUBSCRIBE_S = 300.0
FAILURE = 0x80


class Desk(msgspec.Struct):
    """What every session of a publisher works with; the publisher's thread exchanges settings.

    `announced`: the revision of the birth that the broker acknowledged last.
    """

    settings: PublisherSettings
    on_command: OnCommand | None
    clock: Clock
    jitter: random.Random
    extras: Extras
    ledger: PublishCounters
    refusals: Refusals
    note: Callable[[Text], None]
    cleared: Callable[[], None]
    wake: Callable[[], None]
    announced: int = 0

    @property
    def identity(self) -> Identity:
        """Who the device is to the broker."""
        return self.settings.identity

    @property
    def queue(self) -> Queue:
        """Where the rows come from."""
        return self.settings.queue

    @property
    def status(self) -> StatusMessages:
        """The device's retained messages."""
        return self.settings.status


class SessionLimits(msgspec.Struct, frozen=True):
    """Bounds of one session. The broker's own bounds come on top."""

    max_inflight: int
    ack_timeout_s: float
    keepalive_s: float
    aliases: bool


class LinkSession:
    """Between a link that is open and the queue; all in the publisher's thread.

    `proved`: the broker acknowledged something, or answered a ping where nothing waited for that.
    """

    def __init__(
        self, desk: Desk, link: BrokerLink, granted: Granted, limits: SessionLimits
    ) -> None:
        self._desk = desk
        self._link = link
        self._max_packet_bytes = granted.max_packet_bytes
        self._longest_wait_s = min(limits.keepalive_s / 4.0, LONGEST_WAIT_S)
        self._aliases = AliasTable(granted.alias_maximum if limits.aliases else 0)
        self._draining = False
        self.proved = False
        self.window = SendWindow(
            min(limits.max_inflight, granted.receive_maximum), limits.ack_timeout_s
        )
        self._resubscribe = Backoff(FIRST_RESUBSCRIBE_S, LONGEST_RESUBSCRIBE_S, desk.jitter)
        self._subscribe_at_s: float | None = None  # again, where the broker refused
        self._refusals = desk.refusals
        self._refusals.connected(granted.max_packet_bytes, desk.clock.monotonic())

    def greet(self) -> None:
        """Subscribe to the device's commands, and say that it is there and how it is."""
        self._subscribe()
        self.announce()

    def announce(self) -> None:
        """Say what runs here, before any further row, and how it is."""
        birth, health = self._desk.status.birth(), self._desk.status.health()
        revision = self._desk.settings.revision
        self._desk.extras.put(Extra(birth, kind_of(birth.topic), revision=revision))
        self._desk.extras.put(Extra(health, kind_of(health.topic)))

    def _subscribe(self) -> None:
        self._subscribe_at_s = None
        if self._desk.on_command is not None:
            self._link.subscribe(f"{self._desk.identity.command_root}/#")

    def turn(self, longest_s: float | None = None) -> None:
        """Send what may go, wait for traffic, and deal with it. Raises LinkError."""
        again_at_s = self._subscribe_at_s
        if again_at_s is not None and self._desk.clock.monotonic() >= again_at_s:
            self._subscribe()
        self._send()
        self._link.turn(self._wait_s() if longest_s is None else longest_s)
        self._settle()
        self._obey()
        self.proved = self.proved or (self._link.pongs > 0 and not self.window)
        if self._link.lost is not None:
            raise self._link.lost
        now_s, overdue_at_s = self._desk.clock.monotonic(), self.window.overdue_at_s()
        if overdue_at_s is not None and now_s >= overdue_at_s:
            raise LinkError("the broker does not acknowledge what it is sent")
        if not (self.window or self._draining) and self._refusals.asks_again(now_s):
            raise LinkError("connecting anew: does the broker take larger packets now?")

    def farewell(self, deadline_s: float) -> None:
        """Publish the clean stop, let the window drain, take leave. Raises LinkError."""
        self._draining = True
        self._turn_until(lambda: self.window.room > 0, deadline_s)
        if self.window.room <= 0:
            # One more would break the broker's limit. Without leave-taking it publishes the will.
            raise LinkError("stopped without the broker's acknowledgement")
        stopped = self._desk.status.stopped()
        self._transmit(Sent(extra=Extra(stopped, kind_of(stopped.topic))), stopped)
        self._turn_until(lambda: len(self.window) == 0, deadline_s)
        self._link.disconnect(deadline_s)

    def close(self) -> None:
        """End the session, however it ended: what was in flight goes back."""
        self._link.close()
        unanswered = self.window.drain()
        if not self._draining:
            code = self._link.lost.code if self._link.lost is not None else 0
            now_s = self._desk.clock.monotonic()
            for sent in self._refusals.broke(unanswered, code, now_s):
                self._give_up(sent, refusal_of(code, HUNG_UP))
        for sent in unanswered:
            if sent.extra is not None:
                self._desk.extras.put_back(sent.extra)
        self._desk.queue.disconnected()

    def _turn_until(self, done: Callable[[], bool], deadline_s: float) -> None:
        while not done() and (left_s := deadline_s - self._desk.clock.monotonic()) > 0:
            self.turn(left_s)

    def _wait_s(self) -> float:
        now_s = self._desk.clock.monotonic()
        waits_s = [self._longest_wait_s]
        overdue_at_s = self.window.overdue_at_s()
        if overdue_at_s is not None:
            waits_s.append(overdue_at_s - now_s)
        if self._subscribe_at_s is not None:
            waits_s.append(self._subscribe_at_s - now_s)
        next_at_s = self._refusals.next_at_s()
        if next_at_s is not None and self.window.room > 0:
            waits_s.append(next_at_s - now_s)
        return max(0.0, min(waits_s))

    def _send(self) -> None:
        while self.window.room > 0 and (extra := self._desk.extras.take()) is not None:
            self._send_extra(extra)
        if self._draining or self.window.room <= 0:
            return
        for stored in self._refusals.due(self._desk.clock.monotonic(), self.window.room):
            self._send_row(stored)
        if self.window.room > 0:
            for stored in self._desk.queue.take(self.window.room):
                self._send_row(stored)

    def _send_row(self, stored: Stored) -> None:
        try:
            message = self._desk.settings.encode(stored)
        except Exception as error:  # one bad record must not stop those behind it
            self._unfit(stored, error)
            return
        alias = self._alias_of(message)
        size = wire_bytes(message, alias, mqtt5=self._link.mqtt5)
        refusal = self._refusals.is_too_large(stored, size)
        if refusal is None:
            self._transmit(Sent(stored=stored, order=self._refusals.next_order()), message, alias)
        else:
            self._refusals.set_aside(stored, size, refusal, self._desk.clock.monotonic())

    def _unfit(self, stored: Stored, error: Exception) -> None:
        """Give up a record that cannot be encoded; what a gap tells must not be lost."""
        why = Text("cannot be encoded: {why}", why=error)
        refusal = RecordRefusal(why)
        if isinstance(stored.body, Gap):
            self._refusals.set_aside(stored, 0, refusal, self._desk.clock.monotonic())
        else:
            self._give_up(Sent(stored=stored), refusal)

    def _send_extra(self, extra: Extra) -> None:
        if not self._refusals.may_go(extra.kind, self._desk.clock.monotonic()):
            return
        size = wire_bytes(extra.message, mqtt5=self._link.mqtt5, correlation=extra.correlation)
        if 0 < self._max_packet_bytes < size:
            self._desk.note(
                Text("{kind} message is larger than the broker takes: not sent", kind=extra.kind)
            )
            return
        try:
            self._transmit(Sent(extra=extra), extra.message)
        except ValueError as error:  # paho's word for a topic with wildcards
            self._desk.note(
                Text("{kind} message not sent: {reason}", kind=extra.kind, reason=error)
            )

    def _alias_of(self, message: Message) -> Alias | None:
        return self._aliases.of(message.topic) if self._link.mqtt5 else None

    def _transmit(self, sent: Sent, message: Message, alias: Alias | None = None) -> None:
        correlation = sent.extra.correlation if sent.extra is not None else None
        size = wire_bytes(message, alias, mqtt5=self._link.mqtt5, correlation=correlation)
        try:
            packet_id = self._link.publish(message, alias, correlation)
        except LinkError:
            if sent.extra is not None:
                self._desk.extras.put_back(sent.extra)
            raise
        sent = msgspec.structs.replace(sent, packet_bytes=size)
        self.window.add(packet_id, sent, self._desk.clock.monotonic())
        self._desk.ledger.count(kind_of_sent(sent), size)

    def _settle(self) -> None:
        now_s = self._desk.clock.monotonic()
        acks, self._link.acks = self._link.acks, []
        accepted: list[int] = []
        for ack in acks:
            sent = self.window.remove(ack.packet_id, now_s)
            if sent is None:
                continue
            self._desk.ledger.last_ack_s = now_s
            self.proved = self.proved or ack.code < FAILURE
            if sent.extra is not None:
                self._settle_extra(sent.extra, ack)
            elif sent.stored is not None and ack.code < FAILURE:
                accepted.append(sent.stored.row)
                self._refusals.accepted(sent)
            elif sent.stored is not None:
                self._settle_refusal(sent, ack.code, now_s)
        if accepted:
            self._desk.queue.acknowledge(accepted)
            self._desk.ledger.acknowledged += len(accepted)

    def _settle_extra(self, extra: Extra, ack: Ack) -> None:
        now_s = self._desk.clock.monotonic()
        self._refusals.settled(extra.kind, taken=ack.code < FAILURE, now_s=now_s)
        if ack.code >= FAILURE:
            self._desk.note(
                Text(
                    "the broker refuses {kind} messages: {why}", kind=extra.kind, why=says(ack.code)
                )
            )
        elif extra.revision:
            self._desk.announced = extra.revision

    def _settle_refusal(self, sent: Sent, code: int, now_s: float) -> None:
        self._desk.ledger.refused += 1
        refusal = refusal_of(code)
        if self._refusals.refused(sent, refusal, now_s):
            self._give_up(sent, refusal)

    def _give_up(self, sent: Sent, refusal: RecordRefusal) -> None:
        stored = sent.stored
        assert stored is not None
        self._desk.queue.reject(stored.row, str(refusal.why))
        self._refusals.forget(stored)
        self._desk.ledger.rejected += 1
        self._desk.note(
            Text("{kind} record given up: {why}", kind=stored.body.KIND, why=refusal.why)
        )

    def _obey(self) -> None:
        answers, self._link.subscribed = self._link.subscribed, []
        if any(code >= FAILURE for code in answers):
            self._desk.note(Text("the broker does not let this device receive commands"))
            self._subscribe_at_s = self._desk.clock.monotonic() + self._resubscribe.next_s()
        elif answers and self._resubscribe.tries:
            self._resubscribe.reset()
            self._desk.cleared()
        commands, self._link.commands = self._link.commands, []
        for command in commands:
            self._obey_one(command)

    def _obey_one(self, command: Command) -> None:
        # What a broker sends may hold anything: it goes into the log and the status.
        name = one_line(command.topic.removeprefix(f"{self._desk.identity.command_root}/"))
        if command.retained:
            # It would come again with every connect: a retained "restart" restarts for ever.
            self._desk.note(
                Text("retained command '{name}' ignored; publish commands not retained", name=name)
            )
            return
        try:
            if self._desk.on_command is not None:
                self._desk.on_command(name, command.payload, self._reply_to(name, command))
        except Exception:
            log.exception("command '%s' failed", name)

    def _reply_to(self, name: str, command: Command) -> Callable[[bytes], None]:
        topic = command.reply_to or f"{self._desk.identity.root}/reply/{name}"

        def reply(payload: bytes) -> None:
            message = Message(topic, payload, "application/json")
            self._desk.extras.put(Extra(message, "reply", command.correlation))
            self._desk.wake()

        return reply


def kind_of_sent(sent: Sent) -> str:
    """Return what a message is counted as."""
    if sent.stored is not None:
        return sent.stored.body.KIND
    assert sent.extra is not None
    return sent.extra.kind
