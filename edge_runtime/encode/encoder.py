"""Stored record → message: topic, bytes, content type; and the birth that explains them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import cbor2
import msgspec

from edge_runtime import SCHEMA_VERSION, __version__
from edge_runtime.encode.cbor_form import cbor_fields
from edge_runtime.encode.json_form import json_fields
from edge_runtime.encode.senml import senml_cbor, senml_json
from edge_runtime.errors import EdgeError
from edge_runtime.labels import LISTED_BYTES, listed_bytes, named
from edge_runtime.records import (
    NO_MODEL,
    Counts,
    Event,
    Message,
    ModelRef,
    Reading,
    Stored,
    Summary,
    classes_in,
)
from edge_runtime.topics import Topics

JSON = "application/json"
CBOR = "application/cbor"

# What one record may cost on the wire, in bytes of its larger encoding (JSON): the bounds of
# `records` keep every honest record far below; what is larger is refused, never cut.
BUDGET_BYTES = {
    "detections": 40_960,
    "classification": 4_096,
    "pose": 16_384,
    "anomaly": 256,
    "reading": 8_192,
    "event": 1_024,
    "counts": 65_536,
    "summary": 65_536,
    "gap": 256,
}

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
        names = self._streams.get(stored.stream)
        kind = stored.body.KIND
        index = self._model_index(stored.model)
        if names is not None and index is not None and self._is_read_alike(stored, names):
            payload, content_type = self._cbor(stored, index, names.rules), CBOR
        else:
            payload, content_type = self._json(stored), JSON
        if len(payload) > BUDGET_BYTES[kind]:
            raise RecordTooLargeError(
                f"a {kind} record of {len(payload)} bytes passes its budget of "
                f"{BUDGET_BYTES[kind]} bytes and is not sent"
            )
        return Message(self._topics.result(stored.stream, kind), payload, content_type)

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
        if any(named(place, listed) != stored.label(place) for place in classes_in(body)):
            return False
        match body:
            case Event(rule=place) | Counts(rule=place) if place >= 0:
                # A place without a name says so itself: another birth might have one for it.
                return stored.rules[place : place + 1] == names.rules[place : place + 1] != ()
            case Summary(rule=rule) if rule:
                return rule in names.rules
        return True

    def _base_name(self, stored: Stored) -> str:
        return f"{self._topics.site}/{self._topics.device}/{stored.stream}/"

    def _json(self, stored: Stored) -> bytes:
        if isinstance(stored.body, Reading):
            return msgspec.json.encode(senml_json(stored.body, stored, self._base_name(stored)))
        return msgspec.json.encode(json_fields(stored))

    def _cbor(self, stored: Stored, index: int, rules: tuple[str, ...]) -> bytes:
        if isinstance(stored.body, Reading):
            return cbor2.dumps(senml_cbor(stored.body, stored, self._base_name(stored), index))
        return cbor2.dumps(cbor_fields(stored, index, rules))


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
