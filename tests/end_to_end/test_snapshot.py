"""`edge-runtime snapshot`, and whoever looks on, beside a real daemon that is reloaded."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from edge_runtime.daemon.preview_client import Preview, previews
from edge_runtime.daemon.preview_protocol import SOCKET, PreviewError, PreviewRequest
from edge_runtime.daemon.status_socket import ask
from edge_runtime.stream.jpeg import decode_jpeg
from support.daemon import Daemon, Ear, command
from support.road import stream, synthetic
from support.waiting import until

ROAD = stream(
    "road",
    synthetic("rate_fps = 8, width = 640, height = 360"),
    more='track = {}\npublish = { mode = "every_inference" }',
)
FAR = stream("far", '{ kind = "camera", device = "/dev/no-camera" }')
PUMP = """
[[streams]]
name = "pump"
source = { kind = "vibration" }
model = { pack = "bearing-vibration" }
rules = [{ kind = "threshold", name = "worn", channel = "ball", above = 0.5 }]
"""


def snapshot(run: Daemon, *words: str) -> tuple[int, str, str]:
    done = command("snapshot", *words, "--state-dir", str(run.state), timeout_s=60.0)
    return done.returncode, done.stdout, done.stderr


def test_a_picture_of_the_running_daemon_and_why_there_is_none(
    daemon: Callable[..., Daemon], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = daemon(ROAD + FAR + PUMP)
    file = tmp_path / "road.jpg"
    none = snapshot(run, "road", "--out", str(file))
    assert none == (1, "", f"edge-runtime: no daemon runs with the state folder {run.state}\n")
    run.start()
    until((run.state / SOCKET).exists, "the socket", within_s=60)
    code, out, err = snapshot(run, "road", "--width", "320", "--out", str(file), "--wait", "60")
    assert (code, err) == (0, "")
    assert out.startswith(f"{file}: 320 x 180, ")
    picture = cv2.imread(str(file))
    assert picture is not None
    assert picture.shape == (180, 320, 3)
    monkeypatch.setenv("LANGUAGE", "vi")
    assert "/dev/no-camera: không" in snapshot(run, "far")[2]
    for name, reason in (
        ("pump", "it is a sensor's stream, which gives no pictures"),
        ("yard", "there is no stream of this name; there are: road, far, pump"),
    ):
        with pytest.raises(PreviewError, match=f"^{name}: {reason}$"):
            next(previews(run.state, PreviewRequest(name)))
    assert run.stop() == 0
    assert not (run.state / SOCKET).exists()


def test_who_looks_goes_on_over_a_reload_and_boxes_are_those_that_were_published(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(ROAD)
    process = run.start()
    ear.wait_for(lambda heard: len(heard.of("detections")) > 3)
    taken: list[Preview] = []
    ends = threading.Event()

    def look() -> None:
        for one in previews(run.state, PreviewRequest("road", most_fps=10, count=0, wait_s=60)):
            taken.append(one)
            if ends.is_set():
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        until(lambda: len(taken) > 5, "pictures", within_s=60)
        for old, new, opens in (("track = {}", "", 1), ("height = 360", "height = 320", 2)):
            run.config.write_text(run.config.read_text().replace(old, new))
            process.send_signal(signal.SIGHUP)
            assert next(previews(run.state, PreviewRequest("road", wait_s=60))).jpeg
            until(
                lambda opens=opens: (
                    (told := ask(run.state)) is not None
                    and told["streams"].get("road", {}).get("opens") == opens
                ),
                "the change",
                within_s=60,
            )
            after = len(taken)
            until(lambda after=after: len(taken) > after + 3, "further pictures", within_s=60)
    finally:
        ends.set()
        thread.join(60.0)
    assert {decode_jpeg(one.jpeg).shape for one in (taken[0], taken[-1])} == {
        (360, 640, 3),
        (320, 640, 3),
    }
    inferred = [one.head for one in taken if one.head.outcome == "inferred"]
    assert len(inferred) > 5
    # Before the stop: what it finds undelivered it keeps for the next start.
    ear.wait_for(lambda heard: inferred[-1].ts in {one["ts"] for one in heard.of("detections")})
    assert run.stop() == 0
    published = {one["ts"]: one["objects"] for one in ear.of("detections")}
    for head in inferred:
        objects = published[head.ts]
        assert [(o.label, o.track) for o in head.objects] == [
            (o["label"], o.get("track", 0)) for o in objects
        ]
        for one, other in zip(head.objects, objects, strict=True):
            assert one.box == pytest.approx(other["box"], abs=1e-3)
    assert b"JFIF" not in b"".join(message.payload for message in ear.raw)
