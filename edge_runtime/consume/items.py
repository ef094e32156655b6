"""What a consumer yields: messages of devices, and what it has to say about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from edge_runtime.consume.payloads import Payload, typed_payload


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
    """

    boot: int
    seq: int
    ts: float
    clock_synced: bool
    model: str
    late: bool
    replayed: bool = False

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


class Undecodable(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is no record: what is wrong with it. `total`: so many there were until now."""

    topic: str
    reason: str
    size_bytes: int
    total: int

    def __str__(self) -> str:
        return f"{self.topic}: {self.reason}"


class SequenceHole(msgspec.Struct, frozen=True):
    """Records of one device and boot that did not come, both ends included."""

    site: str
    device: str
    boot: int
    from_seq: int
    to_seq: int

    def __str__(self) -> str:
        span = f"seq {self.from_seq}"
        if self.to_seq > self.from_seq:
            span += f" to {self.to_seq}"
        return f"{self.site}/{self.device}: {span} of boot {self.boot}"

    @property
    def size(self) -> int:
        """How many records there were."""
        return self.to_seq - self.from_seq + 1


class HoleFound(msgspec.Struct, frozen=True):
    """Records are missing since the grace time, and no gap explains it."""

    hole: SequenceHole

    def __str__(self) -> str:
        return f"hole: {self.hole}: {self.hole.size} missing, and no gap explains it"


class ReplayAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """What a device says to a request for the records of a hole.

    `sent` again, `pending` (to come anyway), `gone` (no longer kept), `unknown` (never made).
    """

    hole: SequenceHole
    sent: int
    pending: int
    gone: int
    unknown: int

    def __str__(self) -> str:
        counts = {
            "sent again": self.sent,
            "to come anyway": self.pending,
            "no longer kept": self.gone,
            "never made": self.unknown,
        }
        words = [f"{count} {what}" for what, count in counts.items() if count]
        return f"replay: {self.hole}: {', '.join(words) or 'nothing'}"


class HoleClosed(msgspec.Struct, frozen=True):
    """Nothing of a hole is missing any more: the records came, or a gap explains it."""

    hole: SequenceHole

    def __str__(self) -> str:
        return f"closed: {self.hole}: nothing is missing any more"


class HoleGivenUp(msgspec.Struct, frozen=True):
    """A hole is looked for no longer; `missing` of its records did not come (None: not known)."""

    hole: SequenceHole
    missing: int | None
    reason: str = ""

    def __str__(self) -> str:
        size = self.hole.size
        came = "not known what" if self.missing is None else f"{size - self.missing} of {size}"
        return f"given up: {self.hole}: {came} came{f' ({self.reason})' if self.reason else ''}"


class ReplayRefused(msgspec.Struct, frozen=True):
    """A request for missing records was refused, by the device or by the broker, or not answered.

    `by`: `device`, `broker`, or `nobody` where no answer came.
    """

    site: str
    device: str
    by: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.site}/{self.device}"
        if self.by == "device":
            return f"{place} refuses to replay: {self.reason}"
        return f"no replay from {place}: {self.reason}"


class ConnectionLost(msgspec.Struct, frozen=True):
    """There is no connection to the broker; it is tried again. Told once for each reason."""

    reason: str

    def __str__(self) -> str:
        return f"connection lost: {self.reason}; trying again"


class ConnectionRestored(msgspec.Struct, frozen=True):
    """The connection stands again. What came meanwhile shows as holes."""

    def __str__(self) -> str:
        return "connected again"


class MessagesDropped(msgspec.Struct, frozen=True):
    """Messages came faster than the caller took them: `total` were dropped until now."""

    total: int

    def __str__(self) -> str:
        return f"{self.total} messages came faster than they were taken, and were dropped"


class TrackingReduced(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of memory are reached: of these nothing is tracked any more, since the last item.

    Their records are yielded still; repetitions and holes among them are not noticed. `devices`
    and `boots` as a whole; `parts`: the lower numbers of a boot; `holes`: possible or open ones.
    """

    devices: int
    boots: int
    parts: int
    holes: int

    def __str__(self) -> str:
        counts = {
            "devices": self.devices,
            "boots": self.boots,
            "parts of boots": self.parts,
            "holes": self.holes,
        }
        words = [f"{count} {what}" for what, count in counts.items() if count]
        return f"too much to keep track of: forgot {', '.join(words)}"


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
