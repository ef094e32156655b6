"""What a publisher needs of the rest, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from edge_runtime.enrolment.identity import IdentityFolder
from edge_runtime.errors import Text
from edge_runtime.options import BrokerOptions
from edge_runtime.records import Message, Stored, Topic
from edge_runtime.topics import Topics

MQTT_311 = 4
MQTT_5 = 5

LinkState: TypeAlias = Literal["connecting", "connected", "degraded", "waiting", "stopped"]
CommandReply: TypeAlias = Callable[[bytes], None]
OnCommand: TypeAlias = Callable[[str, bytes, CommandReply], None]
Encode: TypeAlias = Callable[[Stored], Message]


class Queue(Protocol):
    """Records on disk, in the order in which they are to go. All calls: the publisher's thread.

    A row that was taken is in flight: `take` gives it again only after `disconnected`, and then
    in its old place, or where it was postponed. A row leaves by `acknowledge` or `reject` alone.
    What the broker refuses waits in groups: a topic, or any other name for rows that the publisher
    put back one by one.
    """

    def take(self, limit: int) -> list[Stored]:
        """Return at most `limit` further rows, and mark them as in flight."""
        ...

    def acknowledge(self, rows: Sequence[int]) -> None:
        """Let go of rows that the broker has accepted."""
        ...

    def reject(self, row: int, reason: str) -> None:
        """Give this row up, and account for it in a gap."""
        ...

    def hold(self, topic: Topic) -> None:
        """Pass over the rows of a topic, across connections, until it is released."""
        ...

    def postpone(self, row: int, group: Topic) -> None:
        """Put back a row that is in flight: it waits until its group is released."""
        ...

    def probe(self, group: Topic, place: int) -> Stored | None:
        """Return a waiting row of a group, in flight again: the oldest (0), or the next one (1).

        None: there is none, or none that is known yet.
        """
        ...

    def release(self, group: Topic) -> None:
        """Give what waits of a group again, in order."""
        ...

    def connected(self, at_s: float) -> None:
        """Note that a connection stands since `at_s` (monotonic): older rows are late."""
        ...

    def disconnected(self) -> None:
        """Give again what is in flight: what became of it is not known."""
        ...

    def pending(self) -> int:
        """Return how many rows are not acknowledged yet."""
        ...


class StatusMessages(Protocol):
    """The device's retained messages, made afresh at each call. All calls: publisher's thread."""

    def birth(self) -> Message:
        """Return the status that follows each connect."""
        ...

    def will(self) -> Message:
        """Return the status that the broker publishes when the device falls silent."""
        ...

    def stopped(self) -> Message:
        """Return the status of a clean stop."""
        ...

    def health(self) -> Message:
        """Return the present health, which follows each birth."""
        ...


class PublisherSettings(msgspec.Struct, frozen=True):
    """What a publisher works with: it outlives the configuration that they are of.

    `place`: where the device's identity is kept, for links that need it. `revision` tells births
    apart: `LinkHealth.announced` is the latest that the broker has. `commands`: the names of those
    that are carried out.
    """

    broker: BrokerOptions
    identity: Identity
    queue: Queue
    encode: Encode
    status: StatusMessages
    place: IdentityFolder | None = None
    revision: int = 0
    commands: tuple[str, ...] = ()

    def connects_as(self, other: PublisherSettings) -> bool:
        """Say whether a link that stands by other settings serves these too."""
        return (
            self.broker == other.broker
            and self.identity == other.identity
            and self.queue is other.queue
        )


class Publisher(Protocol):
    """Takes rows from the queue and delivers them. Any thread may call any method.

    Answers to commands wait in it, whatever is changed meanwhile.
    """

    def start(self) -> None:
        """Start the thread that delivers. Again after `stop`."""
        ...

    def change(self, settings: PublisherSettings) -> None:
        """Go on by other settings; `stop` before and `start` after where they need another link.

        Raises ValueError where that was not done.

        The link stays: a birth goes out before any row that is encoded by the new settings. A link
        that is down is tried at once.
        """
        ...

    def wake(self) -> None:
        """Say that the queue has new rows. Never blocks."""
        ...

    def publish_retained(self, topic: str, payload: bytes) -> None:
        """Publish a retained message as soon as may be; of one topic the latest wins."""
        ...

    def stop(self, timeout_s: float) -> None:
        """Let what is in flight be acknowledged, for `timeout_s` at most, and end."""
        ...

    def health(self) -> LinkHealth:
        """Return the state of the link."""
        ...


class Identity(msgspec.Struct, frozen=True):
    """Who the device is to the broker. The client id is stable, so that it is known by it.

    Its parts are joined by colons, which no name holds: no two devices, and no command beside a
    daemon, ever have the same one and throw each other out.
    """

    site: str
    device: str
    client_id: str

    @classmethod
    def of(cls, site: str, device: str) -> Identity:
        """Return the identity of a device: its client id is `edge:{site}:{device}`."""
        return cls(site, device, f"edge:{site}:{device}")

    def beside(self, purpose: str) -> Identity:
        """Return the same device under `edge:{site}:{device}:{purpose}`: its daemon stays."""
        return msgspec.structs.replace(self, client_id=f"{self.client_id}:{purpose}")

    @property
    def root(self) -> str:
        """The topic level under which everything of the device lies."""
        return Topics(self.site, self.device).base

    @property
    def command_root(self) -> str:
        """The topic level of its commands."""
        return f"{self.root}/cmd"


class LinkHealth(msgspec.Struct, frozen=True):
    """The state of the link; times are monotonic.

    `degraded`: the link stands, and the broker refuses some records, which wait. `reason` is one
    line for people: why the link is as it is, and what to do. `since_s` is when it was gained or
    lost; `last_ack_s` advances while anything is in flight and the broker answers.
    Maxima are what the broker granted on this connection (packet size 0: no limit), `keepalive_s`
    how often it must hear something, `retains` and `wildcards` whether it has them. `announced` is
    the revision of the birth that the broker acknowledged last. `by_kind` is
    (messages, bytes) of PUBLISH packets by what they are.
    """

    state: LinkState
    reason: Text
    since_s: float
    attempts: int = 0
    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    rejected: int = 0
    in_flight: int = 0
    bytes_out: int = 0
    last_ack_s: float | None = None
    broker: str = ""
    protocol: int = 0
    receive_maximum: int = 0
    alias_maximum: int = 0
    max_packet_bytes: int = 0
    keepalive_s: float = 0.0
    retains: bool = True
    wildcards: bool = True
    announced: int = 0
    by_kind: dict[str, tuple[int, int]] = {}
