"""A camera's faults, drawn onto a road: each is found in time, by its name, and ends with it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_runtime.camera_health.declaring import AWAY_S, LASTS_S, Declaring
from edge_runtime.camera_health.monitor import TAKE_EVERY_S, CameraMonitor
from edge_runtime.camera_health.reasons import TEXTS
from edge_runtime.camera_health.reference import LEAST_LOOKS, TIMES_OF_DAY, time_of_day
from edge_runtime.camera_health.reference_file import (
    FOLDER,
    ReferenceFile,
    ReferenceFiles,
    ask_to_accept,
    decode,
    encode,
)
from edge_runtime.clock import Stamp
from edge_runtime.errors import EdgeError
from edge_runtime.raw import Frame, Image
from edge_runtime.records import CAMERA_REASONS, CameraReason
from edge_runtime.simulate.scene import Conditions, Scene
from support.camera_faults import FAULTS, CameraFault, Change, Grain, at_night
from support.clean_days import draw_lorry
from support.localized import in_vietnamese

SIZE = (320, 180)
LEARNT_S = 200.0
IN_TIME_S = 120.0
MORNING_S = 36_000.0


class Player:
    """Shows a drawn road to a monitor, two pictures a second."""

    def __init__(self, monitor: CameraMonitor, at_s: float = 0.0) -> None:
        self.monitor = monitor
        self.at_s = at_s

    def play(self, frames: list[Image], change: Change, span_s: float) -> Iterator[CameraReason]:
        for number in range(int(span_s / TAKE_EVERY_S)):
            image = change(frames[int(self.at_s / TAKE_EVERY_S) % len(frames)], number)
            stamp = Stamp(MORNING_S + self.at_s, self.at_s)
            self.at_s += TAKE_EVERY_S
            yield self.monitor.take(Frame(number, image, stamp))


@pytest.fixture(scope="module")
def road() -> list[Image]:
    scene = Scene(1, *SIZE, 10.0, Conditions(noise=2.0))
    return [scene.render(index)[0] for index in range(0, 400, 5)]


@pytest.fixture(scope="module")
def learnt(road: list[Image]) -> dict[bool, CameraMonitor]:
    """Return monitors that know the road, by day (False) and at night."""
    grain = Grain(SIZE)
    found: dict[bool, CameraMonitor] = {}
    for night, usual in ((False, grain.over), (True, at_night(grain))):
        found[night] = CameraMonitor()
        assert set(Player(found[night]).play(road, usual, LEARNT_S)) == {""}
        assert len(found[night].references.ready()) == 1
    return found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_each_fault_is_found_in_time_by_its_name_and_ends_with_it(
    fault: CameraFault, road: list[Image], learnt: dict[bool, CameraMonitor]
) -> None:
    grain = Grain(SIZE)
    player = Player(copy.deepcopy(learnt[fault.night]), LEARNT_S)
    said = list(player.play(road, fault.drawn(grain), IN_TIME_S))
    assert said[0] == ""
    assert said[-1] in fault.reasons
    assert set(said) == {"", said[-1]}  # by one name, and once
    assert LEARNT_S <= player.monitor.since_s <= LEARNT_S + IN_TIME_S - LASTS_S
    usual = at_night(grain) if fault.night else grain.over
    assert list(player.play(road, usual, IN_TIME_S))[-1] == ""


HARMLESS: dict[str, Callable[[Grain], Change]] = {
    "half the light": lambda grain: lambda image, n: grain.over((image * 0.5).astype(np.uint8), n),
    "more light": lambda grain: (
        lambda image, n: grain.over(np.minimum(image, 170) + np.uint8(60), n)
    ),
    "less contrast": lambda grain: (
        lambda image, n: grain.over((image * 0.6 + 40).astype(np.uint8), n)
    ),
    "night falls": at_night,
    "a white lorry": lambda grain: lambda image, n: grain.over(with_lorry(image, 215), n),
    "a dark lorry": lambda grain: lambda image, n: grain.over(with_lorry(image, 50), n),
    "another camera's noise": lambda grain: lambda image, n: grain.over(image, n, 8.0),
}


def with_lorry(image: Image, tone: int) -> Image:
    image = image.copy()
    draw_lorry(image, (0.25, 0.4, 0.45, 0.4), tone)
    return image


@pytest.mark.parametrize("what", HARMLESS)
def test_what_is_no_fault_is_none(
    what: str, road: list[Image], learnt: dict[bool, CameraMonitor]
) -> None:
    player = Player(copy.deepcopy(learnt[False]), LEARNT_S)
    assert set(player.play(road, HARMLESS[what](Grain(SIZE)), 300.0)) == {""}


def test_rain_is_no_fault(learnt: dict[bool, CameraMonitor]) -> None:
    scene = Scene(1, *SIZE, 10.0, Conditions(weather="rain", noise=3.0))
    rain = [scene.render(index)[0] for index in range(0, 400, 5)]
    player = Player(copy.deepcopy(learnt[False]), LEARNT_S)
    assert set(player.play(rain, lambda image, _number: image, 200.0)) == {""}


def test_without_a_reference_it_says_what_needs_none(road: list[Image]) -> None:
    grain = Grain(SIZE)
    for name, reason in (("covered, paper", "covered"), ("too dark", "dark")):
        fault = next(one for one in FAULTS if one.name == name)
        assert list(Player(CameraMonitor()).play(road, fault.drawn(grain), 100.0))[-1] == reason
    dirt = next(one for one in FAULTS if one.reasons == ("dirty",))
    monitor = CameraMonitor()
    assert set(Player(monitor).play(road, dirt.drawn(grain), LEARNT_S)) == {""}
    monitor.relearn()
    assert monitor.references.ready() == []


def test_what_it_sees_is_learnt_anew_where_a_technician_says_so(
    road: list[Image], learnt: dict[bool, CameraMonitor]
) -> None:
    turned = next(one for one in FAULTS if one.name.startswith("turned")).drawn(Grain(SIZE))
    player = Player(copy.deepcopy(learnt[False]), LEARNT_S)
    assert list(player.play(road, turned, IN_TIME_S))[-1] == "moved"
    player.monitor.relearn()
    assert set(player.play(road, turned, 2 * LEARNT_S)) == {""}
    assert list(player.play(road, Grain(SIZE).over, IN_TIME_S))[-1] == "moved"


def test_a_fault_that_was_declared_before_a_restart_goes_on_until_it_is_seen_to_be_over(
    road: list[Image],
) -> None:
    said = list(Player(CameraMonitor(declared="dirty")).play(road, Grain(SIZE).over, 100.0))
    assert (said[0], said[int(AWAY_S / TAKE_EVERY_S)], said[-1]) == ("dirty", "dirty", "")


def test_cameras_of_any_shape_and_rate_are_looked_at() -> None:
    rng = np.random.default_rng(1)
    for shape in ((16, 16), (48, 64, 3), (1080, 1920, 3), (640, 360)):
        monitor = CameraMonitor()
        for number in range(12):
            image = rng.integers(0, 255, shape).astype(np.uint8)
            assert monitor.take(Frame(number, image, Stamp(0.0, number * 7.0))) == ""
        assert monitor.looks > 5


def taken(verdicts: list[CameraReason], every_s: float = 2.0) -> list[CameraReason]:
    declaring = Declaring()
    return [declaring.take(one, number * every_s) for number, one in enumerate(verdicts)]


def test_a_fault_counts_once_it_has_lasted_and_until_it_has_been_away() -> None:
    looks = int(LASTS_S / 2.0)
    passing: list[CameraReason] = ["dirty"] * (looks - 4) + [""] * 20
    assert set(taken(passing)) == {""}
    lasting: list[CameraReason] = [""] * 5 + ["dirty"] * 30
    said = taken(lasting)
    assert said.index("dirty") - 5 <= looks
    assert taken([*lasting, *[""] * 5, *["dirty"] * 5])[-1] == "dirty"
    assert taken([*lasting, *[""] * 20])[-1] == ""


def test_one_look_that_is_unlike_the_others_changes_nothing() -> None:
    verdicts: list[CameraReason] = [*["dirty"] * 12, "", *["dirty"] * 12]
    assert taken(verdicts)[-1] == "dirty"
    verdicts = [*["dirty"] * 30, *["blurred"] * 6, *["dirty"] * 10]
    assert set(taken(verdicts)) == {"", "dirty"}


def test_a_fault_that_becomes_another_is_told_by_the_others_name() -> None:
    verdicts: list[CameraReason] = [*["dirty"] * 30, *["covered"] * 40]
    said = taken(verdicts)
    changes = [one for one, before in zip(said[1:], said, strict=False) if one != before]
    assert changes == ["dirty", "covered"]


def test_looks_that_come_rarely_are_counted_by_number_and_a_clock_that_jumps_back_forgets() -> None:
    assert taken(["frozen"] * 4, every_s=300.0) == ["", "", "frozen", "frozen"]
    declaring = Declaring()
    assert [declaring.take("dark", at_s) for at_s in (90.0, 100.0, 110.0, 10.0)][-1] == ""


@pytest.mark.parametrize("reason", CAMERA_REASONS)
def test_each_reason_says_what_to_do_in_both_languages(reason: CameraReason) -> None:
    assert in_vietnamese(EdgeError(TEXTS[reason]))


def test_the_times_of_day_cover_it() -> None:
    assert [time_of_day(hour * 3600.0) for hour in (0, 4, 8, 12, 16, 20, 24)] == [
        0,
        1,
        2,
        3,
        4,
        5,
        0,
    ]
    assert {time_of_day(second) for second in range(0, 86_400, 60)} == set(range(TIMES_OF_DAY))


def test_what_was_learnt_survives_in_a_few_kilobytes(learnt: dict[bool, CameraMonitor]) -> None:
    references = learnt[False].references
    data = encode(references)
    assert len(data) < 4_096  # one time of day
    again = decode(data)
    one, other = references.ready()[0], again.ready()[0]
    assert other.looks == one.looks >= LEAST_LOOKS
    assert np.abs(other.edges - one.edges).max() <= 0.5
    assert np.abs(other.detail - one.detail).max() <= 0.125
    assert np.array_equal(again.steady, references.steady)
    assert encode(again) == data


@pytest.fixture
def file(tmp_path: Path) -> ReferenceFile:
    return ReferenceFiles(tmp_path).of("gate")


def test_a_file_is_kept_for_the_daemons_user_alone(
    file: ReferenceFile, tmp_path: Path, learnt: dict[bool, CameraMonitor]
) -> None:
    assert file.load().ready() == []
    file.offer(learnt[False].references)
    assert not (tmp_path / FOLDER).exists()  # the capture thread writes nothing
    file.keep()
    path = tmp_path / FOLDER / "gate.edges"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    written = path.stat().st_mtime_ns
    file.keep()
    assert path.stat().st_mtime_ns == written
    assert len(file.load().ready()) == 1


@pytest.mark.parametrize("damage", ["", "{", "cut", "another size"])
def test_a_file_that_is_damaged_is_said_and_what_is_seen_is_learnt_anew(
    damage: str,
    file: ReferenceFile,
    tmp_path: Path,
    learnt: dict[bool, CameraMonitor],
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = encode(learnt[False].references)
    if damage == "another size":
        kept = msgspec.msgpack.decode(data)
        kept["by_time"][time_of_day(MORNING_S)][1] = b"x\x9c\x03\x00\x00\x00\x00\x01"
        data = msgspec.msgpack.encode(kept)
    else:
        data = data[:-40] if damage == "cut" else damage.encode()
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "gate.edges").write_bytes(data)
    assert file.load().ready() == []
    assert "learnt anew" in caplog.text


def test_a_technicians_word_is_taken_once_and_forgets_what_lies_on_disk(
    file: ReferenceFile, tmp_path: Path, learnt: dict[bool, CameraMonitor]
) -> None:
    file.offer(learnt[False].references)
    file.keep()
    word = ask_to_accept(tmp_path, "gate")
    assert not file.take_accepted()
    file.keep()
    assert not word.exists()
    assert not (tmp_path / FOLDER / "gate.edges").exists()
    assert [file.take_accepted(), file.take_accepted()] == [True, False]
