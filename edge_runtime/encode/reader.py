"""The subscriber's side: JSON or CBOR payloads of any device as plain dicts, in JSON's form."""

from __future__ import annotations

from typing import Any

import cbor2
import msgspec

from edge_runtime.encode.json_values import check_json
from edge_runtime.encode.kinds import WIRE_KINDS, BirthNames
from edge_runtime.encode.kinds.base import read_head
from edge_runtime.encode.payloads import OF_DEVICE
from edge_runtime.errors import EdgeError, located
from edge_runtime.topics import Address, parse_topic

# Far beyond any record of ours; a birth names every label of every stream.
MOST_BYTES = 1 << 20
SHOWN = 200
MOST_BIRTHS = 20_000


class PayloadError(EdgeError):
    """A payload is neither our JSON nor our CBOR, or not what its kind promises."""


REQUESTS = ("cmd", "reply")  # no records: what devices are asked, and what they answer

# What foreign bytes make a decoder or a look-up raise.
BAD_PAYLOAD = (
    cbor2.CBORError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


class Decoded(msgspec.Struct, frozen=True):
    """A message with its topic taken apart and its payload in JSON's form."""

    topic: str
    site: str
    device: str
    stream: str
    kind: str
    payload: Any


class Reader:
    """Decodes results; learns labels, rules and models from the births that pass by.

    Whatever a payload holds, it is JSON's own, and has the fields that its kind promises.
    """

    def __init__(self) -> None:
        self._births: dict[tuple[str, str], dict[str, Any]] = {}

    def decode(self, topic: str, payload: bytes) -> Decoded | None:
        """Decode one message; None where it is no device's result. Raises PayloadError."""
        address = parse_topic(topic)
        if address is None or address.stream in REQUESTS:
            return None
        try:
            return Decoded(topic, *address, self.read(address, payload))
        except PayloadError as error:
            raise PayloadError(located(topic, error)) from None

    def read(self, address: Address, payload: bytes) -> Any:
        """Return the payload in JSON's form. Raises PayloadError; an empty payload is None."""
        if not payload:
            return None
        if len(payload) > MOST_BYTES:
            raise PayloadError("no record: {size} bytes", size=len(payload))
        try:
            value = self._value(address, payload)
            check(address, value)
        except BAD_PAYLOAD as error:
            raise PayloadError(
                "no record: {reason}", reason=str(error)[:SHOWN] or type(error).__name__
            ) from None
        if address.kind == "status" and not address.stream:
            self._learn(address, value)
        return value

    def birth_of(self, site: str, device: str) -> dict[str, Any] | None:
        """Return what a device said when it connected; None where it is away or unknown."""
        birth = self._births.get((site, device))
        return birth if birth is not None and birth["state"] == "online" else None

    def _value(self, address: Address, payload: bytes) -> Any:
        if payload[:1] in (b"{", b"["):
            value = msgspec.json.decode(payload)
            check_json(value)
            return value
        try:
            value = cbor2.loads(payload)
        except BAD_PAYLOAD as error:
            raise ValueError(f"neither JSON nor CBOR ({error})") from None
        check_json(value, key_types=(str, int))
        names = self._names(address)
        kind = WIRE_KINDS.get(address.kind) if address.stream else None
        # Of a kind of a later version at least that what every record bears.
        return kind.from_cbor(value, names) if kind is not None else read_head(value, names)

    def _names(self, address: Address) -> BirthNames:
        """Return what the places in a stream's records stand for, by its device's birth."""
        birth = self._births.get((address.site, address.device), {})
        stream = birth.get("streams", {}).get(address.stream, {})
        return BirthNames(
            stream.get("labels", ()), stream.get("rules", ()), birth.get("models", ())
        )

    def _learn(self, address: Address, birth: dict[str, Any]) -> None:
        """Keep what a device says of itself; of too many the one that was heard first goes."""
        self._births.pop((address.site, address.device), None)
        if len(self._births) >= MOST_BIRTHS:
            del self._births[next(iter(self._births))]
        self._births[address.site, address.device] = birth


def check(address: Address, value: Any) -> None:
    """Raise ValueError where a payload is not what its kind promises. Unknown kinds: an object.

    Fields may be added within a schema version: what a kind does not name is let through.
    """
    if address.stream and address.kind in WIRE_KINDS:
        WIRE_KINDS[address.kind].check(value)
    elif not address.stream and address.kind in OF_DEVICE:
        msgspec.convert(value, OF_DEVICE[address.kind])
    elif not isinstance(value, dict):
        raise ValueError("Expected `object`")
