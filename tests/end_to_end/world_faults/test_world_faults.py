"""Faults of the world: the cause that doctor and health name is the one that was planted.

What is told may be less than the cause, where it cannot be known from the board; it is never
another one. A few in the plain suite, all of them with `scripts/test --long`.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from edge_runtime.language import DOMAIN, LOCALE
from support.owners import as_root
from support.road import stream, synthetic
from world_faults import boards, brokers, cameras, serial_ports
from world_faults.board import Board, places
from world_faults.fault import Fault, Planted, Site, names

FAULTS = (*cameras.FAULTS, *serial_ports.FAULTS, *brokers.FAULTS, *boards.FAULTS)
pytestmark = as_root


@pytest.fixture
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="test-world-"))
    folder.chmod(0o755)
    yield Site(folder)
    shutil.rmtree(folder)


@functools.cache
def catalogue() -> tuple[str, ...]:
    """Return the templates of all texts."""
    from babel.messages.pofile import read_po

    with (LOCALE / "vi" / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        return tuple(str(one.id) for one in read_po(file) if one.id)


def templates_of(causes: Iterable[str]) -> set[str]:
    return {one for one in catalogue() for cause in causes if cause in one}


def assert_no_other(fault: Fault, texts: Iterable[str]) -> None:
    """See that nothing is told that is another fault's cause."""
    own = templates_of(fault.all_causes)
    for other in FAULTS:
        for cause in other.all_causes:
            if templates_of([cause]).isdisjoint(own):
                wrong = [text for text in texts if names(text, cause)]
                assert not wrong, f"that is {other.name}"


def see_doctor(fault: Fault, board: Board, planted: Planted) -> None:
    findings = board.doctor()
    failed = [one for one in findings if one["state"] == "failed"]
    bad = [one for one in findings if one["state"] in ("failed", "warning")]
    said = [f"{one['text']} {one['advice']}" for one in bad if one["check"] == fault.check]
    assert any(names(text, one) for text in said for one in fault.told_by_doctor), shown(bad)
    if planted.holder:
        assert any(f"(pid {planted.holder})" in text for text in said), said
    assert {one["check"] for one in failed} <= {fault.check, *fault.beside}, shown(failed)
    assert_no_other(fault, [one["text"] for one in failed])


def shown(findings: list[dict[str, str]]) -> str:
    return "\n".join(" | ".join(one.values()) for one in findings)


def see_health(fault: Fault, board: Board) -> None:
    """See that the cause is told on the board, and over the link where there is one."""

    def is_it(text: str) -> bool:
        return any(names(text, cause) for cause in fault.causes)

    board.await_told(fault.place, is_it)
    if fault.place == "link":
        assert any(map(is_it, places(board.status())["link"]))
        return
    with board.with_broker() as ear:
        health = board.await_health(ear, fault.place, is_it)
    elsewhere = {place: texts for place, texts in places(health).items() if place != fault.place}
    assert not any(elsewhere.values()), elsewhere


def see_health_after_strike(fault: Fault, board: Board, planted: Planted) -> None:
    def is_it(text: str) -> bool:
        return any(names(text, cause) for cause in fault.causes)

    with board.with_broker() as ear:
        board.strike()
        if not planted.restarts:
            board.await_told(fault.place, is_it)
        see_doctor(fault, board, planted)
        board.await_health(ear, fault.place, is_it)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(one, id=one.name, marks=() if one.is_quick else pytest.mark.long)
        for one in FAULTS
    ],
)
def test_the_cause_that_is_named_is_the_one_that_was_planted(fault: Fault, site: Site) -> None:
    assert templates_of(fault.causes)
    assert templates_of(fault.told_by_doctor)
    with fault.plant(site) as planted:
        board = Board(site, planted)
        if planted.strike is None:
            with board.with_broker():  # one of its own may be the fault
                see_doctor(fault, board, planted)
        if fault.place == "log":
            words = board.last_words()
            assert any(names(words, cause) for cause in fault.causes), words
            assert_no_other(fault, [words])
            return
        with board.at_work():
            if planted.strike is None:
                see_health(fault, board)
            else:
                see_health_after_strike(fault, board, planted)
    texts = board.told[fault.place]
    if planted.holder:
        assert any(f"(pid {planted.holder})" in text for text in texts), texts
    assert_no_other(fault, texts)


def test_of_a_board_that_works_no_cause_is_named(site: Site) -> None:
    planted = Planted(stream(source=synthetic("width = 320, height = 180, rate_fps = 20")))
    board = Board(site, planted)
    with board.with_broker() as ear:
        assert [one for one in board.doctor() if one["state"] == "failed"] == []
        with board.at_work():
            ear.wait_for(lambda heard: bool(heard.of("detections")))
            ear.wait_for(lambda heard: bool(heard.of("health")))
            assert not any(places(ear.of("health")[-1]).values())
