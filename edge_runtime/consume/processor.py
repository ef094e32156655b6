"""What becomes of a message: decoded, once each, missing ones noticed and asked for.

No clock, no I/O, no thread: whoever has messages and a time can drive it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from edge_runtime.consume.arrivals import ReceivedMessage
from edge_runtime.consume.decoder import MessageDecoder
from edge_runtime.consume.healing import COMMAND, HoleHealer, PublishRequest
from edge_runtime.consume.items import (
    ConsumerItem,
    DeviceBirth,
    DeviceGap,
    DeviceRecord,
    DeviceStatus,
    TrackingReduced,
)
from edge_runtime.consume.ledger import SequenceLedger
from edge_runtime.errors import Text
from edge_runtime.topics import parse_topic


class MessageProcessor:
    """Turns messages into items. `publish`: how devices are asked for what is missing; None: not.

    Times are monotonic seconds. `duplicates`: how many records came again and were left out.
    """

    def __init__(self, grace_s: float, publish: PublishRequest | None = None) -> None:
        self._decoder = MessageDecoder()
        self._ledger = SequenceLedger(grace_s)
        self._healer = HoleHealer(self._ledger, grace_s, publish)
        self.duplicates = 0

    @property
    def undecodable(self) -> int:
        """How many messages were no records."""
        return self._decoder.undecodable

    def take(self, received: ReceivedMessage, now_s: float) -> Iterator[ConsumerItem]:
        """Take a message in; yield what comes of it: nothing for a record that came before."""
        item = self._decoder.decode(received)
        if item is None:
            yield from self._answer(received, now_s)
        elif isinstance(item, DeviceRecord):
            if (record := self._record(item, now_s)) is not None:
                yield record
        else:
            if isinstance(item, DeviceStatus):
                self._status(item, now_s)
            yield item

    def tick(self, now_s: float) -> Iterator[ConsumerItem]:
        """Yield what time has brought about; to be called a few times a second."""
        yield from self._healer.tick(now_s)
        if (losses := self._ledger.take_losses()) is not None:
            yield TrackingReduced(**msgspec.structs.asdict(losses))

    def request_refused(self, publish_id: int, reason: Text) -> Iterator[ConsumerItem]:
        """Take in that the broker did not take a request."""
        yield from self._healer.refused_by_broker(publish_id, reason)

    def _answer(self, received: ReceivedMessage, now_s: float) -> Iterator[ConsumerItem]:
        """Take in a device's answer to a request, where a message that is no record is one."""
        address = parse_topic(received.topic)
        if address is not None and (address.stream, address.kind) == ("reply", COMMAND):
            yield from self._healer.answer(address.site, address.device, received, now_s)

    def _record(self, record: DeviceRecord, now_s: float) -> DeviceRecord | None:
        ledger = self._ledger.of(record.site, record.device)
        if record.late:
            ledger.note_late(now_s)
        if not self._ledger.note(record.site, record.device, record.boot, record.seq, now_s):
            self.duplicates += 1
            return None
        if isinstance(record, DeviceGap):
            ledger.explain(record.of_boot, record.from_seq, record.to_seq)
        if self._healer.asked_for(record.site, record.device, record.boot, record.seq):
            return msgspec.structs.replace(record, replayed=True)
        return record

    def _status(self, status: DeviceStatus, now_s: float) -> None:
        ledger = self._ledger.of(status.site, status.device)
        ledger.note_boot(status.boot)
        # A link broke or came back: records are on their way for a while.
        ledger.note_late(now_s)
        if isinstance(status, DeviceBirth):
            self._healer.device_connected(status.site, status.device, now_s)
