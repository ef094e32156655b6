"""Holes from their discovery to their end, and the requests (`cmd/replay`) that have them filled.

No clock, no I/O: time comes with each call, requests go out through `publish`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from edge_runtime.consume.arrivals import ReceivedMessage
from edge_runtime.consume.items import (
    HealingItem,
    HoleClosed,
    HoleFound,
    HoleGivenUp,
    ReplayAnswered,
    ReplayRefused,
    SequenceHole,
)
from edge_runtime.consume.ledger import SequenceLedger
from edge_runtime.errors import RawText, Text, one_line
from edge_runtime.topics import Topics

COMMAND = "replay"
# A device that is not connected does not receive a command: it is asked again ever more rarely,
# and at once when it connects.
FIRST_RETRY_S = 60.0
LONGEST_RETRY_S = 3600.0
MOST_REFUSALS = 3  # by the device, of one hole
MOST_OPEN = 1000
MOST_ASKED = 1_000_000  # records of one hole: no outbox keeps more
SHOWN_CHARACTERS = 200

Number = Annotated[int, Meta(ge=0)]


class ReplayRequest(msgspec.Struct, frozen=True):
    """A command to a device, where its answer is to go, and what marks that as ours."""

    topic: str
    payload: bytes
    reply_to: str
    correlation: bytes


# Publishes at QoS 1; returns what a refusal will name it by.
PublishRequest: TypeAlias = Callable[[ReplayRequest], int]


class ReplayAnswer(msgspec.Struct):
    """What a device says to a replay; anybody may have written it."""

    ok: bool = False
    error: str = ""
    boot: int = 0
    from_seq: int = 0
    to_seq: int = 0
    sent: Number = 0
    pending: Number = 0
    gone: Number = 0
    unknown: Number = 0


class OpenHole(msgspec.Struct):
    """A hole that was reported, until it is closed or given up. `next_seq`: to be asked for."""

    hole: SequenceHole
    next_seq: int
    answered_s: float | None = None
    refusals: int = 0


class DeviceRequests:
    """The open holes of one device. One request at a time: the device has other things to do."""

    def __init__(self) -> None:
        self.holes: list[OpenHole] = []
        self.asked: OpenHole | None = None
        self.retry_at_s = 0.0
        self.retry_s = FIRST_RETRY_S
        self.unanswered = 0
        self.publish_id: int | None = None

    def next_to_ask(self, now_s: float) -> OpenHole | None:
        """Return the hole to ask for now; None: there is none, or it is not yet time."""
        if now_s < self.retry_at_s:
            return None
        return next((one for one in self.holes if one.answered_s is None), None)

    def asked_for(self, one: OpenHole, now_s: float) -> None:
        """Note a request: until its answer, or for the time of a retry, none follows."""
        self.asked = one
        self.unanswered += 1
        self.retry_at_s = now_s + self.retry_s
        self.retry_s = min(2 * self.retry_s, LONGEST_RETRY_S)

    def answered(self, now_s: float) -> None:
        """Note that the device answers: the next request may follow."""
        self.asked = None
        self.unanswered = 0
        self.retry_s = FIRST_RETRY_S
        self.retry_at_s = now_s


class HoleHealer:
    """Reports holes and, with `publish`, asks the devices for what is missing."""

    def __init__(
        self, ledger: SequenceLedger, grace_s: float, publish: PublishRequest | None
    ) -> None:
        self._ledger = ledger
        self._grace_s = grace_s
        self._publish = publish
        self._devices: dict[tuple[str, str], DeviceRequests] = {}
        self._open = 0
        self._requests = 0
        # Other consumers ask the same devices, and see each other's answers.
        self._token = secrets.token_bytes(8)

    def asked_for(self, site: str, device: str, boot: int, seq: int) -> bool:
        """Whether a record lies in a hole that was asked for."""
        requests = self._devices.get((site, device))
        return requests is not None and any(
            one.hole.boot == boot and one.hole.from_seq <= seq <= one.hole.to_seq
            for one in requests.holes
            if one is requests.asked or one.answered_s is not None
        )

    def device_connected(self, site: str, device: str, now_s: float) -> None:
        """Take in that a device has connected: what it did not receive is asked again."""
        requests = self._devices.get((site, device))
        if requests is not None and requests.unanswered:
            requests.unanswered = 0
            requests.retry_s = FIRST_RETRY_S
            requests.retry_at_s = now_s

    def tick(self, now_s: float) -> Iterator[HealingItem]:
        """Report new holes, ask for them, end those that were filled or will not be."""
        for hole in self._ledger.due(now_s):
            yield HoleFound(hole)
            yield from self._open_hole(hole)
        for place, requests in list(self._devices.items()):
            for one in list(requests.holes):
                if (ended := self._end_of(one, now_s)) is not None:
                    yield self._ended(requests, one, ended)
            if not requests.holes:
                del self._devices[place]
            elif self._publish is not None:
                yield from self._ask(place, requests, now_s)

    def answer(
        self, site: str, device: str, received: ReceivedMessage, now_s: float
    ) -> Iterator[HealingItem]:
        """Take a device's answer to a replay, whoever asked for it."""
        try:
            answer = msgspec.json.decode(received.payload, type=ReplayAnswer)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return
        requests = self._devices.get((site, device))
        if requests is None or (asked := requests.asked) is None:
            return
        if received.correlation is not None and not received.correlation.startswith(self._token):
            return  # an answer to somebody else
        if not answer.ok:
            reason = RawText(one_line(answer.error)[:SHOWN_CHARACTERS])
            yield ReplayRefused(site, device, "device", reason)
            yield from self._refused_by_device(requests, asked, reason)
        elif (answer.boot, answer.from_seq) == (asked.hole.boot, asked.next_seq) and (
            asked.next_seq <= answer.to_seq <= asked.hole.to_seq
        ):
            yield ReplayAnswered(
                hole=asked.hole,
                sent=answer.sent,
                pending=answer.pending,
                gone=answer.gone,
                unknown=answer.unknown,
            )
            asked.next_seq = answer.to_seq + 1
            asked.answered_s = now_s if asked.next_seq > asked.hole.to_seq else None
            requests.answered(now_s)

    def refused_by_broker(self, publish_id: int, reason: Text) -> Iterator[HealingItem]:
        """Take in that the broker did not pass a request on."""
        for (site, device), requests in self._devices.items():
            if requests.publish_id == publish_id:
                topic = request_topic(site, device)
                why = Text(
                    "the broker does not let this client publish to {topic} ({reason})",
                    topic=topic,
                    reason=reason,
                )
                yield ReplayRefused(site, device, "broker", why)
                for one in list(requests.holes):
                    yield self._given_up(requests, one, Text("the broker refuses the request"))
                return

    def _open_hole(self, hole: SequenceHole) -> Iterator[HealingItem]:
        if hole.size > MOST_ASKED:
            why = Text(
                "more than the {count} records that a device can have kept", count=MOST_ASKED
            )
            yield HoleGivenUp(hole, hole.size, why)
        elif self._open >= MOST_OPEN:
            yield HoleGivenUp(
                hole, hole.size, Text("{count} other holes are open", count=MOST_OPEN)
            )
        else:
            self._open += 1
            requests = self._devices.setdefault((hole.site, hole.device), DeviceRequests())
            requests.holes.append(OpenHole(hole, hole.from_seq))

    def _ask(
        self, place: tuple[str, str], requests: DeviceRequests, now_s: float
    ) -> Iterator[HealingItem]:
        assert self._publish is not None
        one = requests.next_to_ask(now_s)
        if one is None:
            return
        if requests.unanswered == 1:
            yield ReplayRefused(
                *place,
                "nobody",
                Text(
                    "no answer to {topic}: the device is offline, or the broker does not pass this "
                    "client's commands on; it is asked again",
                    topic=request_topic(*place),
                ),
            )
        self._requests += 1
        requests.asked_for(one, now_s)
        correlation = self._token + b"%d" % self._requests
        requests.publish_id = self._publish(request_of(one, correlation))

    def _end_of(self, one: OpenHole, now_s: float) -> HealingItem | None:
        """Return how a hole ends now; None: it stays open."""
        missing = self._ledger.missing(one.hole)
        if missing == 0:
            return HoleClosed(one.hole)
        if missing is None:
            return HoleGivenUp(one.hole, None, Text("too much to keep track of"))
        if one.answered_s is None:
            return None
        waited_s = min(now_s - one.answered_s, self._ledger.quiet_s(one.hole, now_s))
        return HoleGivenUp(one.hole, missing) if waited_s >= self._grace_s else None

    def _refused_by_device(
        self, requests: DeviceRequests, one: OpenHole, reason: Text
    ) -> Iterator[HealingItem]:
        """Ask again later, a few times; until then the device's other holes wait, too."""
        requests.asked = None
        requests.unanswered = 0
        one.refusals += 1
        if one.refusals >= MOST_REFUSALS:
            yield self._given_up(requests, one, reason)

    def _given_up(self, requests: DeviceRequests, one: OpenHole, reason: Text) -> HoleGivenUp:
        ended = HoleGivenUp(one.hole, self._ledger.missing(one.hole), reason)
        self._ended(requests, one, ended)
        return ended

    def _ended(self, requests: DeviceRequests, one: OpenHole, item: HealingItem) -> HealingItem:
        requests.holes.remove(one)
        self._open -= 1
        if requests.asked is one:
            requests.asked = None
        return item


def request_topic(site: str, device: str) -> str:
    """Return where a device takes requests for a replay."""
    return f"{Topics(site, device).base}/cmd/{COMMAND}"


def request_of(one: OpenHole, correlation: bytes) -> ReplayRequest:
    """Return the request for what is still to be asked of a hole."""
    hole = one.hole
    asked = {"boot": hole.boot, "from_seq": one.next_seq, "to_seq": hole.to_seq}
    return ReplayRequest(
        topic=request_topic(hole.site, hole.device),
        payload=msgspec.json.encode(asked),
        reply_to=Topics(hole.site, hole.device).reply(COMMAND),
        correlation=correlation,
    )
