"""The day's bytes: counted, kept across restarts and clock steps; what is sent near the limit."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from edge_runtime.boxes import Box
from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.daemon.uplink import FILE, SAVE_EVERY_S, Uplink
from edge_runtime.manifest import Pack
from edge_runtime.options import (
    LineOptions,
    ModelOptions,
    PublishMode,
    PublishOptions,
    StreamOptions,
    UplinkOptions,
)
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.records import Detection, Detections, Event, Lane
from edge_runtime.stream.build_vision import build_pipeline, ready_for_less
from support.paths import ROOT

MIDNIGHT_S = 1_700_006_400.0  # 2023-11-15T00:00:00Z
NOON_S = MIDNIGHT_S - 43_200
LIMIT = UplinkOptions(daily_mb=1.0)
HOUR_S = 3600.0


class Meter:
    """An uplink with a publisher beside it that sends so many bytes."""

    def __init__(
        self, folder: Path, *, wall_s: float = NOON_S, trusted: bool = True, daily_mb: float = 1.0
    ) -> None:
        self.clock = ManualClock(wall_s, trusted=trusted)
        self.folder = folder
        self.sent: dict[str, tuple[int, int]] = {}
        self.uplink = Uplink(folder, self.clock)
        self.uplink.limit(UplinkOptions(daily_mb=daily_mb))

    def send(self, size: int, kind: str = "detections") -> None:
        messages, total = self.sent.get(kind, (0, 0))
        self.sent[kind] = (messages + 1, total + size)
        self.uplink.count(self.sent)

    def restart(self, *, trusted: bool = True) -> None:
        """Lose what is in memory, as a kill does."""
        self.clock = ManualClock(self.clock.now().wall_s, trusted=trusted)
        self.sent = {}
        self.uplink = Uplink(self.folder, self.clock)
        self.uplink.limit(LIMIT)

    @property
    def used(self) -> int:
        return sum(self.uplink.by_kind().values())


@pytest.fixture
def meter(tmp_path: Path) -> Meter:
    return Meter(tmp_path)


def test_bytes_are_counted_by_kind(meter: Meter) -> None:
    meter.send(1000)
    meter.send(500)
    meter.send(80, "event")
    assert meter.uplink.by_kind() == {"detections": 1500, "event": 80}
    assert meter.uplink.fields() == {
        "day": "2023-11-14", "bytes": 1580, "limit": 1_000_000, "step": "full",
    }  # fmt: skip


def test_the_day_goes_on_under_another_limit(meter: Meter) -> None:
    meter.send(1000)
    meter.uplink.limit(LIMIT)
    meter.send(300)
    assert meter.used == 1300


def test_streams_send_less_near_the_limit_and_say_so_once(
    meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    seen = []
    for _ in range(12):
        meter.send(100_000)
        seen.append(meter.uplink.mode("every_inference"))
    assert seen == ["every_inference"] * 7 + ["events"] * 2 + ["interval"] * 3
    assert meter.uplink.mode("events") == "interval"
    assert meter.uplink.mode("interval") == "interval"
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "0.80 MB of uplink.daily_mb = 1 " in caplog.messages[0]
    assert "publish counts until the next UTC day" in meter.uplink.reason
    assert meter.uplink.fields()["reason"] == meter.uplink.reason


def test_health_too_is_sent_less_often(meter: Meter) -> None:
    before_s = meter.uplink.health_every_s()
    meter.send(960_000)
    assert meter.uplink.health_every_s() > before_s == 60.0


def test_a_new_day_begins_anew(meter: Meter, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    meter.send(960_000)
    meter.clock.advance(MIDNIGHT_S - NOON_S - 1)
    meter.send(0)
    assert meter.uplink.mode("events") == "interval"
    meter.clock.advance(1)
    meter.send(10)
    assert (meter.used, meter.uplink.step) == (10, 0)
    assert "streams publish as configured" in caplog.messages[-1]


def test_a_step_ends_below_where_it_began(meter: Meter) -> None:
    meter.send(800_000)
    assert meter.uplink.step == 1
    meter.uplink.limit(UplinkOptions(daily_mb=1.04))  # 77 %
    assert meter.uplink.step == 1
    meter.uplink.limit(UplinkOptions(daily_mb=1.10))  # 73 %
    assert meter.uplink.step == 0


def test_without_a_limit_everything_is_sent(tmp_path: Path) -> None:
    meter = Meter(tmp_path, daily_mb=0.0)
    meter.send(1 << 40)
    assert meter.uplink.modes("every_inference") == ("every_inference",)
    assert (meter.uplink.mode("every_inference"), meter.uplink.reason) == ("every_inference", "")
    assert "limit" not in meter.uplink.fields()


def test_the_day_survives_a_kill_but_for_the_last_minute(meter: Meter) -> None:
    meter.send(700_000)
    meter.clock.advance(SAVE_EVERY_S)
    meter.send(200_000)
    meter.send(5)
    meter.restart()
    assert meter.used == 900_000
    assert meter.uplink.mode("every_inference") == "events"


def test_the_card_is_written_at_most_once_a_minute(meter: Meter) -> None:
    writes = set()
    for _ in range(600):
        meter.clock.advance(1.0)
        meter.send(1)
        if (meter.folder / FILE).exists():
            writes.add((meter.folder / FILE).stat().st_mtime_ns)
    assert len(writes) == 10
    before = (meter.folder / FILE).stat().st_mtime_ns
    meter.uplink.save()
    meter.clock.advance(10 * SAVE_EVERY_S)
    meter.uplink.count(meter.sent)
    after = (meter.folder / FILE).stat().st_mtime_ns
    meter.clock.advance(10 * SAVE_EVERY_S)
    meter.uplink.count(meter.sent)
    assert before != after == (meter.folder / FILE).stat().st_mtime_ns


def test_a_board_that_boots_in_1970_goes_on_with_the_day_that_it_knew(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    meter.send(900_000)
    meter.uplink.save()
    meter.clock = ManualClock(0.0, trusted=False)
    meter.restart(trusted=False)
    meter.send(10)
    assert meter.used == 900_010
    meter.clock.step(NOON_S + HOUR_S)
    meter.send(10)
    assert meter.used == 900_020
    meter.clock.advance(24 * HOUR_S)
    meter.send(10)
    assert meter.used == 10


def test_steps_of_the_clock_do_not_give_a_day_anew(meter: Meter) -> None:
    meter.clock.advance(12 * HOUR_S + 60)  # 00:01
    meter.send(900_000)
    meter.clock.step(-HOUR_S)  # 23:01 of the day before
    meter.send(1)
    meter.clock.step(HOUR_S)
    meter.send(1)
    assert meter.used == 900_002


def test_a_clock_that_was_ten_years_ahead_comes_back(meter: Meter) -> None:
    meter.send(100)
    meter.clock.step(10 * 365 * 24 * HOUR_S)
    meter.send(900_000)
    assert meter.used == 900_000
    meter.clock.step(-10 * 365 * 24 * HOUR_S)
    meter.send(1)
    assert (meter.used, meter.uplink.fields()["day"]) == (900_001, "2023-11-14")
    meter.clock.advance(24 * HOUR_S)
    meter.send(7)
    assert meter.used == 7


def test_a_board_that_never_learns_the_time_counts_days_of_work(tmp_path: Path) -> None:
    meter = Meter(tmp_path, wall_s=0.0, trusted=False)
    meter.send(960_000)
    for _ in range(2):
        meter.clock.advance(13 * HOUR_S)
        meter.send(0)
        meter.uplink.save()
        if meter.uplink.step:
            meter.restart(trusted=False)
    assert (meter.used, meter.uplink.step) == (0, 0)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"date":"x"}', '{"bytes":{"a":"b"}}', "\0" * 60])
def test_a_damaged_ledger_is_said_and_begun_anew(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(text)
    meter = Meter(tmp_path)
    assert "counted from zero" in caplog.text
    meter.send(5)
    meter.uplink.save()
    assert json.loads((tmp_path / FILE).read_text())["bytes"] == {"detections": 5}


def test_a_folder_that_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    meter = Meter(tmp_path / "not there")
    for _ in range(3):
        meter.clock.advance(SAVE_EVERY_S)
        meter.send(1)
    assert [r.levelname for r in caplog.records] == ["ERROR"]
    meter.folder.mkdir()
    meter.clock.advance(SAVE_EVERY_S)
    meter.send(1)
    assert json.loads((meter.folder / FILE).read_text())["bytes"] == {"detections": 4}


# What the steps make of a stream.


@pytest.fixture(scope="module")
def pack() -> Pack:
    return open_pack(ROOT / "models" / "village-road")


def publish(
    uplink: Uplink, pack: Pack, mode: PublishMode, *, rules: tuple[LineOptions, ...] = ()
) -> dict[str, int]:
    """Let somebody walk across the picture for two seconds; return how many records of a kind."""
    stream = StreamOptions(
        "road", model=ModelOptions("x"), rules=rules, publish=PublishOptions(mode, every_s=1.0)
    )
    pipeline = build_pipeline(ready_for_less(stream), pack, iter(range(1, 99)).__next__, uplink)
    found = []
    for frame in range(21):
        x = 0.1 + frame * 0.03
        box: Box = (x, 0.4, x + 0.15, 0.7)
        stamp = Stamp(1_700_000_000.0 + frame / 10, 50.0 + frame / 10)
        found.extend(pipeline.inferred(stamp, Detections((Detection(0, 0.9, box),))))
    found.extend(pipeline.finish())
    assert all(isinstance(one.body, Event) == (one.lane is Lane.ALARM) for one in found)
    kinds = [one.kind for one in found]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def test_each_step_sends_less_of_a_stream_without_rules(meter: Meter, pack: Pack) -> None:
    full = publish(meter.uplink, pack, "every_inference")
    assert full == {"detections": 21}
    meter.send(800_000)
    assert publish(meter.uplink, pack, "every_inference") == {"event": 2}
    meter.send(150_000)
    assert publish(meter.uplink, pack, "every_inference") == {"counts": 2}
    assert publish(meter.uplink, pack, "events") == {"counts": 2}


@pytest.mark.parametrize("used", [0, 800_000, 950_000, 5_000_000])
def test_events_of_the_rules_are_always_sent(used: int, meter: Meter, pack: Pack) -> None:
    meter.send(used)
    across = LineOptions(name="milestone", start=(0.5, 0.0), end=(0.5, 1.0))
    for mode in ("every_inference", "events"):
        assert publish(meter.uplink, pack, mode, rules=(across,))["event"] == 1


def test_a_step_in_mid_stream_keeps_the_tracks(meter: Meter, pack: Pack) -> None:
    """Who is in the picture when the mode changes is not taken for somebody new."""
    stream = ready_for_less(StreamOptions("road", publish=PublishOptions("every_inference")))
    pipeline = build_pipeline(stream, pack, iter(range(1, 99)).__next__, meter.uplink)
    seen = Detections((Detection(0, 0.9, (0.2, 0.4, 0.4, 0.7)),))
    found = []
    for frame in range(20):
        if frame == 10:
            meter.send(800_000)
        stamp = Stamp(1_700_000_000.0 + frame / 10, 50.0 + frame / 10)
        found.extend(pipeline.inferred(stamp, seen))
    assert [one.kind for one in found] == ["detections"] * 10
    exits = pipeline.finish()
    assert [one.body.event for one in exits if isinstance(one.body, Event)] == ["exit"]
