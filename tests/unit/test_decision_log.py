"""Why there was an alarm, or none: each planted cause is the one that is named first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from edge_runtime.clock import ManualClock
from edge_runtime.decision_log import log as log_module
from edge_runtime.decision_log.entries import OUTCOMES, FrameRun, PositionReader, PositionWriter
from edge_runtime.decision_log.evidence import gathered
from edge_runtime.decision_log.explanation import Explanation
from edge_runtime.decision_log.log import DAY_BYTES, DailyBudget, DecisionLog
from edge_runtime.decision_log.question import (
    MOST_ANSWER_BYTES,
    asked_length_s,
    asked_moment,
    asked_span,
    short_answer,
)
from edge_runtime.decision_log.recorder import TrackPosition, on_grid
from edge_runtime.decision_log.ring import (
    Block,
    DecisionRing,
    kept_since,
    read,
    segments,
    set_aside_damaged,
)
from edge_runtime.errors import RawText, UsageError
from support.decisions import BEGIN_S, NAME, PLANTED, YARD, PlantedWorld, stands, walk
from support.localized import VI

HANOI = "Asia/Ho_Chi_Minh"


@pytest.mark.parametrize(("cause", "plant"), PLANTED.items())
def test_the_planted_cause_is_named_first_in_both_languages(
    cause: str, plant: Callable[[Path], list[Explanation]], tmp_path: Path
) -> None:
    found = plant(tmp_path)
    assert [one.cause for one in found][:1] == [cause.strip()], [str(one.text) for one in found]
    for one in found:
        english, vietnamese = str(one.text), one.text.localized(VI)
        assert english != vietnamese
        assert "{" not in english + vietnamese
    answer = short_answer(found)
    assert answer["causes"][0] == cause.strip()
    assert len(msgspec.json.encode({"ok": True, **answer})) <= MOST_ANSWER_BYTES


def test_an_answer_from_afar_keeps_to_its_bytes_whatever_it_says() -> None:
    found = [Explanation("x" * 20, RawText('"ä' * 900)), Explanation("y", RawText("b"))]
    answer = {"ok": True, **short_answer(found)}
    assert len(msgspec.json.encode(answer)) <= MOST_ANSWER_BYTES
    assert answer["text"].endswith("…")
    assert short_answer([]) == {"causes": [], "text": ""}


NOW_S = datetime(2026, 11, 30, 10, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("09:12", "UTC", "2026-11-30T09:12:00+00:00"),
        ("11:12", "UTC", "2026-11-29T11:12:00+00:00"),
        ("09:12:30", HANOI, "2026-11-30T09:12:30+07:00"),
        ("2026-11-28 03:12", HANOI, "2026-11-28T03:12:00+07:00"),
        ("2026-11-28T03:12:00Z", HANOI, "2026-11-28T03:12:00+00:00"),
        ("5m", HANOI, "2026-11-30T09:55:00+00:00"),
        ("2h", "UTC", "2026-11-30T08:00:00+00:00"),
    ],
)
def test_a_moment_is_read_as_people_write_it(text: str, zone: str, moment: str) -> None:
    assert asked_moment(text, NOW_S, zone) == datetime.fromisoformat(moment).timestamp()


@pytest.mark.parametrize("text", ["", "25:00", "yesterday", "9", "2026-13-01", "-5m"])
def test_what_is_no_moment_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="is no moment; write 03:12"):
        asked_moment(text, NOW_S, "UTC")


def test_what_is_yet_to_come_is_not_asked_for_and_a_span_ends_now() -> None:
    assert asked_span(NOW_S - 60.0, "10m", NOW_S) == (NOW_S - 60.0, NOW_S)
    assert asked_span(NOW_S - 3600.0, "10m", NOW_S) == (NOW_S - 3600.0, NOW_S - 3000.0)
    with pytest.raises(UsageError, match="yet to come"):
        asked_span(NOW_S + 1.0, "10m", NOW_S)


def test_a_length_is_read_as_people_write_it() -> None:
    assert [asked_length_s(one) for one in ("90", "30s", "10m", "2h", "1.5 h")] == [
        90.0, 30.0, 600.0, 7200.0, 5400.0,
    ]  # fmt: skip
    for text in ("", "0m", "ten", "-1m"):
        with pytest.raises(UsageError, match="no length of time"):
            asked_length_s(text)


# The ring


def test_positions_come_back_to_the_last_digit() -> None:
    frames = [
        tuple(
            TrackPosition(
                track, track % 3, on_grid((0.1, 0.2 + 0.001 * frame, 0.3, 0.4 + track / 50))
            )
            for track in range(1, 5)
            if (frame + track) % 4
        )
        for frame in range(50)
    ]
    writer, reader = PositionWriter(), PositionReader()
    assert [tuple(reader.tracks(writer.values(one))) for one in frames] == frames


def block(at_s: float, count: int = 1) -> Block:
    counts = [1] * len(OUTCOMES)
    entries = [FrameRun(NAME, at_s + n / 1e3, at_s + n / 1e3, counts) for n in range(count)]
    return Block(at_s, at_s + 1.0, list(entries))


def moments(folder: Path, begin_s: float = 0.0, end_s: float = 1e12) -> list[float]:
    return [one.begin_s for one in read(folder, begin_s, end_s)]


def test_the_oldest_goes_and_the_ring_keeps_its_size(tmp_path: Path) -> None:
    ring = DecisionRing(tmp_path, most_bytes=60_000, segment_bytes=10_000)
    for minute in range(400):
        ring.append(block(60.0 * minute, count=300))
        assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 60_000
    kept = moments(tmp_path)
    assert kept[-1] == 60.0 * 399
    assert kept == [60.0 * one for one in range(400 - len(kept), 400)]
    assert kept_since(tmp_path) == kept[0] > 0.0
    asked = moments(tmp_path, kept[5] + 1.0, kept[7])
    assert set(kept[5:8]) <= set(asked), "also what lies before, in the same file"
    assert max(asked) == kept[7]


@pytest.mark.parametrize("keep", [0, 3, 11, 40, -1])
def test_a_file_that_a_power_cut_tore_is_cut_there_and_goes_on(tmp_path: Path, keep: int) -> None:
    ring = DecisionRing(tmp_path)
    ring.append(block(0.0))
    (file,) = segments(tmp_path)
    whole = file.stat().st_size
    ring.append(block(60.0))
    data = file.read_bytes()
    file.write_bytes(data[: whole + keep] if keep >= 0 else data[:whole] + b"\0" * 50)
    assert set_aside_damaged(tmp_path) == []
    assert moments(tmp_path) == [0.0]
    DecisionRing(tmp_path).append(block(120.0))
    assert moments(tmp_path) == [0.0, 120.0]


@pytest.mark.parametrize("place", [0, 5, 9, 14, 30, 60])
def test_a_damaged_file_is_set_aside_and_the_others_are_read(tmp_path: Path, place: int) -> None:
    ring = DecisionRing(tmp_path, segment_bytes=1)
    for minute in range(3):
        ring.append(block(60.0 * minute))
    files = segments(tmp_path)
    data = bytearray(files[1].read_bytes())
    data[min(place, len(data) - 1)] ^= 0x40
    files[1].write_bytes(data)
    assert moments(tmp_path) == [0.0, 120.0]
    assert [one.name for one in set_aside_damaged(tmp_path)] == ["00000002.damaged"]
    DecisionRing(tmp_path).append(block(180.0))
    assert moments(tmp_path) == [0.0, 120.0, 180.0]


def test_a_days_bytes_are_kept_to_and_positions_come_back_after(tmp_path: Path) -> None:
    budget = DailyBudget(0.0)
    spent, now_s = 0, 0.0
    while now_s < 86_400.0:
        if budget.left(now_s) >= 0:
            budget.spend(20_000)
            spent += 20_000
        now_s += 10.0
    assert 0.95 * DAY_BYTES <= spent <= DAY_BYTES + log_module.BURST_BYTES + 20_000
    world = PlantedWorld(tmp_path, YARD)
    world.log._budget.spend(10_000_000)
    kept = []
    for _ in range(3):
        world.play(20, walk((0.1, 0.5), (0.4, 0.9), 20.0))
        world.log.flush()
        kept.append(world.decisions.thinning)
    assert kept == [2, 4, 8]


def test_a_disk_that_fails_costs_the_decisions_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = PlantedWorld(tmp_path, YARD)
    (tmp_path / "decisions").write_text("a file where the folder should be")
    for _ in range(3):
        world.play(5, stands(0.3, 0.5))
        world.log.flush()
    assert [one.getMessage()[:20] for one in caplog.records] == ["decisions: not kept:"]
    (tmp_path / "decisions").unlink()
    world.play(5, stands(0.3, 0.5))
    since_s = world.clock.now().wall_s - 5.0
    found = world.ask(since_s=since_s)
    assert found[0].cause == "hysteresis"


def test_a_start_says_that_no_daemon_ran_before_it(tmp_path: Path) -> None:
    world = PlantedWorld(tmp_path, YARD)
    world.play(20)
    world.log.flush()
    stopped_s = world.clock.now().wall_s
    world.clock.advance(3600.0)
    later = DecisionLog(tmp_path, world.clock)
    later.start()
    later.close()
    evidence = gathered(later.folder, NAME, stopped_s + 600.0, stopped_s + 1200.0)
    held = evidence.held("daemon")
    assert held is not None
    assert held.seconds == 600.0
    assert evidence.held("link") is None


def test_like_frames_are_merged_and_a_quiet_hour_costs_little(tmp_path: Path) -> None:
    clock = ManualClock(BEGIN_S)
    log = DecisionLog(tmp_path, clock)
    stream = log.stream(NAME)
    for _ in range(12):
        for _ in range(3000):
            stream.frame(clock.now(), "still")
            clock.advance(0.1)
        log.flush()
    blocks = list(read(log.folder, 0.0, 1e12))
    assert [len(one.entries) for one in blocks] == [1] * 12
    evidence = gathered(log.folder, NAME, BEGIN_S, BEGIN_S + 3600.0)
    assert evidence.frames_that("still") == 36_000
    assert sum(one.stat().st_size for one in segments(log.folder)) < 2000
