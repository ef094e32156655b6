"""The parts of practice: exercises as data, places, devices, judging, the page to show."""

from __future__ import annotations

import os
import re
import shlex
import time
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import click
import pytest
import serial

from edge_runtime.cli import cli
from edge_runtime.consume.arrivals import ReceivedMessage
from edge_runtime.encode.reader import Decoded
from edge_runtime.errors import UsageError
from edge_runtime.language import Language
from edge_runtime.practice.brokers import password_line
from edge_runtime.practice.catalogue import ORDER, all_exercises, find_exercise
from edge_runtime.practice.checking import NOT_LOADED, NOT_RUNNING, WRONG_FILE, common_remarks
from edge_runtime.practice.conditions import (
    ArrivesSoon,
    ConfigSays,
    DevicesArrive,
    EventArrives,
    LinkHolds,
    ReadingArrives,
    unmet,
)
from edge_runtime.practice.evidence import ArrivedRecord, Evidence
from edge_runtime.practice.exercise import BrokerAccount, LineSensor, MeterRegister, ModbusMeter
from edge_runtime.practice.places import MARK, SiteFolder, checked_folder
from edge_runtime.practice.port_devices import SimulatedDevice, answer_of, with_check
from edge_runtime.practice.progress import (
    PracticeProgress,
    PracticeRun,
    load_progress,
    note_solved,
    save_progress,
)
from edge_runtime.practice.relay import LossyRelay
from edge_runtime.practice.report import page
from edge_runtime.practice.values import SiteValues
from support.paths import ROOT
from support.practice import CURES

EXERCISES = all_exercises(None)
GUIDES = (ROOT / "edge_runtime/practice/README.md", ROOT / "edge_runtime/practice/README.vi.md")

# The table


def test_there_is_a_way_from_the_first_cable_to_the_office() -> None:
    assert len(EXERCISES) >= 20
    assert list(EXERCISES) == list(ORDER)
    assert CURES.keys() == EXERCISES.keys()


@pytest.mark.parametrize("name", ORDER)
def test_an_exercise_is_whole(tmp_path: Path, name: str) -> None:
    exercise = EXERCISES[name]
    assert len(exercise.hints) >= 3
    values = SiteValues.of(SiteFolder(tmp_path), one_port=False)
    for board in exercise.boards:
        tables = tomllib.loads(values.fill(board.config))
        assert tables["device"]["site"] == "practice"
    vietnamese = Language("vi")
    texts = [exercise.title, exercise.goal, exercise.story, exercise.first_look, exercise.lesson]
    texts += exercise.hints
    texts += [text for one in exercise.actions for text in (one.text, one.seen)]
    texts += [turn.text for turn in exercise.wrong_turns]
    assert [text for text in texts if vietnamese.text(text) == text] == []
    assert "{" not in "".join(values.say(text) for text in texts)


