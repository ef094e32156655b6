"""One connection: birth, then records and control messages within the window, commands, the end."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import msgspec

from edge_runtime.broker.granted import Granted
from edge_runtime.broker.reasons import FAILURE, LinkError, says
from edge_runtime.errors import Text
from edge_runtime.publish.command_subscription import CommandSubscription
from edge_runtime.publish.link import Ack, BrokerLink
from edge_runtime.publish.outgoing import (
    ControlMessage,
    SendWindow,
    Sent,
)
from edge_runtime.publish.packets import Alias, AliasTable, kind_of, wire_bytes
from edge_runtime.publish.record_refusal import HUNG_UP, RecordRefusal, refusal_of
from edge_runtime.publish.session_context import SessionContext
from edge_runtime.records import Gap, Message, Stored

log = logging.getLogger("edge_runtime.publish")

LONGEST_WAIT_S = 15.0
# What a broker that retains nothing would have kept: a few kilobytes each time.
TELL_AGAIN_S = 900.0


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
        self, context: SessionContext, link: BrokerLink, granted: Granted, limits: SessionLimits
    ) -> None:
        self._context = context
        self._link = link
        self._max_packet_bytes = granted.max_packet_bytes
        self._longest_wait_s = min(limits.keepalive_s / 4.0, LONGEST_WAIT_S)
        self._aliases = AliasTable(granted.alias_maximum if limits.aliases else 0)
        self._draining = False
        self.proved = False
        self.window = SendWindow(
            min(limits.max_inflight, granted.receive_maximum), limits.ack_timeout_s
        )
        self._commands = CommandSubscription(context, link, wildcards=granted.wildcards)
        self._tell_again_at_s = math.inf if granted.retains else -math.inf
        self._refusals = context.refusals
        self._refusals.connected(granted.max_packet_bytes, context.clock.monotonic())

    def on_connected(self) -> None:
        """Subscribe to the device's commands, and say that it is there and how it is."""
        self._commands.subscribe()
        self.announce()

    def announce(self) -> None:
        """Say what runs here, before any further row, and how it is."""
        birth, health = self._context.status.birth(), self._context.status.health()
        revision = self._context.settings.revision
        self._context.control_messages.put(
            ControlMessage(birth, kind_of(birth.topic), revision=revision)
        )
        self._context.control_messages.put(ControlMessage(health, kind_of(health.topic)))

    def poll(self, longest_s: float | None = None) -> None:
        """Send what may go, wait for traffic, and deal with it. Raises LinkError."""
        self._commands.subscribe_again_when_due()
        self._tell_again_when_due()
        self._send()
        self._link.poll(self._wait_s() if longest_s is None else longest_s)
        self._handle_acks()
        self._commands.handle()
        self.proved = self.proved or (self._link.pongs > 0 and not self.window)
        if self._link.lost is not None:
            raise self._link.lost
        now_s, overdue_at_s = self._context.clock.monotonic(), self.window.overdue_at_s()
        if overdue_at_s is not None and now_s >= overdue_at_s:
            raise LinkError("the broker does not acknowledge what it is sent")
        if not (self.window or self._draining) and self._refusals.asks_again(now_s):
            raise LinkError("connecting anew: does the broker take larger packets now?")

    def shut_down(self, deadline_s: float) -> None:
        """Publish the clean stop, let the window drain, send DISCONNECT. Raises LinkError."""
        self._draining = True
        self._poll_until(lambda: self.window.room > 0, deadline_s)
        if self.window.room <= 0:
            # One more would break the broker's limit. Without DISCONNECT it publishes the will.
            raise LinkError("stopped without the broker's acknowledgement")
        stopped = self._context.status.stopped()
        control = ControlMessage(stopped, kind_of(stopped.topic))
        size = wire_bytes(stopped, mqtt5=self._link.mqtt5)
        if not 0 < self._max_packet_bytes < size:
            self._transmit(Sent(control=control, packet_bytes=size), stopped)
        self._poll_until(lambda: len(self.window) == 0, deadline_s)
        self._link.disconnect(deadline_s)

    def close(self) -> None:
        """End the session, however it ended: what was in flight goes back."""
        self._link.close()
        unanswered = self.window.drain()
        if not self._draining:
            code = self._link.lost.code if self._link.lost is not None else 0
            now_s = self._context.clock.monotonic()
            for sent in self._refusals.broke(unanswered, code, now_s):
                self._give_up(sent, refusal_of(code, HUNG_UP))
        for sent in unanswered:
            if sent.control is not None:
                self._context.control_messages.put_back(sent.control)
        self._context.queue.disconnected()

    def _tell_again_when_due(self) -> None:
        now_s = self._context.clock.monotonic()
        if now_s >= self._tell_again_at_s:
            self._context.control_messages.put_all_again()
            self.announce()
            self._tell_again_at_s = now_s + TELL_AGAIN_S

    def _poll_until(self, done: Callable[[], bool], deadline_s: float) -> None:
        while not done() and (left_s := deadline_s - self._context.clock.monotonic()) > 0:
            self.poll(left_s)

    def _wait_s(self) -> float:
        now_s = self._context.clock.monotonic()
        waits_s = [self._longest_wait_s]
        overdue_at_s = self.window.overdue_at_s()
        if overdue_at_s is not None:
            waits_s.append(overdue_at_s - now_s)
        if self._commands.subscribe_at_s is not None:
            waits_s.append(self._commands.subscribe_at_s - now_s)
        next_at_s = self._refusals.next_at_s()
        if next_at_s is not None and self.window.room > 0:
            waits_s.append(next_at_s - now_s)
        return max(0.0, min(waits_s))

    def _send(self) -> None:
        while (
            self.window.room > 0 and (control := self._context.control_messages.take()) is not None
        ):
            self._send_control(control)
        if self._draining or self.window.room <= 0:
            return
        for stored in self._refusals.due(self._context.clock.monotonic(), self.window.room):
            self._send_row(stored)
        if self.window.room > 0:
            for stored in self._context.queue.take(self.window.room):
                self._send_row(stored)

    def _send_row(self, stored: Stored) -> None:
        try:
            message = self._context.settings.encode(stored)
        except Exception as error:  # one bad record must not stop those behind it
            self._drop_unencodable(stored, error)
            return
        alias = self._alias_of(message)
        size = wire_bytes(message, alias, mqtt5=self._link.mqtt5)
        refusal = self._refusals.is_too_large(stored, size)
        if refusal is None:
            sent = Sent(stored, packet_bytes=size, order=self._refusals.next_order())
            self._transmit(sent, message, alias)
        else:
            self._refusals.set_aside(stored, size, refusal, self._context.clock.monotonic())

    def _drop_unencodable(self, stored: Stored, error: Exception) -> None:
        """Give up a record that cannot be encoded; what a gap tells must not be lost."""
        why = Text("cannot be encoded: {why}", why=error)
        refusal = RecordRefusal(why)
        if isinstance(stored.body, Gap):
            self._refusals.set_aside(stored, 0, refusal, self._context.clock.monotonic())
        else:
            self._give_up(Sent(stored=stored), refusal)

    def _send_control(self, control: ControlMessage) -> None:
        if not self._refusals.may_go(control.kind, self._context.clock.monotonic()):
            return
        size = wire_bytes(control.message, mqtt5=self._link.mqtt5, correlation=control.correlation)
        if 0 < self._max_packet_bytes < size:
            self._context.note(
                Text("{kind} message is larger than the broker takes: not sent", kind=control.kind)
            )
            return
        try:
            self._transmit(Sent(control=control, packet_bytes=size), control.message)
        except ValueError as error:  # paho's word for a topic with wildcards
            self._context.note(
                Text("{kind} message not sent: {reason}", kind=control.kind, reason=error)
            )

    def _alias_of(self, message: Message) -> Alias | None:
        return self._aliases.of(message.topic) if self._link.mqtt5 else None

    def _transmit(self, sent: Sent, message: Message, alias: Alias | None = None) -> None:
        correlation = sent.control.correlation if sent.control is not None else None
        try:
            packet_id = self._link.publish(message, alias, correlation)
        except LinkError:
            if sent.control is not None:
                self._context.control_messages.put_back(sent.control)
            raise
        self.window.add(packet_id, sent, self._context.clock.monotonic())
        self._context.statistics.count(kind_of_sent(sent), sent.packet_bytes)

    def _handle_acks(self) -> None:
        now_s = self._context.clock.monotonic()
        acks, self._link.acks = self._link.acks, []
        accepted: list[int] = []
        for ack in acks:
            sent = self.window.remove(ack.packet_id, now_s)
            if sent is None:
                continue
            self._context.statistics.last_ack_s = now_s
            self.proved = self.proved or ack.code < FAILURE
            if sent.control is not None:
                self._handle_control_ack(sent.control, ack)
            elif sent.stored is not None and ack.code < FAILURE:
                accepted.append(sent.stored.row)
                self._refusals.accepted(sent)
            elif sent.stored is not None:
                self._handle_refusal(sent, ack.code, now_s)
        if accepted:
            self._context.queue.acknowledge(accepted)
            self._context.statistics.acknowledged += len(accepted)

    def _handle_control_ack(self, control: ControlMessage, ack: Ack) -> None:
        now_s = self._context.clock.monotonic()
        self._refusals.settled(control.kind, taken=ack.code < FAILURE, now_s=now_s)
        if ack.code >= FAILURE:
            self._context.note(
                Text(
                    "the broker refuses {kind} messages: {why}",
                    kind=control.kind,
                    why=says(ack.code),
                )
            )
        elif control.revision:
            self._context.announced = control.revision

    def _handle_refusal(self, sent: Sent, code: int, now_s: float) -> None:
        self._context.statistics.refused += 1
        refusal = refusal_of(code)
        if self._refusals.refused(sent, refusal, now_s):
            self._give_up(sent, refusal)

    def _give_up(self, sent: Sent, refusal: RecordRefusal) -> None:
        stored = sent.stored
        assert stored is not None
        self._context.queue.reject(stored.row, str(refusal.why))
        self._refusals.forget(stored)
        self._context.statistics.rejected += 1
        self._context.note(
            Text("{kind} record given up: {why}", kind=stored.body.KIND, why=refusal.why)
        )


def kind_of_sent(sent: Sent) -> str:
    """Return what a message is counted as."""
    if sent.stored is not None:
        return sent.stored.body.KIND
    assert sent.control is not None
    return sent.control.kind
