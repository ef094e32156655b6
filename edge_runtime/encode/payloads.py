"""What subscribers may rely on: types that check payloads, and from which the schema is made.

Annotations check what comes; what stands in `extra_json_schema` or in `NOTES` is said in the schema
alone: this version promises it, and a reader lets through what a later one adds (another event,
another reason).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec
from msgspec import Meta, field

MOST_BOOTS = 1 << 22
NAME_CHARACTERS = 128  # of a rule or channel

Moment: TypeAlias = Annotated[float, Meta(ge=0.0, le=1e11)]  # Unix seconds
Count: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 62)]
Positive: TypeAlias = Annotated[int, Meta(ge=1, lt=1 << 62)]
Seq: TypeAlias = Annotated[int, Meta(ge=1, lt=1 << 40)]
Boot: TypeAlias = Annotated[int, Meta(ge=1, lt=MOST_BOOTS)]
# A real value has no bounds of its own: the reader has seen that all numbers are finite.
Share: TypeAlias = Annotated[float, Meta(extra_json_schema={"minimum": 0, "maximum": 1})]
Name: TypeAlias = Annotated[str, Meta(extra_json_schema={"maxLength": NAME_CHARACTERS})]
Unit: TypeAlias = Annotated[
    str, Meta(description="RFC 8428, section 12.1", extra_json_schema={"maxLength": 16})
]
Label: TypeAlias = Annotated[
    str,
    Meta(
        description="as the birth lists it: shortened by the rule in the README",
        extra_json_schema={"maxLength": 64},
    ),
]
ModelHash: TypeAlias = Annotated[
    str,
    Meta(
        description="first 8 hex digits of the weights' SHA-256; 00000000 where no model made it",
        extra_json_schema={"pattern": "^[0-9a-f]{8}$"},
    ),
]
Late: TypeAlias = Annotated[
    bool, Meta(description="delivered after an outage", extra_json_schema={"const": True})
]
Unsynced: TypeAlias = Annotated[
    str,
    Meta(description="the wall clock was not yet trusted", extra_json_schema={"const": "unsynced"}),
]
Doubtful: TypeAlias = Annotated[
    bool,
    Meta(
        description="the camera was declared not to see properly when it was made, or in a part of "
        "its time",
        extra_json_schema={"const": True},
    ),
]
RecordSeq: TypeAlias = Annotated[Seq, Meta(description="rises by one per device and boot")]
RecordBoot: TypeAlias = Annotated[Boot, Meta(description="a counter that survives restarts")]


class WirePayload(msgspec.Struct):
    """An object in a payload. `NOTES` are merged into its part of the schema."""

    NOTES: ClassVar[Mapping[str, Any]] = {}


class RecordPayload(WirePayload, kw_only=True):
    """What every record bears."""

    ts: Annotated[Moment, Meta(description="Unix seconds at capture, to the millisecond")]
    seq: RecordSeq
    boot: RecordBoot
    model: ModelHash
    late: Late = False
    clock: Unsynced = ""
    doubtful: Doubtful = False


class SpanPayload(RecordPayload, kw_only=True):
    """A record of a time. Before the clock is set, what began at boot began before 1970."""

    begin: float = field(name="from")
    end: float = field(name="to")


class StreamPayload(WirePayload):
    """A stream in the birth: the names that CBOR refers to."""

    NOTES: ClassVar[Mapping[str, Any]] = {"required": ["kind"]}

    kind: Annotated[str, Meta(description="kind of the source")] = ""
    model: str = ""
    labels: Annotated[
        list[Label], Meta(description="CBOR's class ids are places in this list")
    ] = []
    labels_omitted: Annotated[
        Positive,
        Meta(
            description="how many labels there are, where they are too many for a birth; "
            "records bear them"
        ),
    ] = 0
    rules: Annotated[list[Name], Meta(description="CBOR's rules are places in this list")] = []
    encoding: Annotated[str, Meta(extra_json_schema={"enum": ["json", "cbor"]})] = "json"


class ConfigPayload(WirePayload):
    """The last good configuration is at work; absent when all is well."""

    state: Annotated[str, Meta(extra_json_schema={"const": "fallback"})]
    reason: Annotated[
        str,
        Meta(
            description="what is wrong with the configuration's file",
            extra_json_schema={"maxLength": 240},
        ),
    ]


class StatusPayload(WirePayload):
    """Birth, will and clean stop; retained."""

    state: Annotated[str, Meta(extra_json_schema={"enum": ["online", "offline", "stopped"]})]
    boot: Boot
    version: str = ""
    schema: Annotated[int, Meta(extra_json_schema={"const": 1})] = 1
    models: Annotated[list[str], Meta(description="CBOR's `model` is a place in this list")] = []
    config: ConfigPayload | None = None
    streams: dict[str, StreamPayload] = {}


class HealthPayload(WirePayload):
    """How all parts are; retained. Free in all but its state."""

    state: Annotated[str, Meta(extra_json_schema={"enum": ["ok", "degraded"]})]


# Topics of the device itself.
OF_DEVICE: dict[str, type[WirePayload]] = {"status": StatusPayload, "health": HealthPayload}
