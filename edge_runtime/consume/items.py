"""What a consumer yields: messages of devices, and what it has to say about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from edge_runtime.consume.payloads import Payload, typed_payload
from edge_runtime.errors import EMPTY, Text, row
from edge_runtime.language import N_


class DeviceMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a device, decoded. As such: of a kind that this version does not know.

    `stream` is empty where the message speaks of the device itself. `fields`: the payload as
    JSON carries it, names in place of CBOR's numbers (`encode/README.md`); None where a retained
    message was cleared. `size_bytes`: the payload as it came.
    """

    topic: str
    site: str
    device: str
    stream: str
    kind: str
    fields: Any
    size_bytes: int
    retained: bool = False


class DeviceStatus(DeviceMessage, frozen=True, kw_only=True):
    """`online`, `offline` (the broker lost the device) or `stopped`; `boot` says of which start."""

    state: str
    boot: int


class DeviceBirth(DeviceStatus, frozen=True, kw_only=True):
    """What a device says of itself when it connects: `fields["streams"]` and so on."""

    version: str
    streams: tuple[str, ...]


class DeviceHealth(DeviceMessage, frozen=True, kw_only=True):
    """`state` is `ok` or `degraded`. A device that is gone leaves its last one: see its status."""

    state: str


class DeviceRecord(DeviceMessage, frozen=True, kw_only=True):
    """A result, once each. (site, device, boot, seq) names it forever.

    `ts`: when it was captured, Unix seconds; `clock_synced` False: by a clock that was not set yet.
    `model`: first 8 hex digits of the weights' SHA-256, zeros where there was none.
    `late`: delivered after an outage. `replayed`: it fills a hole that this consumer has asked for.
    `doubtful`: its camera was declared not to see properly when it was made.
    """

    boot: int
    seq: int
    ts: float
    clock_synced: bool
    model: str
    late: bool
    replayed: bool = False
    doubtful: bool = False

    @property
    def time(self) -> datetime:
        """When it was captured, in UTC."""
        return datetime.fromtimestamp(self.ts, UTC)

    @property
    def payload(self) -> Payload | Any:
        """The payload as its kind's type; of a kind that is not known `fields` as they are."""
        return typed_payload(self.kind, self.fields)


class DeviceGap(DeviceRecord, frozen=True, kw_only=True):
    """The device says that records will not come: `count` of `from_seq` to `to_seq` of `of_boot`.

    `count` 0: it is not known how many.
    """

    from_seq: int
    to_seq: int
    count: int
    reason: str
    of_boot: int


class Told(msgspec.Struct, frozen=True):
    """What a consumer has to say: `text` in a reader's language, `str()` of it in English."""

    @property
    def text(self) -> Text:
        """Return it for people."""
        raise NotImplementedError

    def __str__(self) -> str:
        return str(self.text)


class Undecodable(Told, frozen=True, kw_only=True):
    """A message that is no record: what is wrong with it. `total`: so many there were until now."""

    topic: str
    reason: Text
    size_bytes: int
    total: int

    @property
    def text(self) -> Text:
        """Return it for people."""
        return Text("{topic}: {reason}", topic=self.topic, reason=self.reason)


class SequenceHole(Told, frozen=True):
    """Records of one device and boot that did not come, both ends included."""

    site: str
    device: str
    boot: int
    from_seq: int
    to_seq: int

    @property
    def text(self) -> Text:
        """Return it for people."""
        place, first = f"{self.site}/{self.device}", self.from_seq
        if self.to_seq == first:
            return Text("{place}: seq {seq} of boot {boot}", place=place, seq=first, boot=self.boot)
        return Text(
            "{place}: seq {first} to {last} of boot {boot}",
            place=place,
            first=first,
            last=self.to_seq,
            boot=self.boot,
        )

    @property
    def size(self) -> int:
        """How many records there were."""
        return self.to_seq - self.from_seq + 1


class HoleFound(Told, frozen=True):
    """Records are missing since the grace time, and no gap explains it."""

    hole: SequenceHole

    @property
    def text(self) -> Text:
        """Return it for people."""
        return Text(
            "hole: {hole}: {count} missing, and no gap explains it",
            hole=self.hole.text,
            count=self.hole.size,
        )


