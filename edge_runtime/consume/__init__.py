"""For programs that consume what devices publish: typed records, once each, missing ones healed.

`Consumer` is the way in (README.md: ten lines to a first result). Below it: `connection` keeps the
connection up, `processor` makes items of messages, by `decoder`, `ledger` and `healing`, none of
which knows a clock or a socket.
"""

from __future__ import annotations

from edge_runtime.broker.reasons import LinkError
from edge_runtime.consume.arrivals import ReceivedMessage
from edge_runtime.consume.consumer import Consumer
from edge_runtime.consume.decoder import MessageDecoder
from edge_runtime.consume.items import (
    ConnectionLost,
    ConnectionRestored,
    ConsumerItem,
    DeviceBirth,
    DeviceGap,
    DeviceHealth,
    DeviceMessage,
    DeviceRecord,
    DeviceStatus,
    HoleClosed,
    HoleFound,
    HoleGivenUp,
    MessagesDropped,
    ReplayAnswered,
    ReplayRefused,
    SequenceHole,
    TrackingReduced,
    Undecodable,
)
from edge_runtime.consume.ledger import DeviceLedger, SequenceLedger
from edge_runtime.consume.payloads import (
    AnomalyPayload,
    ClassificationPayload,
    CountsPayload,
    DetectionsPayload,
    EventPayload,
    GapPayload,
    Payload,
    PosePayload,
    ReadingPayload,
    SenmlPayload,
    SummaryPayload,
)
from edge_runtime.consume.processor import MessageProcessor

__all__ = [
    "AnomalyPayload",
    "ClassificationPayload",
    "ConnectionLost",
    "ConnectionRestored",
    "Consumer",
    "ConsumerItem",
    "CountsPayload",
    "DetectionsPayload",
    "DeviceBirth",
    "DeviceGap",
    "DeviceHealth",
    "DeviceLedger",
    "DeviceMessage",
    "DeviceRecord",
    "DeviceStatus",
    "EventPayload",
    "GapPayload",
    "HoleClosed",
    "HoleFound",
    "HoleGivenUp",
    "LinkError",
    "MessageDecoder",
    "MessageProcessor",
    "MessagesDropped",
    "Payload",
    "PosePayload",
    "ReadingPayload",
    "ReceivedMessage",
    "ReplayAnswered",
    "ReplayRefused",
    "SenmlPayload",
    "SequenceHole",
    "SequenceLedger",
    "SummaryPayload",
    "TrackingReduced",
    "Undecodable",
]  # fmt: skip
