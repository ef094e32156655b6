"""The MQTT publisher: one thread connects, delivers, and connects again."""

from __future__ import annotations

import logging
import random
import threading
from collections import deque

import msgspec

from edge_runtime.broker.granted import Granted
from edge_runtime.broker.reasons import ALIAS_INVALID, RETAIN_NOT_SUPPORTED, LinkError
from edge_runtime.clock import Clock
from edge_runtime.errors import Text
from edge_runtime.publish.candidates import Candidates, Discover
from edge_runtime.publish.connecting import connected_text
from edge_runtime.publish.contract import (
    LinkHealth,
    LinkState,
    OnCommand,
    PublisherSettings,
)
from edge_runtime.publish.dialer import Dialer, UnreachedError
from edge_runtime.publish.discover import find_brokers
from edge_runtime.publish.link import BrokerLink
from edge_runtime.publish.outgoing import ControlMessage, ControlMessages, PublishStatistics
from edge_runtime.publish.packets import kind_of
from edge_runtime.publish.redial import BRIEF_S, Redial
from edge_runtime.publish.refusals import Refusals
from edge_runtime.publish.session import LinkSession, SessionLimits
from edge_runtime.publish.session_context import SessionContext
from edge_runtime.publish.waker import Waker
from edge_runtime.records import Message
from edge_runtime.urls import error_text

log = logging.getLogger("edge_runtime.publish")

ACK_TIMEOUT_S = 20.0
SHUTDOWN_GRACE_S = 0.5
MAX_NOTES = 64


