"""Stored record → message: topic, bytes, content type; and the birth that explains them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import cbor2
import msgspec

from edge_runtime import SCHEMA_VERSION, __version__
from edge_runtime.encode.kinds import WIRE_KINDS, Outgoing
from edge_runtime.errors import EdgeError
from edge_runtime.labels import LISTED_BYTES, listed_bytes, named
from edge_runtime.records import NO_MODEL, Message, ModelRef, Record, Stored
from edge_runtime.topics import Topics

JSON = "application/json"
CBOR = "application/cbor"

# What the labels of all streams together may come to in a birth, in bytes of JSON.
LABELS_BYTES = 4 * LISTED_BYTES


class RecordTooLargeError(EdgeError):
    """A record is larger than its kind's budget: it is refused and counted."""


class StreamNames(msgspec.Struct, frozen=True):
    """What subscribers need to read one stream's records.

    `labels` are as many of the model's as the stream can name: a birth crosses the link at every
    connect, and a stream that looks for people alone need not list what else there is.
    """

    model: ModelRef
    kind: str
    encoding: Literal["json", "cbor"] = "json"
    rules: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class Encoder:
    """Turns records into messages of one device. Holds no state but names; any thread."""

    def __init__(self, topics: Topics, streams: Mapping[str, StreamNames]) -> None:
        self._topics = topics
        self._streams = dict(streams)
        self._listed = listed_in_birth(streams)
        self._models: list[ModelRef] = []
        for names in self._streams.values():
            if names.model != NO_MODEL and names.model not in self._models:
                self._models.append(names.model)

    def encode(self, stored: Stored) -> Message:
        """Encode in the stream's encoding; raises RecordTooLargeError.

        In CBOR labels and rules are places in the birth's lists. A record for which the birth does
        not hold the names of its time (made under another model or other rules, or of a model with
        more labels than a birth has room for) goes as JSON, which bears them itself.
        """
        kind = WIRE_KINDS[stored.body.KIND]
        names = self._streams.get(stored.stream)
        index = self._model_index(stored.model)
        base_name = f"{self._topics.site}/{self._topics.device}/{stored.stream}/"
        if names is not None and index is not None and self._is_read_alike(stored, names):
            out = Outgoing(stored, base_name, index, names.rules)
            payload, content_type = cbor2.dumps(kind.to_cbor(stored.body, out)), CBOR
        else:
            fields = kind.to_json(stored.body, Outgoing(stored, base_name))
            payload, content_type = msgspec.json.encode(fields), JSON
        check_budget(stored.body, payload)
        return Message(self._topics.result(stored.stream, stored.body.KIND), payload, content_type)

    def birth(self, boot: int, config: Mapping[str, str] | None = None) -> bytes:
        """Return the retained status that says what runs and lists labels, rules and models.

        `config` says why it is not what the configuration's file asks for; left out where it is.
        """
        streams: dict[str, Any] = {}
        for name, names in self._streams.items():
            entry: dict[str, Any] = {"kind": names.kind}
            if names.model != NO_MODEL:
                entry["model"] = names.model.full_name
            if name in self._listed:
                entry["labels"] = list(self._listed[name])
            elif names.labels:
                entry["labels_omitted"] = len(names.labels)
            if names.rules:
                entry["rules"] = list(names.rules)
            entry["encoding"] = names.encoding
            streams[name] = entry
        return msgspec.json.encode(
            {
                "state": "online",
                "boot": boot,
                "version": __version__,
                "schema": SCHEMA_VERSION,
                "models": [model.full_name for model in self._models],
                "streams": streams,
                **({"config": config} if config else {}),
            }
        )

    def _model_index(self, model: ModelRef) -> int | None:
        # A gap or a summary of several streams has no model: CBOR's place -1 says so.
        if model.sha256 == NO_MODEL.sha256:
            return -1
        for index, known in enumerate(self._models):
            if known.sha256 == model.sha256:
                return index
        return None

    def _is_read_alike(self, stored: Stored, names: StreamNames) -> bool:
        """Say whether the stream is in CBOR, and a reader of the birth finds the names of then."""
        if names.encoding != "cbor":
            return False
        listed, body = self._listed.get(stored.stream, ()), stored.body
        if any(named(place, listed) != stored.label(place) for place in body.class_ids()):
            return False
        return WIRE_KINDS[body.KIND].rules_agree(body, stored, names.rules)


def check_budget(body: Record, payload: bytes) -> None:
    """Raise RecordTooLargeError where an encoded record passes what its kind may cost.

    The bounds of `records` keep every honest record far below; what is larger is never cut.
    """
    if len(payload) > body.BUDGET_BYTES:
        raise RecordTooLargeError(
            "a {kind} record of {size} bytes passes its budget of {budget} bytes and is not sent",
            kind=body.KIND,
            size=len(payload),
            budget=body.BUDGET_BYTES,
        )


def listed_in_birth(streams: Mapping[str, StreamNames]) -> dict[str, tuple[str, ...]]:
    """Return the labels that a birth has room for, by stream: the shortest lists first."""
    found: dict[str, tuple[str, ...]] = {}
    sizes = {name: listed_bytes(names.labels) for name, names in streams.items() if names.labels}
    left = LABELS_BYTES
    for name, size in sorted(sizes.items(), key=lambda item: item[1]):
        if size <= min(left, LISTED_BYTES):
            found[name] = streams[name].labels
            left -= size
    return found


def offline(boot: int) -> bytes:
    """Return the will: what the broker says when the device is gone."""
    return msgspec.json.encode({"state": "offline", "boot": boot})


def stopped(boot: int) -> bytes:
    """Return the status after a clean stop."""
    return msgspec.json.encode({"state": "stopped", "boot": boot})
