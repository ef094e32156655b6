"""The commands that people type: check, demo, watch, help; through pipes and a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest

from support.broker import Mosquitto, free_port
from support.daemon import STOP_S, Daemon, command, json_lines
from support.road import head, stream, synthetic
from support.waiting import until
from support.watching import Watcher

PROGRAM = (sys.executable, "-m", "edge_runtime")
KEYS = {"topic", "site", "device", "stream", "kind", "payload"}


@contextmanager
def started(*arguments: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the background; its output goes to `out` and `err`."""
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdout=out,
            stderr=err,
            env={**os.environ, **environment},
            process_group=0,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def out(folder: Path) -> str:
    return (folder / "out").read_text()


def err(folder: Path) -> str:
    return (folder / "err").read_text()


# check


def test_check_prints_what_would_run(tmp_path: Path) -> None:
    config = tmp_path / "edge-runtime.toml"
    rules = 'rules = [{ kind = "line", name = "gate", start = [0.5, 0.0], end = [0.5, 1.0] }]\n'
    pump = stream("pump", '{ kind = "vibration" }', model='pack = "bearing-vibration"', more="")
    config.write_text(head("mqtt://nowhere.example") + stream(more=rules) + pump)
    done = command("check", "--config", str(config), "--state-dir", str(tmp_path / "state"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "device   test/board" in done.stdout
    assert "broker   mqtt://nowhere.example" in done.stdout
    assert "road: synthetic > gate always > village-road@26623acb at 0.5 > line gate" in done.stdout
    assert "pump: vibration > bearing-vibration@36f364ed at 0.5 > events" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{config}: good"
    assert not (tmp_path / "state").exists()  # it only looks


# watch


@contextmanager
def running(folder: Path, broker: Mosquitto) -> Iterator[Daemon]:
    """Run a device with a JSON and a CBOR stream."""
    source = synthetic("rate_fps = 20")
    cbor = 'publish = { mode = "every_inference", encoding = "cbor" }'
    run = Daemon(
        folder,
        head(broker.url) + stream("words", source) + stream("bytes", source, more=cbor),
    )
    run.start()
    try:
        yield run
    finally:
        run.stop()


GARBAGE = {
    "gate/detections": b"not json",
    "gate/event": b"{}",
    "gate/counts": b'{"ts":1e308,"seq":1,"boot":1,"model":"x","counts":{"car":"many"}}',
    "gate/summary": b"\xff\xfe\x00" * 50_000,
    "status": b'{"state":{"a":1},"streams":[1,2],"boot":"x"}',
    "health": b"[]",
}
REPLIES = "edge/v1/test/board/reply/replay"
TITLE = "\x1b]0;taken\x07"  # what sets a terminal's title
LOUD = {
    "ts": 1.0, "seq": 1, "boot": 1, "model": "00000000", "event": "enter",
    "object": {"label": f"{TITLE}[red]person[/nothing]", "score": 1, "box": [0, 0, 1, 1]},
}  # fmt: skip


@pytest.mark.parametrize("form", ["--json", "table"])
def test_watch_lives_with_what_others_left_on_the_broker(
    tmp_path: Path, mosquitto: Mosquitto, form: str
) -> None:
    options = ("watch", "--broker", mosquitto.url)
    with Watcher(mosquitto.port) as others, running(tmp_path, mosquitto):
        for topic, payload in GARBAGE.items():
            others.publish(f"edge/v1/hill/evil/{topic}", payload, retain=True)
        loud = json.dumps(LOUD).encode()
        others.publish("edge/v1/hill/evil/yard/event", loud, retain=True)
        others.wait_for(lambda: others.payloads("edge/v1/hill/evil/yard/event"), "all retained")
        if form == "table":
            with on_terminal(*options) as terminal:
                shown = read_terminal(terminal, b"messages were no records")
                shown += read_terminal(terminal, b"bytes")
        else:
            with started(*options, "--json", folder=tmp_path) as watching:
                until(lambda: out(tmp_path).count("/bytes/detections") > 3, "the good one")
                until(lambda: "messages were no records" in err(tmp_path), "the others, counted")
                watching.send_signal(signal.SIGINT)
                assert watching.wait(STOP_S) == 0
            shown = (tmp_path / "out").read_bytes() + (tmp_path / "err").read_bytes()
            assert err(tmp_path).count("no record") <= 1 + 3  # in one line, three of them named
    assert b"person" in shown
    assert b"[red]" in shown
    assert TITLE.encode() not in shown
    assert b"Traceback" not in shown


def test_a_device_lives_with_garbage_among_its_commands(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    base = "edge/v1/test/board"
    bad = (b"{{{", b"\xff" * 5000, b"[" * 5000, b'{"x\\u001b]0;taken":1}', b"")
    with Watcher(mosquitto.port) as office, running(tmp_path, mosquitto) as device:
        office.wait_for(lambda: office.payloads(f"{base}/words/detections"), "results")
        for name in ("x y", "", "a/b/c", "\u20ac" * 300):
            for payload in bad:
                office.publish(f"{base}/cmd/{name}", payload)
        for count, payload in enumerate(bad, 1):
            office.publish(f"{base}/cmd/replay", payload)
            office.wait_for(lambda count=count: len(office.payloads(REPLIES)) == count, "an answer")
        office.publish(f"{base}/cmd/replay", b'{"boot":1,"from_seq":1,"to_seq":1}')
        office.wait_for(lambda: len(office.payloads(REPLIES)) == len(bad) + 1, "the good one's")
    *refused, good = office.payloads(REPLIES)
    assert json.loads(good)["ok"]
    assert not any(json.loads(one)["ok"] for one in refused)
    assert max(map(len, refused)) < 1000
    log = device.log.read_text()
    assert log.count("commands refused") == 1
    assert "\x1b" not in log
    assert "Traceback" not in log


def test_watch_decodes_json_and_cbor_alike(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with (
        running(tmp_path, mosquitto),
        started("watch", "--broker", mosquitto.url, "--json", folder=tmp_path) as watching,
    ):
        until(lambda: out(tmp_path).count("/detections") >= 8, "eight results")
        until(lambda: {"words/d", "bytes/d"} <= streams_in(out(tmp_path)), "both streams")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(STOP_S) == 0
    lines = json_lines(out(tmp_path))
    assert all(set(one) == KEYS for one in lines)
    assert {(one["site"], one["device"]) for one in lines} == {("test", "board")}
    results = {one["stream"]: one["payload"] for one in lines if one["kind"] == "detections"}
    assert set(results) == {"words", "bytes"}
    assert {frozenset(payload) - {"clock", "late"} for payload in results.values()} == {
        frozenset({"ts", "seq", "boot", "model", "objects"})
    }
    assert {payload["model"] for payload in results.values()} == {"26623acb"}
    for payload in results.values():
        for thing in payload["objects"]:
            assert set(thing) == {"label", "score", "box"}
            assert thing["label"] in ("person", "motorbike", "car", "truck")
    assert {"status", "health"} <= {one["kind"] for one in lines}
    assert err(tmp_path) == ""


def streams_in(text: str) -> set[str]:
    """Return the streams of results, each with the first letter of its kind."""
    lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    return {f"{one['stream']}/{one['kind'][0]}" for one in lines}


def test_watch_listens_to_one_site_and_device(tmp_path: Path, mosquitto: Mosquitto) -> None:
    arguments = ("watch", "--broker", mosquitto.url, "--json", "--seconds")
    with running(tmp_path, mosquitto) as run:
        until(lambda: "connected" in run.text(), "a connected device")
        here = command(*arguments, "1", "--site", "test", "--device", "board")
        elsewhere = command(*arguments, "1", "--site", "test", "--device", "other")
    assert (here.returncode, elsewhere.returncode) == (0, 0)
    assert "/test/board/" in here.stdout
    assert elsewhere.stdout == ""


def test_watch_prints_a_line_a_message_into_a_pipe(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with (
        running(tmp_path, mosquitto),
        started("watch", "--broker", mosquitto.url, folder=tmp_path) as watching,
    ):
        until(lambda: "bytes/detections" in out(tmp_path), "a line")
        watching.send_signal(signal.SIGTERM)
        watching.wait(STOP_S)
    line = next(one for one in out(tmp_path).splitlines() if "bytes/detections" in one)
    assert line.startswith("edge/v1/test/board/bytes/detections  ")
    assert " B  " in line
    assert "\x1b" not in out(tmp_path)


def read_terminal(terminal: int, wanted: bytes) -> bytes:
    """Read what a program draws until it has drawn something."""
    drawn = b""
    while wanted not in drawn:
        assert select.select([terminal], [], [], STOP_S)[0], drawn.decode()[-2000:]
        drawn += os.read(terminal, 65536)
    return drawn


@contextmanager
def on_terminal(*arguments: str) -> Iterator[int]:
    """Run a command on a terminal of its own, which is given; end it by Ctrl-C."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
    )
    os.close(theirs)
    try:
        yield ours
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_watch_draws_a_table_on_a_terminal(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with running(tmp_path, mosquitto), on_terminal("watch", "--broker", mosquitto.url) as terminal:
        assert b"messages" in read_terminal(terminal, b"online")


def test_watch_says_in_one_line_that_no_broker_is_there() -> None:
    done = command("watch", "--broker", f"mqtt://127.0.0.1:{free_port()}", "--json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert "nothing listens" in done.stderr


def test_watch_is_quiet_when_its_reader_leaves(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with running(tmp_path, mosquitto):
        watching = subprocess.Popen(
            [*PROGRAM, "watch", "--broker", mosquitto.url, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert watching.stdout is not None
        assert watching.stderr is not None
        first = watching.stdout.readline()
        watching.stdout.close()
        assert watching.wait(STOP_S) == 0
        said = watching.stderr.read()
        watching.stderr.close()
    assert set(json.loads(first)) == KEYS
    assert said == b""


# demo


@pytest.mark.parametrize("broker", ["Mosquitto", "the embedded broker"])
def test_demo_shows_results_and_ends(broker: str) -> None:
    if broker == "Mosquitto":
        options: tuple[str, ...] = ()
    else:
        options = ("--embedded-broker",)
        if find_spec("amqtt") is None:
            pytest.skip(
                "the embedded broker is not installed (in the checkout, pip install -e '.[broker]')"
            )
    done = command("demo", "--seconds", "5", *options)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"broker: {broker} at mqtt://127.0.0.1:")
    assert any(line.startswith("edge/v1/demo/board/road/detections  ") for line in lines)
    assert any(line.startswith("edge/v1/demo/board/pump/classification  ") for line in lines)
    assert lines[-1].endswith("results received")
    assert int(lines[-1].split()[0]) > 0


def test_demo_shows_a_bearing_that_fails_and_ends_quietly_by_a_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with started("demo", folder=tmp_path, TMPDIR=str(tmp_path / "tmp")) as process:
        until(lambda: "pump/event" in out(tmp_path), "an alarm")
        before, _, after = out(tmp_path).partition("edge/v1/demo/board/pump/event  ")
        assert "alarm outer race" in after.splitlines()[0]
        said = [line for line in before.splitlines() if "pump/classification" in line]
        assert len(said) >= 4  # one a second until the bearing fails
        assert all("B  healthy " in line for line in said[:4])
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
        assert process.wait(STOP_S) == 0
    assert err(tmp_path) == ""
    assert list((tmp_path / "tmp").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_demo_saves_a_picture_with_boxes(tmp_path: Path) -> None:
    picture = tmp_path / "road.png"
    done = command("demo", "--picture", str(picture))
    assert (done.returncode, done.stderr) == (0, "")
    image = cv2.imread(str(picture))
    assert image is not None
    assert image.shape == (720, 1280, 3)
    assert int(done.stdout.rpartition(": ")[2].split()[0]) > 2


@pytest.mark.parametrize("name", ["none/road.png", "road.what", "road"])
def test_demo_says_where_a_picture_cannot_go(name: str, tmp_path: Path) -> None:
    done = command("demo", "--picture", str(tmp_path / name))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert ".png or .jpg" in done.stderr


# The command itself


@pytest.mark.parametrize("arguments", [(), ("run",), ("check",), ("demo",), ("watch",)])
def test_help_is_there(arguments: tuple[str, ...]) -> None:
    done = command(*arguments, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: edge-runtime")


def test_version_is_there() -> None:
    assert command("--version").stdout.startswith("edge-runtime, version ")


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("run",), ("run", "--nonsense"), ("watch", "--broker", "nonsense")],
)
def test_a_wrong_command_line_is_one_line_and_status_2(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith("edge-runtime: ")
