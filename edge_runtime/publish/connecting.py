"""Connects to one address: whole or not at all, by MQTT 5, or by 3.1.1 where there is no more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.broker.granted import lacking
from edge_runtime.broker.reasons import (
    RETAIN_NOT_SUPPORTED,
    UNSUPPORTED_PROTOCOL,
    LinkError,
    of_our_certificate,
)
from edge_runtime.broker.tls import context_for
from edge_runtime.broker.who_answers import alert_of, who_answers
from edge_runtime.clock import Clock
from edge_runtime.errors import RawText, Text, located, row
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.contract import MQTT_5, MQTT_311, Identity
from edge_runtime.publish.link import BrokerLink
from edge_runtime.publish.waker import Waker
from edge_runtime.records import Message

DISCONNECT_TIMEOUT_S = 1.0
ASK_AGAIN_S = 600.0


class KnownVersions:
    """What brokers did with MQTT 5, by address, in the life of this process.

    `patience`: so often no MQTT may come of an address in clear before it is asked what else is
    there.
    """

    def __init__(self, patience: int = 0) -> None:
        self._patience = patience
        self._unclear: Counter[str] = Counter()
        self._answer: set[str] = set()
        self._close: set[str] = set()
        self._others: dict[str, tuple[float, Text | None]] = {}

    def answered(self, endpoint: Endpoint) -> None:
        """Note that MQTT 5 was answered: a connection that breaks is the network's fault."""
        self._unclear.pop(str(endpoint), None)
        self._answer.add(str(endpoint))
        self._close.discard(str(endpoint))

    def closed(self, endpoint: Endpoint) -> None:
        """Note that MQTT 5 alone was met by closing, before and after 3.1.1 was answered."""
        self._close.add(str(endpoint))

    def found_of(
        self, endpoint: Endpoint, now_s: float, ask: Callable[[], Text | None]
    ) -> Text | None:
        """Return what is there in place of MQTT: asked seldom, as a busy broker is silent, too."""
        address = str(endpoint)
        self._unclear[address] += 1
        asked_s, found = self._others.get(address, (-math.inf, None))
        # Of TLS what is refused is our certificate, more often than not: that is asked at once.
        is_due = endpoint.tls or self._unclear[address] > self._patience
        if is_due and now_s >= asked_s + ASK_AGAIN_S:
            found = ask()
            self._others[address] = now_s, found
        return found

    def is_known_to_answer(self, endpoint: Endpoint) -> bool:
        """Whether MQTT 5 was ever answered there."""
        return str(endpoint) in self._answer

    def is_known_to_close(self, endpoint: Endpoint) -> bool:
        """Whether MQTT 5 is closed upon there."""
        return str(endpoint) in self._close


class ConnectAttempt:
    """One attempt at one address. Raises LinkError.

    MQTT 5 comes first, every time: with 3.1.1 a refusal reads as an acknowledgement, and is a
    record lost. A CONNACK that says so leads to 3.1.1. Some brokers just close the connection on
    MQTT 5, and so does a bad network: there 3.1.1 has to be answered, and MQTT 5 be closed upon
    once more right after.
    """

    def __init__(
        self,
        broker: BrokerOptions,
        endpoint: Endpoint,
        identity: Identity,
        will: Callable[[], Message | None],
        *,
        clock: Clock,
        waker: Waker,
        give_up: Callable[[], bool],
    ) -> None:
        self._broker = broker
        self._endpoint = endpoint
        self._identity = identity
        self._will = will
        self._clock = clock
        self._waker = waker
        self._give_up = give_up

    def open(self, versions: KnownVersions) -> BrokerLink:
        """Return a link on which the broker has answered."""
        endpoint = self._endpoint
        try:
            return self._open(versions)
        except LinkError as error:
            if not error.is_unclear or versions.is_known_to_answer(endpoint) or self._give_up():
                raise
            found = versions.found_of(endpoint, self._clock.monotonic(), self._who_answers)
            if found is None:
                raise
            raise LinkError(located(endpoint, found)) from None

    def _who_answers(self) -> Text | None:
        """Return what is there in place of MQTT, or what it has against our certificate."""
        broker, endpoint = self._broker, self._endpoint
        found = who_answers(endpoint, broker.connect_timeout_s)
        if found is not None or not endpoint.tls:
            return found
        context = context_for(broker, endpoint.name, clock_trusted=self._clock.now().trusted)
        return of_our_certificate(alert_of(endpoint, context, broker.connect_timeout_s))

    def _open(self, versions: KnownVersions) -> BrokerLink:
        try:
            return self._with_5(versions)
        except LinkError as error:
            if error.code != UNSUPPORTED_PROTOCOL and (
                error.answered or versions.is_known_to_answer(self._endpoint) or self._give_up()
            ):
                raise
            refusal = error
        try:
            old = self._with(MQTT_311)
        except LinkError as error:
            raise error if error.answered else refusal from None
        if refusal.code == UNSUPPORTED_PROTOCOL or versions.is_known_to_close(self._endpoint):
            return old
        return self._make_sure(old, versions)

    def _make_sure(self, old: BrokerLink, versions: KnownVersions) -> BrokerLink:
        """Try MQTT 5 once more, now that the broker is known to be there."""
        old.disconnect(self._clock.monotonic() + DISCONNECT_TIMEOUT_S)
        old.close()
        try:
            return self._with_5(versions)
        except LinkError as error:
            if error.answered and error.code != UNSUPPORTED_PROTOCOL:
                raise
        link = self._with(MQTT_311)
        versions.closed(self._endpoint)
        return link

    def _with_5(self, versions: KnownVersions) -> BrokerLink:
        try:
            link = self._with(MQTT_5)
        except LinkError as error:
            # Only its CONNACK would say that a broker retains nothing: it refuses a retained will.
            if error.code != RETAIN_NOT_SUPPORTED:
                raise
            link = self._with(MQTT_5, retains=False)
        versions.answered(self._endpoint)
        return link

    def _with(self, protocol: int, *, retains: bool = True) -> BrokerLink:
        link = BrokerLink(
            self._broker, self._endpoint, protocol, self._identity, self._will(),
            clock=self._clock, waker=self._waker, retains=retains,
        )  # fmt: skip
        try:
            link.open(self._give_up)
        except BaseException:
            link.close()
            raise
        return link


def connect(
    broker: BrokerOptions,
    endpoint: Endpoint,
    identity: Identity,
    will: Callable[[], Message | None],
    *,
    clock: Clock,
    waker: Waker,
    versions: KnownVersions | None = None,
    give_up: Callable[[], bool] = lambda: False,
) -> BrokerLink:
    """Return a link on which the broker has answered; its `protocol` tells which. Raises LinkError.

    `versions`: what earlier attempts have taught.
    """
    opening = ConnectAttempt(
        broker, endpoint, identity, will, clock=clock, waker=waker, give_up=give_up
    )
    return opening.open(versions or KnownVersions())


def connected_text(address: str, link: BrokerLink) -> Text:
    """Return that a link stands, and what its broker lacks."""
    connected = Text(
        "connected to {address} by {protocol}", address=address, protocol=name_of(link.protocol)
    )
    return row([connected, *(lacking(link.granted) if link.granted is not None else [])])


def name_of(protocol: int) -> Text:
    """Return a protocol level as people know it."""
    return (
        RawText("MQTT 5") if protocol == MQTT_5 else Text("MQTT 3.1.1 (the broker has no MQTT 5)")
    )
