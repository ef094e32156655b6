"""`pose` on the wire: `people: [{score, keypoints: [[x, y, score], …]}]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from edge_runtime.encode.keys import FRACTION, KEYPOINT_STRIDE, PERCENT, Key
from edge_runtime.encode.kinds.base import (
    BirthNames,
    Fields,
    Outgoing,
    WireKind,
    cbor_head,
    json_head,
    read_head,
    refers_to_no_rule,
    rows_of,
    scaled,
)
from edge_runtime.encode.payloads import RecordPayload, Share, WirePayload
from edge_runtime.records import BodyPose, Pose
from edge_runtime.records.pose import MAX_KEYPOINTS, MAX_PEOPLE


class PersonPayload(WirePayload):
    """One body."""

    score: Share
    keypoints: Annotated[
        list[Annotated[tuple[Share, Share, Share], Meta(description="x, y, score")]],
        Meta(extra_json_schema={"maxItems": MAX_KEYPOINTS}),
    ]


class PosePayload(RecordPayload, kw_only=True):
    """The bodies in one frame."""

    people: Annotated[list[PersonPayload], Meta(extra_json_schema={"maxItems": MAX_PEOPLE})]


def to_json(body: Pose, out: Outgoing) -> dict[str, Any]:
    people = [
        {
            "score": round(person.score, 2),
            "keypoints": [[round(x, 4), round(y, 4), round(s, 2)] for x, y, s in person.keypoints],
        }
        for person in body.people
    ]
    return {**json_head(out.stored), "people": people}


def to_cbor(body: Pose, out: Outgoing) -> Fields:
    return {**cbor_head(out), Key.PEOPLE.value: [person_to_row(one) for one in body.people]}


def person_to_row(person: BodyPose) -> list[int]:
    row = [scaled(person.score, PERCENT)]
    for x, y, score in person.keypoints:
        row += (scaled(x, FRACTION), scaled(y, FRACTION), scaled(score, PERCENT))
    return row


def from_cbor(raw: Any, names: BirthNames) -> dict[str, Any]:
    fields = read_head(raw, names)
    return {**fields, "people": [person_from_row(row) for row in raw[Key.PEOPLE]]}


def person_from_row(row: Sequence[int]) -> dict[str, Any]:
    points = rows_of(row[1:], KEYPOINT_STRIDE)
    return {
        "score": row[0] / PERCENT,
        "keypoints": [[x / FRACTION, y / FRACTION, s / PERCENT] for x, y, s in points],
    }


def words(payload: dict[str, Any]) -> str:
    return ", ".join(f"person {one['score']:.2f}" for one in payload["people"]) or "nobody"


WIRE = WireKind(
    record=Pose,
    payload=PosePayload,
    to_json=to_json,
    to_cbor=to_cbor,
    from_cbor=from_cbor,
    rules_agree=refers_to_no_rule,
    words=words,
    in_history=False,
)
