"""Hours, modes and masks on a real daemon: switched by command, kept, replayed, never seen."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from edge_runtime.clock import ManualClock
from edge_runtime.daemon.preview_client import previews
from edge_runtime.daemon.preview_protocol import SOCKET, PreviewRequest
from edge_runtime.daemon.status_socket import ask
from edge_runtime.options import RecordingOptions
from edge_runtime.options.recorded import read_recorded
from edge_runtime.raw import Frame
from edge_runtime.sources.recording import RecordingSource
from edge_runtime.stream.jpeg import decode_jpeg
from support.daemon import Daemon, Ear, command, json_lines
from support.road import stream, synthetic
from support.waiting import until

MODES = '[modes]\nnames = ["open", "closed"]\n'
ROAD = stream(
    "road",
    synthetic("rate_fps = 10, width = 320, height = 180"),
    more="""rules = [
  { kind = "count", name = "busy", every_s = 0.5 },
  { kind = "count", name = "night", every_s = 0.5, modes = ["closed"] },
]""",
)


def mode(run: Daemon, *words: str) -> tuple[int, str, str]:
    done = command("mode", *words, "--state-dir", str(run.state))
    return done.returncode, done.stdout, done.stderr


def named(ear: Ear) -> list[str]:
    return [one["rule"] for one in ear.of("counts")]


def test_a_mode_is_switched_on_the_board_and_from_afar_and_kept_over_a_restart(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(MODES + ROAD)
    assert mode(run)[0] == 1, "no daemon runs"
    run.start()
    ear.wait_for(lambda heard: len(named(heard)) > 3)
    assert set(named(ear)) == {"busy"}
    assert mode(run) == (0, "mode open; there are open, closed\n", "")
    code, _, said = mode(run, "close")
    assert (code, said) == (2, "edge-runtime: no mode 'close'; there are open, closed\n")

    assert mode(run, "closed") == (0, "mode closed; there are open, closed\n", "")
    ear.wait_for(lambda heard: "night" in named(heard))
    ear.wait_for(lambda heard: heard.of("health")[-1].get("mode") == "closed")
    status = command("status", "--state-dir", str(run.state))
    assert "mode      closed; there are open, closed\n" in status.stdout
    assert mode(run, "--lang", "vi")[1] == "chế độ closed; có các chế độ open, closed\n"
    assert run.stop() == 0

    run.start()
    before = named(ear).count("night")
    ear.wait_for(lambda heard: named(heard).count("night") > before)
    for payload, holds in ((b"{}", "closed"), (b'{"mode":"open"}', "open")):
        ear.publish("edge/v1/test/board/cmd/mode", payload)
        answer = {"ok": True, "mode": holds, "modes": ["open", "closed"]}
        ear.wait_for(lambda heard, answer=answer: answer in replies(heard))
    ear.publish("edge/v1/test/board/cmd/mode", b'{"mode":"party"}')
    ear.wait_for(lambda heard: any("no mode 'party'" in str(one) for one in replies(heard)))
    ear.wait_for(lambda heard: heard.of("health")[-1].get("mode") == "open")
    assert run.stop() == 0
    ear.wait_for_the_end()
    end = named(ear)
    assert end[-1] == "busy"


def replies(ear: Ear) -> list[object]:
    return [
        json.loads(one.payload) for one in ear.raw if one.topic == "edge/v1/test/board/reply/mode"
    ]


def test_outside_its_hours_a_stream_rests_and_says_so_and_a_reload_wakes_it(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    then = datetime.now(UTC) + timedelta(hours=3)  # far enough that the test ends before
    hours = f'active = ["{then:%H:%M}-{then + timedelta(hours=1):%H:%M}"]\n'
    run = daemon(MODES + ROAD + hours)
    text = run.config.read_text().replace('name = "board"', 'name = "board"\ntime_zone = "UTC"')
    run.config.write_text(text)
    process = run.start()
    until((run.state / SOCKET).exists, "the socket", within_s=60)
    until(lambda: "schedule" in road(run), "a word on the hours", within_s=60)
    preview = next(previews(run.state, PreviewRequest("road", wait_s=60)))
    asked = ask(run.state)
    assert asked is not None
    if asked["clock"] == "synced":
        assert preview.head.outcome == "not looked at", "whoever aims the camera sees it"
        assert str(road(run)["schedule"]).startswith("outside its hours (")
        assert road(run)["inferred"] == 0
    else:
        assert "the clock is not trusted" in str(road(run)["schedule"])
        ear.wait_for(lambda heard: "busy" in named(heard))
    run.config.write_text(text.replace(hours, ""))
    process.send_signal(signal.SIGHUP)
    ear.wait_for(lambda heard: "busy" in named(heard))
    until(lambda: "schedule" not in road(run), "no word on hours any more", within_s=60)
    assert road(run)["opens"] == 1, "the camera was not opened again"
    assert run.stop() == 0


def road(run: Daemon) -> dict[str, Any]:
    asked = ask(run.state)
    return {"inferred": 0, **asked["streams"]["road"]} if asked is not None else {}


def test_what_is_masked_is_in_no_preview_and_no_recording(
    daemon: Callable[..., Daemon],
) -> None:
    masked = stream(
        "road",
        synthetic("rate_fps = 10, width = 320, height = 180"),
        more="mask = [[[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]]\ntrack = {}\n",
    )
    run = daemon(masked)
    run.start()
    until((run.state / SOCKET).exists, "the socket", within_s=60)
    image = decode_jpeg(next(previews(run.state, PreviewRequest("road", wait_s=60))).jpeg)
    assert image[:, :152].max() < 8, "JPEG's own noise beside the edge"
    assert image[:, 168:].mean() > 20
    assert run.stop() == 0

    options = ("--config", run.config, "--state-dir", run.state, "--stream", "road")
    done = command("record", "--name", "one", "--minutes", "0.02", *map(str, options))
    assert done.returncode == 0, done.stderr
    player = RecordingSource(
        RecordingOptions(run.state / "recordings" / "one", realtime=False), ManualClock()
    )
    player.open()
    frame = player.read()
    player.close()
    assert isinstance(frame, Frame)
    assert not frame.image[:, :159].any()
    assert frame.image[:, 161:].mean() > 20


def test_a_replay_holds_rules_to_the_hours_of_the_recording_and_to_a_mode(
    daemon: Callable[..., Daemon],
) -> None:
    run = daemon(MODES + ROAD)
    options = ("--config", run.config, "--state-dir", run.state, "--stream", "road")
    done = command("record", "--name", "one", "--minutes", "0.05", *map(str, options))
    assert done.returncode == 0, done.stderr

    def told(*more: str) -> set[str]:
        replayed = command("replay", "--recording", "one", *map(str, options), *more)
        assert replayed.returncode == 0, replayed.stderr
        lines = json_lines(replayed.stdout)
        return {one["payload"]["rule"] for one in lines if one["topic"].endswith("/counts")}

    assert told() == {"busy"}
    assert told("--mode", "closed") == {"busy", "night"}
    refused = command("replay", "--recording", "one", *map(str, options), "--mode", "party")
    assert (refused.returncode, refused.stdout) == (2, "")
    text = run.config.read_text()
    for day, expected in ((0, {"busy"}), (3, set())):
        name = f"{datetime.now(UTC) + timedelta(days=day):%a}".lower()
        hours = f'name = "busy", active = ["{name}"], '
        zone = text.replace('name = "board"', 'name = "board"\ntime_zone = "UTC"')
        run.config.write_text(zone.replace('name = "busy", ', hours))
        assert told() == (expected | clock_says(run))


def clock_says(run: Daemon) -> set[str]:
    """Return what is told whatever the hours: all, where the recording's clock was not trusted."""
    recorded = read_recorded(run.state / "recordings" / "one")
    return set() if recorded.begun.trusted else {"busy"}