def test_an_office_adds_exercises_of_its_own(tmp_path: Path) -> None:
    example = re.search(r"^```toml\n(.*?)^```$", GUIDES[0].read_text(), re.DOTALL | re.MULTILINE)
    assert example is not None
    (tmp_path / "our-pump.toml").write_text(example[1])
    found = all_exercises(tmp_path)
    assert list(found) == [*ORDER, "our-pump"]
    assert isinstance(found["our-pump"].devices[0], LineSensor)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("ours", "title = 3", r"ours\.toml: line 1: title"),
        ("ours", "", "ours.toml: title: missing"),
        ("ours", "titel = 'x'", "ours.toml: line 1: titel: unknown key"),
        ("typo", "", "not as one of the project's"),
        ("Our One", "", "a-z, 0-9"),
    ],
)
def test_a_wrong_file_of_an_office_is_named(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / f"{name}.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        all_exercises(tmp_path)


def test_an_exercise_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no exercise 'typos'"):
        find_exercise("typos", None)


# Places


@pytest.mark.parametrize("place", ["/etc/edge-practice", "/", "/usr/x", "/var/lib/edge-runtime/x"])
def test_the_system_s_own_places_are_refused(place: str) -> None:
    with pytest.raises(UsageError, match="the system's own place"):
        checked_folder(Path(place))
    assert not Path(place, MARK).exists()


def test_a_link_to_the_system_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(UsageError, match="the system's own place"):
        checked_folder(tmp_path / "link")


def test_what_others_made_stays(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("mine")
    with pytest.raises(UsageError, match="not made by practice"):
        checked_folder(tmp_path)
    folder = checked_folder(tmp_path / "practice")
    (folder / "typo").mkdir()
    (folder / "typo" / "mine").touch()
    with pytest.raises(UsageError, match="move it away"):
        SiteFolder(folder / "typo").make()
    assert (folder / "typo" / "mine").exists()


def test_a_site_is_made_anew_over_what_an_exercise_closed(tmp_path: Path) -> None:
    site = SiteFolder(tmp_path / "state-folder")
    site.make()
    site.state().mkdir(parents=True)
    (site.state() / "x").touch()
    site.state().chmod(0o500)
    site.make()
    assert not site.state().exists()


# Devices


def test_a_port_gives_garbage_at_another_speed(tmp_path: Path) -> None:
    options = LineSensor("probe", ((2.5, 0.0, 1.0),), baud=9600, every_s=0.01)
    device = SimulatedDevice(options, tmp_path)
    device.start()
    try:
        with serial.Serial(str(tmp_path / "probe"), 9600, timeout=5) as port:
            port.reset_input_buffer()
            port.readline()
            assert port.readline() == b"2.5\r\n"
        with serial.Serial(str(tmp_path / "probe"), 19200, timeout=5) as port:
            port.reset_input_buffer()
            assert b"2.5\r\n2.5" not in port.read(200)
    finally:
        device.close()
    assert not (tmp_path / "probe").exists()


def test_a_meter_answers_to_its_own_number_alone() -> None:
    meter = ModbusMeter("m", (MeterRegister(0, (230.0, 0.0, 1.0)),), device=7)
    asked = {number: with_check(bytes((number, 4, 0, 0, 0, 2))) for number in (1, 7)}
    assert answer_of(meter, asked[1], 0.0) == b""
    assert answer_of(meter, asked[7], 0.0) == with_check(bytes.fromhex("070404 43660000"))
    swapped = ModbusMeter("m", (MeterRegister(0, (230.0, 0.0, 1.0), low_word_first=True),))
    assert answer_of(swapped, asked[1], 0.0)[3:7] == bytes.fromhex("00004366")
    assert answer_of(meter, with_check(bytes((7, 4, 0, 9, 0, 1))), 0.0)[1] == 0x84


def test_a_password_is_never_written_down() -> None:
    line = password_line(BrokerAccount("well-1", "secret"))
    assert line.startswith("well-1:$7$101$")
    assert "secret" not in line


def test_a_link_loses_runs_of_records_once() -> None:
    relay = LossyRelay("mqtt://127.0.0.1:1", "mqtt://127.0.0.1:1")

    def carried(seq: int) -> bool:
        payload = f'{{"boot":1,"seq":{seq}}}'.encode()
        return not relay._loses(ReceivedMessage("edge/v1/a/b/c/reading", payload, False))

    lost = [seq for seq in range(1, 101) if not carried(seq)]
    assert lost == [40, 41, 42, 43, 44, 80, 81, 82, 83, 84]
    assert relay.facts() == {"lost": 2, "filled": 0}
    assert all(carried(seq) for seq in lost[:5])
    assert relay.facts() == {"lost": 2, "filled": 1}


# Judging


def arrival(
    stream: str, kind: str, payload: Any, *, device: str = "b", at_s: float = 9.0
) -> ArrivedRecord:
    return ArrivedRecord(Decoded("t", "practice", device, stream, kind, payload), at_s)


def reading(value: float, **more: Any) -> ArrivedRecord:
    return arrival("well", "reading", [{"bn": "x/", "bt": 5.0, "n": "level", "v": value}], **more)


def test_values_count_where_most_of_them_can_be() -> None:
    wanted = ReadingArrives("well", "level", 2.0, 3.0)
    assert wanted.fault(Evidence(arrivals=[reading(2.5)])) is None
    wrong = wanted.fault(Evidence(arrivals=[reading(25.0), reading(2.5), reading(24.0)]))
    assert "25, 2.5, 24: that cannot be" in str(wrong)
    assert "no value" in str(wanted.fault(Evidence(listened_s=12.0)))


def test_other_conditions() -> None:
    event = {"ts": 8.0, "event": "enter", "rule": "yard", "object": {"label": "truck"}}
    evidence = Evidence(arrivals=[arrival("road", "event", event), reading(2.5, device="c")])
    assert EventArrives("road", "enter", rule="yard").fault(evidence) is None
    assert "came: enter" in str(EventArrives("road", "enter", label="person").fault(evidence))
    assert ArrivesSoon("well", 5.0).fault(evidence) is None
    assert "4 s old" in str(ArrivesSoon("well", 3.0).fault(evidence))
    assert "1 boards sent" in str(DevicesArrive(2, "well").fault(evidence))
    both = Evidence(arrivals=[reading(2.5), reading(2.5, device="c")])
    assert DevicesArrive(2, "well").fault(both) is None
    evidence.config = {"streams": [{"source": {"baud": 9600}}]}
    assert ConfigSays("streams.0.source.baud", 9600).fault(evidence) is None
    assert unmet((ConfigSays("streams.1.source", 1), LinkHolds()), evidence) != []


def test_what_is_worth_saying_whatever_the_exercise_is(tmp_path: Path) -> None:
    site = SiteFolder(tmp_path)
    site.state().mkdir(parents=True)
    assert common_remarks(site, Evidence(config=None)) == [WRONG_FILE]
    assert common_remarks(site, Evidence(config={})) == [NOT_RUNNING]
    site.config().touch()
    (site.state() / "status.sock").touch()
    os.utime(site.config(), (100.0, 100.0))
    os.utime(site.state() / "status.sock", (200.0, 200.0))
    running = Evidence(config={}, status={})
    assert common_remarks(site, running) == []
    os.utime(site.config(), (300.0, 300.0))
    assert common_remarks(site, running) == [NOT_LOADED]


# What is kept and shown


def test_the_better_go_is_kept_and_the_first_day(tmp_path: Path) -> None:
    progress = PracticeProgress()
    note_solved(progress, PracticeRun("typo", 0.0, hints=2, solved_s=600.0))
    note_solved(progress, PracticeRun("typo", 1000.0, hints=0, solved_s=1120.0))
    note_solved(progress, PracticeRun("typo", 2000.0, hints=1, solved_s=2001.0))
    save_progress(tmp_path, progress)
    kept = load_progress(tmp_path).solved["typo"]
    assert (kept.first_s, kept.minutes, kept.hints) == (600.0, 2.0, 0)
    (tmp_path / "progress.json").write_text("{")
    with pytest.raises(UsageError, match="move it away to begin anew"):
        load_progress(tmp_path)


class Tags(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href")]


def test_the_page_is_self_contained_and_in_both_languages() -> None:
    progress = PracticeProgress()
    note_solved(progress, PracticeRun("wrong-baud", 0.0, hints=1, solved_s=300.0))
    text = page("Nguyễn <b>Thị</b> Hoa", EXERCISES, progress.solved, time.time())
    tags = Tags()
    tags.feed(text)
    assert (tags.loads, tags.names & {"script", "img", "link", "b"}) == ([], set())
    assert "Nguyễn &lt;b&gt;Thị&lt;/b&gt; Hoa" in text
    assert "Only garbage comes from the level probe" in text
    assert Language("vi").text("Only garbage comes from the level probe") in text
    assert f"1 of {len(ORDER)} exercises solved" in text
    assert text.count("<tr>") == 2


# The guide


def typed(guide: Path) -> list[list[str]]:
    """Return the program's commands in a guide's blocks, without --lang."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", guide.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    words = [shlex.split(line.replace(" --lang vi", ""), comments=True) for line in lines]
    return [line for line in words if line and line[0] == "edge-runtime"]


def test_both_guides_tell_to_type_the_same() -> None:
    assert typed(GUIDES[0]) == typed(GUIDES[1])
    assert len(typed(GUIDES[0])) >= 8


def test_what_the_guides_tell_to_type_exists() -> None:
    group = cli.get_command(click.Context(cli), "practice")
    assert isinstance(group, click.Group)
    for words in typed(GUIDES[0]):
        if words[1] != "practice":
            continue
        command = group if len(words) == 2 else group.commands[words[2]]
        known = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("--")} <= known, words
