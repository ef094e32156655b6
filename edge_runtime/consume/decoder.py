"""A message as it came → what it says. Pure: no clock, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from edge_runtime.consume.arrivals import ReceivedMessage
from edge_runtime.consume.items import (
    DeviceBirth,
    DeviceGap,
    DeviceHealth,
    DeviceMessage,
    DeviceRecord,
    DeviceStatus,
    Undecodable,
)
from edge_runtime.encode.reader import REQUESTS, Decoded, PayloadError, Reader
from edge_runtime.errors import EMPTY, Text, text_of_error
from edge_runtime.language import N_
from edge_runtime.topics import parse_topic

# What the reader puts in place of a name that it does not know, as `labels.named` makes it.
NUMBER = re.compile(r"#\d+")
# The fields in which CBOR has numbers for names.
LABEL = "label"
NAMED = ("model", LABEL, "rule")
SHOWN_NUMBERS = 3


class MessageDecoder:
    """Decodes what devices publish; says where CBOR has numbers for names that no birth told."""

    def __init__(self) -> None:
        self._reader = Reader()
        self.undecodable = 0

    def decode(self, received: ReceivedMessage) -> DeviceMessage | Undecodable | None:
        """Return what a message says; None where it is no device's, or a request or its answer."""
        address = parse_topic(received.topic)
        if address is None or address.stream in REQUESTS:
            return None
        try:
            payload = self._reader.read(address, received.payload)
        except PayloadError as error:
            return self._undecodable(received, text_of_error(error))
        decoded = Decoded(received.topic, *address, payload)
        if why := self._lacking_names(decoded, received.payload):
            return self._undecodable(received, why)
        return message_of(decoded, received)

    def _undecodable(self, received: ReceivedMessage, reason: Text) -> Undecodable:
        self.undecodable += 1
        return Undecodable(
            topic=received.topic,
            reason=reason,
            size_bytes=len(received.payload),
            total=self.undecodable,
        )

    def _lacking_names(self, decoded: Decoded, payload: bytes) -> Text:
        """Say which names a CBOR record has numbers for and no birth tells; empty: none."""
        if payload[:1] in (b"", b"{", b"["):
            return EMPTY
        birth = self._reader.birth_of(decoded.site, decoded.device)
        is_listed = birth is not None and decoded.stream in birth.get("streams", {})
        # Of a birth's stream a label that is a number is a class that has no name at all.
        lacking = {
            name for key, name in numbers_in(decoded.payload) if key != LABEL or not is_listed
        }
        if not lacking:
            return EMPTY
        numbers = ", ".join(sorted(lacking)[:SHOWN_NUMBERS])
        which = (
            N_(
                "no record: it has numbers for names ({numbers}), and no birth of {place} tells "
                "what they stand for"
            )
            if birth is None
            else N_(
                "no record: it has numbers for names ({numbers}), and the birth of {place} does "
                "not tell what they stand for"
            )
        )
        return Text(which, numbers=numbers, place=f"{decoded.site}/{decoded.device}")


def numbers_in(payload: Any) -> Iterator[tuple[str, str]]:
    """Yield the numbers that a record has where names belong, each with its field."""
    if isinstance(payload, list):
        for item in payload:
            yield from numbers_in(item)
    elif isinstance(payload, dict):
        for key, value in payload.items():
            if isinstance(value, dict | list):
                yield from numbers_in(value)
            elif key in NAMED and isinstance(value, str) and NUMBER.fullmatch(value):
                yield key, value
        if isinstance(counts := payload.get("counts"), dict):
            yield from ((LABEL, name) for name in counts if NUMBER.fullmatch(name))


def message_of(decoded: Decoded, received: ReceivedMessage) -> DeviceMessage:
    """Return a decoded message as its type."""
    common: dict[str, Any] = {
        "topic": decoded.topic,
        "site": decoded.site,
        "device": decoded.device,
        "stream": decoded.stream,
        "kind": decoded.kind,
        "fields": decoded.payload,
        "size_bytes": len(received.payload),
        "retained": received.retained,
    }
    fields = decoded.payload
    if fields is not None and not decoded.stream:
        return device_message(decoded.kind, fields, common)
    head = head_of(fields)
    boot, seq = whole(head, "boot"), whole(head, "seq")
    if boot is None or seq is None or not decoded.stream:
        return DeviceMessage(**common)
    record: dict[str, Any] = {
        **common,
        "boot": boot,
        "seq": seq,
        "ts": moment_of(head),
        "clock_synced": head.get("clock") != "unsynced",
        "model": str(head.get("model", "")),
        "late": head.get("late") is True,
        "doubtful": head.get("doubtful") is True,
    }
    if decoded.kind == "gap":
        keys = ("from_seq", "to_seq", "count", "reason")
        of_boot = whole(head, "of_boot") or boot
        return DeviceGap(**record, of_boot=of_boot, **{key: head[key] for key in keys})
    return DeviceRecord(**record)


def device_message(kind: str, fields: Any, common: dict[str, Any]) -> DeviceMessage:
    """Return what a device says of itself."""
    if kind == "health":
        return DeviceHealth(**common, state=fields["state"])
    if kind != "status":
        return DeviceMessage(**common)
    status = {**common, "state": fields["state"], "boot": fields["boot"]}
    if fields["state"] != "online":
        return DeviceStatus(**status)
    return DeviceBirth(
        **status,
        version=str(fields.get("version", "")),
        streams=tuple(fields.get("streams", {})),
    )


def head_of(fields: Any) -> dict[str, Any]:
    """Return where a record's own names stand: in SenML the first record of the pack."""
    if isinstance(fields, list):
        fields = fields[0] if fields else None
    return fields if isinstance(fields, dict) else {}


def moment_of(head: Mapping[str, Any]) -> float:
    """Return when a record was captured; 0 where a kind that is not known does not tell."""
    value = head.get("ts", head.get("bt", 0.0))
    return float(value) if isinstance(value, int | float) else 0.0


def whole(head: Mapping[str, Any], key: str) -> int | None:
    """Return a field that is a whole number of at least 1; None: it is none."""
    value = head.get(key)
    return value if type(value) is int and value >= 1 else None