class MqttPublisher:
    """Delivers the queue's rows at QoS 1. The thread is called `mqtt`; see `Publisher`."""

    def __init__(
        self,
        settings: PublisherSettings,
        *,
        clock: Clock,
        on_command: OnCommand | None = None,
        jitter: random.Random | None = None,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        discover: Discover = find_brokers,
    ) -> None:
        jitter = jitter or random.Random()  # noqa: S311  spreads a fleet, keeps no secret
        self._clock = clock
        self._ack_timeout_s = ack_timeout_s
        self._jitter = jitter
        self._discover = discover
        self._stop_by_s = 0.0
        self._no_pause = threading.Event()  # between two attempts
        self._changes: deque[PublisherSettings] = deque(maxlen=1)
        self._context = SessionContext(
            settings, on_command, clock, jitter, ControlMessages(), PublishStatistics(),
            Refusals(settings.queue, jitter), self._note, self._clear, self.wake,
        )  # fmt: skip
        self._since_s = clock.monotonic()
        self._attempts = 0
        self._proved_s: float | None = None  # how long a link stood on which something was taken
        self._notes: set[str] = set()
        self._link: BrokerLink | None = None
        self._session: LinkSession | None = None
        self._prepare(settings)

    def _prepare(self, settings: PublisherSettings) -> None:
        """Make ready to connect by settings; no thread is at work."""
        broker, place = settings.broker, settings.place
        context = self._context
        if settings.identity != context.identity:
            context.control_messages.drop_retained()  # they bear the old names
        context.settings, context.refusals = settings, Refusals(settings.queue, self._jitter)
        # A thread that did not end in time (a resolver hangs) keeps those that it was stopped by.
        self._stop_asked, self._waker = stop_asked, waker = threading.Event(), Waker()
        self._redial = Redial(broker.retry_max_s, self._jitter)
        self._candidates = Candidates(broker, place, self._discover, self._jitter)
        self._dialer = Dialer(
            broker, self._candidates, place, settings.identity, self._will,
            self._clock, waker, stop_asked.is_set,
        )  # fmt: skip
        self._aliases = self._retains = True  # until a broker that allowed it minds
        self._state: LinkState = "connecting"
        self._reason = Text("not connected yet")
        self._thread = threading.Thread(
            target=self._run, args=(stop_asked, waker), name="mqtt", daemon=True
        )

    def _will(self) -> Message:
        return self._context.status.will()

    def start(self) -> None:
        if self._stop_asked.is_set():
            self._prepare(self._context.settings)
        self._thread.start()

    def wake(self) -> None:
        self._waker.wake()

    def publish_retained(self, topic: str, payload: bytes) -> None:
        message = Message(topic, payload, "application/json", retain=True)
        self._context.control_messages.put(ControlMessage(message, kind_of(topic)))
        self._waker.wake()

    def change(self, settings: PublisherSettings) -> None:
        if self._stop_asked.is_set() or not self._thread.is_alive():
            if self._thread.ident is None:
                self._waker.close()
            self._prepare(settings)
            return
        if not settings.connects_as(self._context.settings):
            raise ValueError("these settings need another link: stop the publisher before")
        self._changes.append(settings)
        self._no_pause.set()
        self._waker.wake()

    def stop(self, timeout_s: float) -> None:
        self._stop_by_s = self._clock.monotonic() + timeout_s
        self._stop_asked.set()
        self._no_pause.set()
        self._waker.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s + SHUTDOWN_GRACE_S)
        else:
            self._waker.close()

    def health(self) -> LinkHealth:
        ledger, link, session = self._context.statistics, self._link, self._session
        granted = (link.granted if link is not None else None) or Granted(receive_maximum=0)
        state, reason = self._state_now()
        return LinkHealth(
            state=state,
            reason=reason,
            since_s=self._since_s,
            attempts=self._attempts,
            sent=ledger.sent,
            acknowledged=ledger.acknowledged,
            refused=ledger.refused,
            rejected=ledger.rejected,
            in_flight=len(session.window) if session is not None else 0,
            bytes_out=ledger.bytes_out,
            last_ack_s=ledger.last_ack_s,
            broker=self._dialer.address,
            protocol=link.protocol if link is not None else 0,
            receive_maximum=granted.receive_maximum,
            alias_maximum=granted.alias_maximum,
            max_packet_bytes=granted.max_packet_bytes,
            keepalive_s=granted.keepalive_s,
            retains=granted.retains,
            wildcards=granted.wildcards,
            announced=self._context.announced,
            by_kind=ledger.by_kind(),
        )

    def _run(self, stop_asked: threading.Event, waker: Waker) -> None:
        while not stop_asked.is_set():
            wait_s = self._attempt(stop_asked)
            if not stop_asked.is_set():
                self._no_pause.wait(wait_s)
            self._no_pause.clear()
        if stop_asked is self._stop_asked:
            self._set_state("stopped", Text("stopped"))
        waker.close()

    def _state_now(self) -> tuple[LinkState, Text]:
        """Return state and reason: a link on which the broker refuses records is degraded."""
        state, reason, refused = self._state, self._reason, self._context.refusals.reason
        if state == "connected" and refused:
            return "degraded", Text(
                "connected to {address}, but the broker refuses records; {what}",
                address=self._dialer.address,
                what=refused,
            )
        return state, reason

    def _attempt(self, stop_asked: threading.Event) -> float:
        """Connect, and deliver until the link is lost; return how long to wait."""
        self._attempts += 1
        self._apply_changes()
        if self._state != "connecting":
            self._set_state("connecting", self._reason)
        self._proved_s = None
        error = LinkError("stopping")
        try:
            self._deliver(self._dialer.dial(), stop_asked)
        except LinkError as lost:
            error = lost
        except Exception as fault:
            # Whatever it is (an outbox that cannot write, a packet that paho cannot parse), the
            # thread must outlive it: a dead one looks connected and delivers nothing.
            error = LinkError("internal error: {what}", what=error_text(fault).splitlines()[0])
            if str(error) != self._reason:
                log.exception("the publisher failed, and goes on")
        if error.code == ALIAS_INVALID:
            self._aliases = False
        if error.code == RETAIN_NOT_SUPPORTED:
            self._retains = False
        wait_s = self._wait_s(error)
        if not stop_asked.is_set():
            turn = self._set_state if isinstance(error, UnreachedError) else self._report_state
            turn("waiting", self._suspected(error).text)
        return wait_s

    def _wait_s(self, error: LinkError) -> float:
        if self._candidates.more:
            wait_s = self._redial.soon_s()
        elif self._proved_s is not None:
            wait_s = self._redial.ended_s(self._proved_s)
        else:
            wait_s = self._redial.failed_s()
        return error.wait_at_least_s + wait_s

    def _suspected(self, error: LinkError) -> LinkError:
        """Say so where links break early, one after the other: old brokers do not say why."""
        known = error.code or self._context.refusals.reason
        if known or self._proved_s is None or not self._redial.is_suspect:
            return error
        return LinkError(
            "{why}, again and again within {seconds:.0f} s: has another device this one's name "
            "({name}), or is the link bad?",
            why=error.text,
            seconds=BRIEF_S,
            name=f"{self._context.identity.site}/{self._context.identity.device}",
        )

    def _deliver(self, link: BrokerLink, stop_asked: threading.Event) -> None:
        context = self._context
        assert link.granted is not None
        retains = self._retains and link.granted.retains
        link.granted = granted = msgspec.structs.replace(link.granted, retains=retains)
        broker = context.settings.broker
        limits = SessionLimits(
            broker.max_inflight, self._ack_timeout_s, broker.keepalive_s, self._aliases
        )
        session = LinkSession(context, link, granted, limits)
        self._link, self._session = link, session
        stands_since_s = self._clock.monotonic()
        try:
            context.queue.connected(self._clock.monotonic())
            self._report_state("connected", connected_text(self._dialer.address, link))
            session.on_connected()
            while not stop_asked.is_set():
                if self._apply_changes():
                    session.announce()
                session.poll()
            session.shut_down(self._stop_by_s)
        finally:
            self._link = self._session = None
            if session.proved:
                self._proved_s = self._clock.monotonic() - stands_since_s
            session.close()

    def _apply_changes(self) -> bool:
        """Take over settings that were changed meanwhile; say whether there were some."""
        if not self._changes:
            return False
        self._context.settings = self._changes.popleft()
        return True

    def _report_state(self, state: LinkState, reason: Text) -> None:
        """Change state; log it unless it was for the same reason before."""
        if reason != self._reason:
            level = logging.INFO if state == "connected" else logging.WARNING
            log.log(level, "%s", reason)
        self._set_state(state, reason)

    def _set_state(self, state: LinkState, reason: Text) -> None:
        if (state == "connected") != (self._state == "connected"):
            self._since_s = self._clock.monotonic()
        self._state, self._reason = state, reason

    def _note(self, text: Text) -> None:
        """Log what is wrong on a link that stands: each thing once, as far as is remembered."""
        if text not in self._notes:
            if len(self._notes) >= MAX_NOTES:
                self._notes.clear()
            self._notes.add(text)
            log.warning("%s", text)
        if self._state == "connected":
            self._reason = Text("connected, but {what}", what=text)

    def _clear(self) -> None:
        """Take back what was wrong on a link that stands."""
        if self._state == "connected" and self._link is not None:
            self._report_state("connected", connected_text(self._dialer.address, self._link))
