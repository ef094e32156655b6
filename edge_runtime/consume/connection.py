"""The connection to the broker, kept up: what comes is handed over in order, through a queue.

paho's thread only puts into the queue; a thread of this class waits for the end of a connection and
opens the next one, after a wait of our own, with jitter.
"""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
from concurrent.futures import Future

from paho.mqtt.enums import MQTTProtocolVersion

from edge_runtime.backoff import Backoff
from edge_runtime.broker.endpoint import endpoint_of
from edge_runtime.broker.reasons import UNSUPPORTED_PROTOCOL, LinkError
from edge_runtime.consume.arrivals import Arrival, ConnectionClosed, ReceivedMessage
from edge_runtime.consume.broker_session import BrokerSession
from edge_runtime.consume.items import ConnectionLost, ConnectionRestored
from edge_runtime.options import BrokerOptions

QUEUE_LIMIT = 10_000  # a caller that has stopped taking: what is newer is dropped and counted
FIRST_RETRY_S = 1.0
STEADY_S = 10.0  # a connection that stood so long: the next waits begin with the shortest again
LEAVE_S = 2.0
# How brokers that speak 3.1.1 alone answer to MQTT 5: "unacceptable protocol version".
UNACCEPTABLE_VERSION = 0x01


class SubscribedConnection:
    """Subscribes to one filter at QoS 1 and hands over what comes; connects again by itself.

    MQTT 5 first, 3.1.1 where the broker has no more. `take`: one thread; the rest: any.
    """

    def __init__(self, broker: BrokerOptions, topic_filter: str, client_id: str = "") -> None:
        self._broker = broker
        self._endpoint = endpoint_of(broker.url, broker.server_name)
        self._filter = topic_filter
        self._client_id = client_id
        self._arrivals: queue.Queue[Arrival] = queue.Queue(QUEUE_LIMIT)
        self._backoff = Backoff(FIRST_RETRY_S, broker.retry_max_s, random.Random())  # noqa: S311 - jitter
        self._closing = threading.Event()
        self._session: BrokerSession | None = None
        self._thread: threading.Thread | None = None
        self._sessions = 0
        self.dropped = 0

    def open(self) -> None:
        """Connect and subscribe, once. Raises LinkError that says why it cannot."""
        first: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._keep_up, args=(first,), name="consumer-connection", daemon=True
        )
        self._thread.start()
        try:
            first.result()
        except Exception:
            self._thread.join()
            raise

    def take(self, timeout_s: float) -> Arrival | None:
        """Return the next arrival; None where `timeout_s` passes without one."""
        try:
            return (
                self._arrivals.get(timeout=timeout_s)
                if timeout_s > 0
                else self._arrivals.get_nowait()
            )
        except queue.Empty:
            return None

    def publish(
        self, topic: str, payload: bytes, *, reply_to: str = "", correlation: bytes = b""
    ) -> int:
        """Publish a message at QoS 1; a `PublishRefused` with the returned id may come of it.

        Where there is no connection it is lost, and so is it in time: the caller asks again.
        """
        session = self._session
        return session.publish(topic, payload, reply_to, correlation) if session else 0

    def close(self) -> None:
        """Disconnect; what has come already can still be taken."""
        self._closing.set()
        session = self._session
        if session is not None:
            session.close()
        if self._thread is not None:
            self._thread.join(LEAVE_S)  # an attempt to connect may take longer: it ends by itself
        self._put_in_any_case(ConnectionClosed())

    def _keep_up(self, first: Future[None]) -> None:
        """Connect, again and again. The first attempt's outcome goes into `first`."""
        told = ""
        while not self._closing.is_set():
            try:
                with contextlib.closing(self._connect()) as self._session:
                    if not first.done():
                        first.set_result(None)
                    if told:
                        self._put(ConnectionRestored())
                        told = ""
                    lost = self._stay()
            except Exception as failed:
                if not first.done():
                    first.set_exception(failed)
                    return
                if not isinstance(failed, LinkError):
                    raise
                lost = failed
            finally:
                self._session = None
            if self._closing.is_set():
                return
            if str(lost) != told:
                told = str(lost)
                self._put(ConnectionLost(lost.text))
            self._closing.wait(max(self._backoff.next_s(), lost.wait_at_least_s))

    def _stay(self) -> LinkError:
        """Wait for the end of the connection; return why it ended."""
        assert self._session is not None
        if self._closing.is_set():  # `close` may have come before there was anything to close
            return LinkError("the connection broke")
        since_s = time.monotonic()
        lost = self._session.wait_until_lost()
        if time.monotonic() - since_s >= STEADY_S:
            self._backoff.reset()
        return lost

    def _connect(self) -> BrokerSession:
        try:
            return self._connect_with(MQTTProtocolVersion.MQTTv5)
        except LinkError as error:
            # Some brokers just close the connection on MQTT 5.
            if error.code not in (UNSUPPORTED_PROTOCOL, UNACCEPTABLE_VERSION) and error.answered:
                raise
            refusal = error
        try:
            return self._connect_with(MQTTProtocolVersion.MQTTv311)
        except LinkError as error:
            raise error if error.answered else refusal from None

    def _connect_with(self, protocol: MQTTProtocolVersion) -> BrokerSession:
        self._sessions += 1
        session = BrokerSession(
            self._broker, self._endpoint, protocol, self._client_id, self._put, self._sessions
        )
        try:
            session.open(self._filter)
        except BaseException:
            session.close()
            raise
        return session

    def _put(self, arrival: Arrival) -> None:
        try:
            self._arrivals.put_nowait(arrival)
        except queue.Full:
            if isinstance(arrival, ReceivedMessage):
                self.dropped += 1
            else:  # what is told once must not be lost among messages
                self._put_in_any_case(arrival)

    def _put_in_any_case(self, arrival: Arrival) -> None:
        while True:
            try:
                self._arrivals.put_nowait(arrival)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._arrivals.get_nowait()
                    self.dropped += 1
            else:
                return
