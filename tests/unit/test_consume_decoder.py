"""What a message says, as its type; what is no record, with its reason."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.clock import Stamp
from edge_runtime.consume import (
    ClassificationPayload,
    CountsPayload,
    DetectionsPayload,
    DeviceBirth,
    DeviceGap,
    DeviceHealth,
    DeviceMessage,
    DeviceRecord,
    DeviceStatus,
    EventPayload,
    MessageDecoder,
    MessageProcessor,
    ReadingPayload,
    ReceivedMessage,
    Undecodable,
)
from edge_runtime.encode import Encoder, StreamNames, Topics
from edge_runtime.encode.reader import Decoded, PayloadError, Reader
from edge_runtime.records import (
    Classification,
    ClassScore,
    Counts,
    Detection,
    Detections,
    Event,
    Gap,
    LabelCount,
    Measure,
    ModelRef,
    Reading,
    Stored,
)
from support.payloads import CBOR, GOOD, HEAD, PAYLOADS, as_json

MODEL = ModelRef("coco", "9f3c1a2b" * 8, ("person", "bicycle", "car"))
BASE = "edge/v1/hill/gate"
BODIES: dict[str, Any] = {
    "detections": Detections((Detection(2, 0.75, (0.125, 0.25, 0.5, 0.75), 7),)),
    "event": Event("cross", Detection(0, 0.9, (0.0, 0.0, 1.0, 1.0), 3), 1, "in"),
    "counts": Counts(60.0, (LabelCount(2, 4, 2, 0.5),), 0),
    "classification": Classification((ClassScore(1, 0.5),)),
    "reading": Reading((Measure("level", "m", 3.25), Measure("flow", "l/s", 0.5, 1.5))),
    "gap": Gap(3, 9, 7, "disk_full", 4),
}


def stored(body: Any, seq: int = 1, *, late: bool = False, synced: bool = True) -> Stored:
    stamp = Stamp(1_700_000_000.125, 1.0, synced)
    names = {"rules": ("yard", "line")}
    return Stored(1, 5, seq, "yard", stamp, body, MODEL, late, **names)


def encoder_of(encoding: str) -> Encoder:
    names = StreamNames(MODEL, "synthetic", encoding, ("yard", "line"), MODEL.labels)  # type: ignore[arg-type]
    return Encoder(Topics("hill", "gate"), {"yard": names})


def decoded_of(encoding: str, one: Stored, *, birth: bool = True) -> DeviceMessage | Undecodable:
    """Return what a decoder makes of the bytes of the real encoder."""
    encoder, decoder = encoder_of(encoding), MessageDecoder()
    if birth:
        decoder.decode(ReceivedMessage(f"{BASE}/status", encoder.birth(5), retained=True))
    message = encoder.encode(one)
    item = decoder.decode(ReceivedMessage(message.topic, message.payload))
    assert item is not None
    return item


@pytest.mark.parametrize("encoding", ["json", "cbor"])
@pytest.mark.parametrize("kind", BODIES)
def test_what_the_encoder_makes_is_a_typed_record_with_its_names(kind: str, encoding: str) -> None:
    record = decoded_of(encoding, stored(BODIES[kind], 4, late=True, synced=False))
    assert isinstance(record, DeviceRecord)
    assert (record.site, record.device, record.kind) == ("hill", "gate", kind)
    assert (record.boot, record.seq, record.ts) == (5, 4, 1_700_000_000.125)
    assert record.time.isoformat() == "2023-11-14T22:13:20.125000+00:00"
    assert (record.late, record.clock_synced, record.model) == (True, False, "9f3c1a2b")
    payload: Any = record.payload
    match kind:
        case "detections":
            assert isinstance(payload, DetectionsPayload)
            assert (payload.objects[0].label, payload.objects[0].track) == ("car", 7)
        case "event":
            assert isinstance(payload, EventPayload)
            assert (payload.rule, payload.direction, payload.event) == ("line", "in", "cross")
            assert payload.object is not None
            assert payload.object.label == "person"
        case "counts":
            assert isinstance(payload, CountsPayload)
            assert (payload.rule, payload.counts["car"].entered) == ("yard", 4)
        case "classification":
            assert isinstance(payload, ClassificationPayload)
            assert payload.classes[0].label == "bicycle"
        case "reading":
            assert isinstance(payload, ReadingPayload)
            assert payload.values() == {"level": 3.25, "flow": 0.5}
        case "gap":
            assert isinstance(record, DeviceGap)
            assert (record.from_seq, record.to_seq, record.of_boot) == (3, 9, 4)
            assert (record.count, record.reason) == (7, "disk_full")


def test_what_a_device_says_of_itself_has_its_type() -> None:
    decoder = MessageDecoder()
    birth = decoder.decode(ReceivedMessage(f"{BASE}/status", encoder_of("cbor").birth(5)))
    assert isinstance(birth, DeviceBirth)
    assert (birth.state, birth.boot, birth.streams) == ("online", 5, ("yard",))
    will = decoder.decode(ReceivedMessage(f"{BASE}/status", b'{"state":"offline","boot":5}'))
    assert isinstance(will, DeviceStatus)
    assert not isinstance(will, DeviceBirth)
    health = decoder.decode(ReceivedMessage(f"{BASE}/health", b'{"state":"degraded"}'))
    assert isinstance(health, DeviceHealth)
    assert health.state == "degraded"
    cleared = decoder.decode(ReceivedMessage(f"{BASE}/status", b"", retained=True))
    assert type(cleared) is DeviceMessage
    assert cleared.fields is None
    later = decoder.decode(ReceivedMessage(f"{BASE}/desired", b'{"of":"a later version"}'))
    assert type(later) is DeviceMessage
    for topic in ("cmd/replay", "reply/replay", "a/b/c"):
        assert decoder.decode(ReceivedMessage(f"{BASE}/{topic}", b"{}")) is None
    assert decoder.decode(ReceivedMessage("else/where", b"{}")) is None


@pytest.mark.parametrize("kind", ["detections", "event", "counts", "classification", "reading"])
def test_numbers_for_names_are_never_shown_in_place_of_the_names(kind: str) -> None:
    lacking = decoded_of("cbor", stored(BODIES[kind]), birth=False)
    assert isinstance(lacking, Undecodable)
    assert "no birth of hill/gate tells what they stand for" in lacking.reason
    assert isinstance(decoded_of("json", stored(BODIES[kind]), birth=False), DeviceRecord)


def test_a_device_that_is_offline_when_a_consumer_comes_has_no_names() -> None:
    decoder = MessageDecoder()
    decoder.decode(ReceivedMessage(f"{BASE}/status", b'{"state":"offline","boot":5}'))
    encoder = encoder_of("cbor")
    birth = encoder.birth(6)
    message = encoder.encode(stored(BODIES["detections"]))
    assert isinstance(decoder.decode(ReceivedMessage(message.topic, message.payload)), Undecodable)
    decoder.decode(ReceivedMessage(f"{BASE}/status", birth))
    again = decoder.decode(ReceivedMessage(message.topic, message.payload))
    assert isinstance(again, DeviceRecord)
    assert decoder.undecodable == 1


def test_a_class_without_a_name_is_a_number_and_a_birth_that_is_not_its_own_is_named() -> None:
    decoder = MessageDecoder()
    decoder.decode(ReceivedMessage("edge/v1/s/d/status", as_json(GOOD["status"])))
    body = {0: 1500, 1: 1, 2: 1, 3: 0, 6: [9, 50, 0, 0, 10000, 10000, 3]}
    record = decoder.decode(ReceivedMessage("edge/v1/s/d/gate/detections", cbor2.dumps(body)))
    assert isinstance(record, DeviceRecord)
    assert record.payload.objects[0].label == "#9"
    for stream, wrong in (("gate", {3: 4}), ("other", {})):
        other = cbor2.dumps({**body, **wrong})
        item = decoder.decode(ReceivedMessage(f"edge/v1/s/d/{stream}/detections", other))
        assert isinstance(item, Undecodable)
        assert "and the birth of s/d does not tell what they stand for" in item.reason


@settings(max_examples=60, deadline=None)
@given(messages=st.lists(PAYLOADS, max_size=8))
def test_whatever_comes_a_processor_goes_on(messages: list[tuple[str, bytes]]) -> None:
    processor = MessageProcessor(1.0, lambda _request: 1)
    for second, (topic, payload) in enumerate(messages):
        message = ReceivedMessage(f"edge/v1/s/d/{topic}", payload)
        for item in (*processor.take(message, float(second)), *processor.tick(float(second))):
            assert str(item)
            if isinstance(item, DeviceRecord):
                assert item.payload is not None
                assert item.boot >= 1
    last = as_json({**HEAD, "seq": 2**39, "event": "dwell"})
    message = ReceivedMessage("edge/v1/s/d/gate/event", last)
    assert any(isinstance(item, DeviceRecord) for item in processor.take(message, 100.0))
    list(processor.tick(200.0))


# What payloads are held against


def test_good_records_pass_in_json_and_cbor_and_with_fields_of_later_versions() -> None:
    reader = Reader()
    reader.decode("edge/v1/s/d/status", as_json(GOOD["status"]))
    for topic, value in GOOD.items():
        more = {**value, "added": {"later": [1.5]}} if isinstance(value, dict) else value
        decoded = reader.decode(f"edge/v1/s/d/{topic}", as_json(more))
        assert topic.startswith("reply") or (decoded is not None and decoded.payload == more)
    for topic, value in CBOR.items():
        decoded = reader.decode(f"edge/v1/s/d/{topic}", cbor2.dumps(value))
        assert isinstance(decoded, Decoded)


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("gate/event", b"not json", "no record: neither JSON nor CBOR ("),
        ("gate/event", b"{}", "missing required field"),
        ("gate/event", b'{"ts":"yesterday","seq":1,"boot":1,"model":"","event":""}', "$.ts"),
        ("status", b'{"state":{"a":1},"boot":1}', "$.state"),
        ("health", b"[]", "Expected `object`"),
        ("gate/counts", b'{"ts":1e308,"seq":1,"boot":1,"model":"x"}', "$.ts"),
        ("gate/reading", b'[{"bn":"x","v":NaN}]', "malformed"),
        ("gate/of_a_later_version", b"5", "no record: neither JSON nor CBOR"),
        ("gate/of_a_later_version", b'{"a":' + b"[" * 50 + b"]" * 50 + b"}", "nested deeper"),
        ("gate/detections", b"[" * 100_000, "no record: "),
        ("gate/detections", b"x" * 2_000_000, "no record: 2000000 bytes"),
        ("pump/event", cbor2.dumps({**CBOR["pump/event"], 7: -1}), "no word has the place -1"),
        ("gate/reading", cbor2.dumps([{"n": float("nan")}]), "JSON cannot carry"),
        ("gate/reading", cbor2.dumps([{"n": b"bytes"}]), "JSON cannot carry (bytes)"),
    ],
)
def test_what_is_no_record_is_told_with_its_reason(topic: str, payload: bytes, why: str) -> None:
    with pytest.raises(PayloadError) as told:
        Reader().decode(f"edge/v1/s/d/{topic}", payload)
    assert str(told.value).startswith(f"edge/v1/s/d/{topic}: ")
    assert why in str(told.value)
    assert len(str(told.value)) < 400


def test_a_few_bytes_that_mean_millions_of_values_are_refused() -> None:
    # Each list holds the one before a hundred times, by reference (CBOR's tags 28 and 29).
    bomb = b"\xd8\x1c\x80"
    for number in range(6):
        bomb = b"\xd8\x1c\x98\x64" + bomb + (b"\xd8\x1d" + bytes([number])) * 99
    with pytest.raises(PayloadError, match="more than 100000 values"):
        Reader().decode("edge/v1/s/d/gate/reading", b"\x81" + bomb)
