"""The person clip from the file to a real subscriber: every box, every event, every byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge_runtime.infer.engines import open_backend
from support.broker import Mosquitto
from support.daemon import Daemon, Ear, command, without_duplicates

RUN_S = 240.0
CLIP = "one-by-one-person-detection.mp4"
FRAMES = 1394
SCORE = 0.5


def bare_boxes(data: Path) -> Iterator[list[tuple[int, float, list[float]]]]:
    """What a plain loop around the interpreter sees: read, resize, convert, invoke."""
    backend = open_backend(
        data / "models" / "coco_ssd_mobilenet_v1_1.0_quant.tflite",
        engine="auto",
        delegate=None,
    )
    clip = cv2.VideoCapture(str(data / "video" / CLIP))
    while True:
        ok, frame = clip.read()
        if not ok:
            return
        small = cv2.cvtColor(cv2.resize(frame, (300, 300)), cv2.COLOR_BGR2RGB)
        boxes, classes, scores, _count = backend.infer(small[None])
        yield [
            (int(c), float(s), [min(1.0, max(0.0, float(box[i]))) for i in (1, 0, 3, 2)])
            for box, c, s in zip(boxes[0], classes[0], scores[0], strict=True)
            if s > SCORE
        ]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_frame_gives_a_bare_interpreters_boxes(
    data: Path, packs: Path, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(
        f"""
        [[streams]]
        name = "gate"
        source = {{ kind = "video", path = "{data / "video" / CLIP}", realtime = false }}
        model = {{ pack = "coco-ssd-mobilenet-v1", min_score = {SCORE} }}
        publish = {{ mode = "every_inference", encoding = "cbor" }}
        """,
        packs,
    )
    run.start()
    assert run.wait(RUN_S) == 0, run.text()
    ear.wait_for_the_end()
    records = without_duplicates(ear.of("detections"))
    assert len(records) == FRAMES
    assert [r["seq"] for r in records] == sorted(r["seq"] for r in records)
    labels: dict[str, int] = {}
    for record, bare in zip(records, bare_boxes(data), strict=True):
        assert len(record["objects"]) == len(bare)
        for seen, (_class_id, score, box) in zip(record["objects"], bare, strict=True):
            labels[seen["label"]] = labels.get(seen["label"], 0) + 1
            assert seen["score"] == pytest.approx(score, abs=0.0051)
            assert seen["box"] == pytest.approx(box, abs=0.000051)
    assert labels == {"person": 1048, "tv": 201}


def presence(payloads: list[Any]) -> list[tuple[str, str]]:
    return [(one["event"], one["object"]["label"]) for one in payloads]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("encoding", ["json", pytest.param("cbor", marks=pytest.mark.long)])
def test_six_people_come_and_go_with_the_shipped_example(
    encoding: str,
    data: Path,
    packs: Path,
    example: str,
    daemon: Callable[..., Daemon],
    ear: Ear,
    mosquitto: Mosquitto,
) -> None:
    """The shipped file, but for the address, the clip in place of the camera, the encoding."""
    run = daemon("", packs)
    text = example.replace("mqtts://broker.ha-giang.example:8883", mosquitto.url)
    camera = next(line for line in text.splitlines() if line.startswith("source = "))
    clip = f'source = {{ kind = "video", path = "{data / "video" / CLIP}", realtime = false }}'
    text = text.replace(camera, clip).replace('encoding = "json" }', f'encoding = "{encoding}" }}')
    run.config.write_text(text)
    run.start()
    assert run.wait(RUN_S) == 0, run.text()
    ear.wait_for_the_end()
    events = without_duplicates(ear.of("event"))
    assert presence(events) == [("enter", "person"), ("exit", "person")] * 6
    assert len({one["object"]["track"] for one in events}) == 6
    results = [m for m in ear.raw if m.topic.endswith("/event")]
    assert {m.payload[:1] == b"{" for m in results} == {encoding == "json"}
    # 3.3 MB of video: all that went upstream, birth and health included.
    assert ear.upstream_bytes() < (2048 if encoding == "cbor" else 4096)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_example_of_the_contract_counts_six_people_in_its_zone(
    data: Path, packs: Path, daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(
        f"""
        [[streams]]
        name = "gate"
        source = {{ kind = "video", path = "{data / "video" / CLIP}", realtime = false }}
        gate = {{ kind = "motion" }}
        model = {{ pack = "coco-ssd-mobilenet-v1", min_score = 0.5, labels = ["person"] }}
        track = {{ max_lost_s = 2.0 }}
        rules = [
          {{ kind = "zone", name = "yard",
             polygon = [[0.0, 0.4], [1.0, 0.4], [1.0, 1.0], [0.0, 1.0]] }},
        ]
        publish = {{ mode = "events", encoding = "cbor" }}
        """.replace("\n             ", " "),
        packs,
    )
    run.start()
    assert run.wait(RUN_S) == 0, run.text()
    ear.wait_for_the_end()
    events = without_duplicates(ear.of("event"))
    assert presence(events) == [("enter", "person"), ("exit", "person")] * 6
    assert {one["rule"] for one in events} == {"yard"}


def test_a_clip_that_is_not_there_is_said_in_one_line(
    tmp_path: Path, daemon: Callable[..., Daemon]
) -> None:
    run = daemon('[[streams]]\nname = "gate"\nsource = { kind = "video", path = "no.mp4" }\n')
    result = command("run", "--config", str(run.config))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "streams[0].source.path" in result.stderr
