"""What users get wrong in their files: one line, status 2, no traceback; clips that break."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from support.daemon import command, json_lines
from support.paths import ROOT
from support.road import CLIP, PACK, copy_pack, head, stream, synthetic

NOWHERE = "mqtt://127.0.0.1:1"
Spoil = Callable[[Path], str]


def configured(text: str) -> Spoil:
    return lambda _folder: head(NOWHERE) + text


def with_pack(spoil: Callable[[Path], None]) -> Spoil:
    """Return a configuration whose pack is a spoilt copy of the bundled one."""

    def make(folder: Path) -> str:
        spoil(copy_pack(folder))
        return head(NOWHERE) + stream(model='pack = "pack"')

    return make


def with_weights(change: Callable[[bytes], bytes]) -> Spoil:
    """Return a configuration whose pack has spoilt weights and says their right hash."""

    def make(folder: Path) -> str:
        copy_pack(folder, change((PACK / "village-road.tflite").read_bytes()))
        return head(NOWHERE) + stream(model='pack = "pack"')

    return make


def with_clip(content: bytes) -> Spoil:
    def make(folder: Path) -> str:
        (folder / "clip.mp4").write_bytes(content)
        return head(NOWHERE) + stream(source='{ kind = "video", path = "clip.mp4" }')

    return make


def flip_weights(pack: Path) -> None:
    weights = bytearray((pack / "village-road.tflite").read_bytes())
    weights[len(weights) // 2] ^= 1
    (pack / "village-road.tflite").write_bytes(weights)


def rewrite(old: str, new: str) -> Callable[[Path], None]:
    def change(pack: Path) -> None:
        text = (pack / "pack.toml").read_text()
        assert old in text
        # Without the golden case: the tensors alone must tell.
        (pack / "pack.toml").write_text(text.partition("[golden]")[0].replace(old, new))

    return change


def forget_labels(pack: Path) -> None:
    (pack / "labels.txt").write_text("person\ncar\n")


def swap_golden_input(pack: Path) -> None:
    shutil.copy(ROOT / "models" / "vww-96" / "golden" / "input.png", pack / "golden" / "frame.png")


NOISE = bytes((i * 7919 + (i >> 8) * 104729) % 256 for i in range(50_000))

WRONG: dict[str, tuple[Spoil, str]] = {
    "unknown key": (configured(stream(source=synthetic("frmes = 3"))), "source.frmes: unknown"),
    "wrong type": (configured(stream(source=synthetic('frames = "3"'))), "stands without quotes"),
    "wrong words": (lambda _folder: head(NOWHERE) + stream(source="3"), "a table is wanted"),
    "unknown label": (
        configured(stream(model=f'pack = "{PACK}", labels = ["boat"]')),
        "streams[0].model.labels[0]: 'boat' is not a label of village-road",
    ),
    "no clip": (
        configured(stream(source='{ kind = "video", path = "no.mp4" }')),
        "streams[0].source.path",
    ),
    "corrupt clip": (with_clip(NOISE), "streams[0].source.path"),
    "clip cut in its header": (with_clip(CLIP.read_bytes()[:2000]), "streams[0].source.path"),
    "no pack": (configured(stream(model='pack = "nowhere"')), "streams[0].model.pack"),
    "wrong hash": (with_pack(flip_weights), "the pack wants"),
    "random weights": (with_weights(lambda _: NOISE), "village-road.tflite"),
    "cut weights": (with_weights(lambda good: good[: len(good) * 2 // 3]), "village-road.tflite"),
    "no weights": (with_weights(lambda _: b""), "village-road.tflite"),
    "other decoder": (
        with_pack(rewrite('decoder = "yolo"', 'decoder = "classification"')),
        "pack.toml",
    ),
    "too few labels": (
        with_pack(forget_labels),
        "labels",
    ),
    "mean and std that do not fit": (
        with_pack(rewrite("mean = 127.5\nstd = 127.5", "mean = 0.0\nstd = 255.0")),
        "/pack/pack.toml: input.mean, input.std: with mean = 0, std = 255, the pixel values fill",
    ),
    "broken promise": (
        with_pack(swap_golden_input),
        "golden",
    ),
}  # fmt: skip


def refused(verb: str, what: str, folder: Path) -> None:
    """Hold a command to one line that says where, and status 2."""
    spoil, said = WRONG[what]
    config = folder / "edge-runtime.toml"
    config.write_text(spoil(folder))
    done = command(verb, "--config", str(config), "--state-dir", str(folder / "state"))
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("edge-runtime: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert said in done.stderr
    assert len(done.stderr) < 500


@pytest.mark.parametrize("what", WRONG)
def test_check_refuses_wrong_files_in_one_line(what: str, tmp_path: Path) -> None:
    refused("check", what, tmp_path)


@pytest.mark.parametrize("what", ["corrupt clip", "wrong hash", "random weights", "other decoder"])
def test_run_refuses_wrong_files_in_one_line(what: str, tmp_path: Path) -> None:
    refused("run", what, tmp_path)


def test_check_says_what_a_link_without_tls_means(tmp_path: Path) -> None:
    config = tmp_path / "edge-runtime.toml"
    config.write_text(head("mqtt://192.0.2.1") + stream("bundled"))
    done = command("check", "--config", str(config), "--state-dir", str(tmp_path / "state"))
    assert (done.returncode, done.stderr) == (0, "")
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("note: broker.url: ")]
    assert "forge them, and send commands to this device. Use mqtts://" in said


def test_check_says_once_a_pack_what_the_weights_cannot_confirm(tmp_path: Path) -> None:
    config = tmp_path / "edge-runtime.toml"
    bare = with_pack(rewrite('color = "rgb"', 'color = "bgr"'))  # without its golden case
    config.write_text(bare(tmp_path) + stream("again", model='pack = "pack"') + stream("bundled"))
    done = command("check", "--config", str(config), "--state-dir", str(tmp_path / "state"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.startswith("note: ")] == [
        "note: village-road: the weights cannot confirm color bgr of [input]; try a picture whose "
        "result you know, and keep it as [golden]"
    ]


def test_wrong_files_name_the_configuration_and_the_place(tmp_path: Path) -> None:
    config = tmp_path / "edge-runtime.toml"
    config.write_text(WRONG["unknown label"][0](tmp_path))
    done = command("check", "--config", str(config), "--state-dir", str(tmp_path / "state"))
    assert done.stderr.startswith(f"edge-runtime: {config}: line ")
    assert ": streams[0].model.labels[0]: " in done.stderr


@pytest.mark.parametrize("there", ["a file", "nothing"])
def test_a_configuration_that_cannot_be_read_is_one_line(there: str, tmp_path: Path) -> None:
    path = tmp_path if there == "a file" else tmp_path / "none.toml"
    done = command("run", "--config", str(path), "--state-dir", str(tmp_path / "state"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert str(path) in done.stderr


def test_a_state_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "edge-runtime.toml"
    config.write_text(head(NOWHERE) + stream())
    (tmp_path / "file").touch()
    done = command("run", "--config", str(config), "--state-dir", str(tmp_path / "file" / "state"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "--state-dir" in done.stderr


def test_an_engine_adds_nothing_to_standard_error(tmp_path: Path) -> None:
    config = tmp_path / "edge-runtime.toml"
    config.write_text(head(NOWHERE) + stream())
    done = command("run", "--stdout", "--config", str(config), "--state-dir", str(tmp_path / "s"))
    assert done.returncode == 0
    assert len([one for one in json_lines(done.stdout) if "/detections" in one["topic"]]) == 10
    assert all(" INFO  " in line for line in done.stderr.splitlines()), done.stderr


# Clips that break or end


def write_clip(path: Path, frames: int) -> Path:
    """Write a clip in which each frame stands for itself, so that damage stays where it is."""
    source = cv2.VideoCapture(str(CLIP))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (256, 144))
    for _ in range(frames):
        _, image = source.read()
        writer.write(cv2.resize(image, (256, 144)))
    writer.release()
    return path


def run_clip(tmp_path: Path, clip: Path) -> tuple[list[Any], str]:
    """Run a clip to its end; return the records and the log."""
    config = tmp_path / "edge-runtime.toml"
    source = f'{{ kind = "video", path = "{clip}", realtime = false }}'
    config.write_text(head(NOWHERE) + stream(source=source))
    done = command("run", "--stdout", "--config", str(config), "--state-dir", str(tmp_path / "s"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    lines = json_lines(done.stdout)
    return [one["payload"] for one in lines if "/detections" in one["topic"]], done.stderr


def test_a_clip_that_ends_gives_every_frame_and_status_0(tmp_path: Path) -> None:
    records, log = run_clip(tmp_path, write_clip(tmp_path / "clip.avi", 12))
    assert [one["seq"] for one in records] == list(range(1, 13))
    assert "WARNING" not in log


def test_a_clip_cut_in_the_middle_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", 12)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    records, log = run_clip(tmp_path, clip)
    assert 3 <= len(records) <= 7
    assert "cut short" in log


def test_a_clip_damaged_in_the_middle_goes_on_behind_the_damage(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", 12)
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 6000] = NOISE[:6000]
    clip.write_bytes(content)
    records, log = run_clip(tmp_path, clip)
    assert "degraded" not in log
    assert 6 <= len(records) <= 12
    assert records[-1]["ts"] - records[0]["ts"] > 0.8