class ReplayAnswered(Told, frozen=True, kw_only=True):
    """What a device says to a request for the records of a hole.

    `sent` again, `pending` (to come anyway), `gone` (no longer kept), `unknown` (never made).
    """

    hole: SequenceHole
    sent: int
    pending: int
    gone: int
    unknown: int

    @property
    def text(self) -> Text:
        """Return it for people."""
        counts = {
            N_("{count} sent again"): self.sent,
            N_("{count} to come anyway"): self.pending,
            N_("{count} no longer kept"): self.gone,
            N_("{count} never made"): self.unknown,
        }
        words = [Text(what, count=count) for what, count in counts.items() if count]
        what = row(words, ", ") or Text("nothing")
        return Text("replay: {hole}: {what}", hole=self.hole.text, what=what)


class HoleClosed(Told, frozen=True):
    """Nothing of a hole is missing any more: the records came, or a gap explains it."""

    hole: SequenceHole

    @property
    def text(self) -> Text:
        """Return it for people."""
        return Text("closed: {hole}: nothing is missing any more", hole=self.hole.text)


class HoleGivenUp(Told, frozen=True):
    """A hole is looked for no longer; `missing` of its records did not come (None: not known)."""

    hole: SequenceHole
    missing: int | None
    reason: Text = EMPTY

    @property
    def text(self) -> Text:
        """Return it for people."""
        size = self.hole.size
        came = Text("it is not known what came")
        if self.missing is not None:
            came = Text("{count} of {size} came", count=size - self.missing, size=size)
        told = Text("given up: {hole}: {came}", hole=self.hole.text, came=came)
        return Text("{told} ({reason})", told=told, reason=self.reason) if self.reason else told


class ReplayRefused(Told, frozen=True):
    """A request for missing records was refused, by the device or by the broker, or not answered.

    `by`: `device`, `broker`, or `nobody` where no answer came.
    """

    site: str
    device: str
    by: str
    reason: Text

    @property
    def text(self) -> Text:
        """Return it for people."""
        place = f"{self.site}/{self.device}"
        if self.by == "device":
            return Text("{place} refuses to replay: {reason}", place=place, reason=self.reason)
        return Text("no replay from {place}: {reason}", place=place, reason=self.reason)


class ConnectionLost(Told, frozen=True):
    """There is no connection to the broker; it is tried again. Told once for each reason."""

    reason: Text

    @property
    def text(self) -> Text:
        """Return it for people."""
        return Text("connection lost: {reason}; trying again", reason=self.reason)


class ConnectionRestored(Told, frozen=True):
    """The connection stands again. What came meanwhile shows as holes."""

    @property
    def text(self) -> Text:
        """Return it for people."""
        return Text("connected again")


class MessagesDropped(Told, frozen=True):
    """Messages came faster than the caller took them: `total` were dropped until now."""

    total: int

    @property
    def text(self) -> Text:
        """Return it for people."""
        return Text(
            "{count} messages came faster than they were taken, and were dropped", count=self.total
        )


class TrackingReduced(Told, frozen=True, kw_only=True):
    """The bounds of memory are reached: of these nothing is tracked any more, since the last item.

    Their records are yielded still; repetitions and holes among them are not noticed. `devices`
    and `boots` as a whole; `parts`: the lower numbers of a boot; `holes`: possible or open ones.
    """

    devices: int
    boots: int
    parts: int
    holes: int

    @property
    def text(self) -> Text:
        """Return it for people."""
        counts = {
            N_("{count} devices"): self.devices,
            N_("{count} boots"): self.boots,
            N_("{count} parts of boots"): self.parts,
            N_("{count} holes"): self.holes,
        }
        words = [Text(what, count=count) for what, count in counts.items() if count]
        return Text("too much to keep track of: forgot {what}", what=row(words, ", "))


HealingItem: TypeAlias = HoleFound | ReplayAnswered | HoleClosed | HoleGivenUp | ReplayRefused
ConsumerItem: TypeAlias = (
    DeviceMessage
    | Undecodable
    | HealingItem
    | ConnectionLost
    | ConnectionRestored
    | MessagesDropped
    | TrackingReduced
)
