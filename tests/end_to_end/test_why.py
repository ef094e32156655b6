"""`edge-runtime why` and `cmd/why` beside a real daemon, and after it was killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

from support.daemon import Daemon, Ear, command
from support.road import stream, synthetic

ROAD = stream(
    "road",
    synthetic("rate_fps = 10, width = 320, height = 180"),
    more="""rules = [
  { kind = "line", name = "milestone", start = [0.5, 0.1], end = [0.5, 1.0] },
  { kind = "zone", name = "sky", polygon = [[0.0, 0.0], [0.1, 0.0], [0.1, 0.1], [0.0, 0.1]] },
]""",
)


def why(run: Daemon, *words: str) -> tuple[int, str, str]:
    done = command("why", *words, "--state-dir", str(run.state))
    return done.returncode, done.stdout, done.stderr


def causes(run: Daemon, *words: str) -> list[str]:
    code, out, error = why(run, *words, "--json")
    assert code == 0, out + error
    return [one["cause"] for one in json.loads(out)]


def test_why_is_told_on_the_board_and_from_afar_and_after_a_kill(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(ROAD)
    assert why(run, "--stream", "road", "--at", "1m")[0] == 1
    begun = datetime.now(UTC)
    process = run.start()
    ear.wait_for(lambda heard: len(heard.of("event")) > 2)
    at = ("--stream", "road", "--at", begun.isoformat(), "--for", "10m")
    code, out, _ = why(run, *at, "--rule", "milestone")
    assert code == 0
    assert "rule 'milestone' told 'cross' of" in out
    assert causes(run, *at, "--rule", "sky")[0] == "zone_not_reached"
    assert "không ai đứng trong 'sky'" in why(run, *at, "--rule", "sky", "--lang", "vi")[1]
    assert why(run, "--stream", "road", "--at", "yesterday")[0] == 2

    asked = {"stream": "road", "at": begun.timestamp(), "for": "10m", "rule": "sky"}
    ear.publish("edge/v1/test/board/cmd/why", json.dumps(asked).encode())
    ear.publish("edge/v1/test/board/cmd/why", b'{"stream":"road","at":"never"}')
    ear.wait_for(lambda heard: len(replies(heard)) == 2)
    answer, refusal = map(json.loads, replies(ear))
    assert answer["ok"] is True
    assert answer["causes"][0] == "zone_not_reached"
    assert not refusal["ok"]
    assert "no moment" in refusal["error"]
    assert max(map(len, replies(ear))) <= 400

    process.kill()
    process.wait(30)
    assert causes(run, *at, "--rule", "sky")[0] == "zone_not_reached"
    (run.state / "decisions" / "00000001.log").write_bytes(b"no ring at all")
    run.start()
    ear.wait_for(lambda heard: len(heard.of("status")) > 2)
    assert why(run, "--stream", "road", "--at", "1s")[0] == 0
    assert run.stop() == 0
    assert "00000001.damaged is damaged and set aside" in run.text()


def replies(ear: Ear) -> list[bytes]:
    return [one.payload for one in ear.raw if one.topic == "edge/v1/test/board/reply/why"]
