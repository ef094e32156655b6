"""The texts for people: chosen by the terminal, and every one of them there in Vietnamese."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from string import Formatter
from typing import Any

import pytest

from edge_runtime.language import Code, Language, choose
from support.paths import ROOT

pytest.importorskip("babel")

# Words that Vietnamese technicians use as they are.
SAME = {"broker", "camera", "{device} (camera)"}
# Click's name of a type, which is English.
SPARED = {"{value!r} is not a valid {number_type}.": {("number_type", "")}}
# What an error is given besides the values of its text.
OWN = {"LinkError": {"code", "answered", "is_unclear", "wait_at_least_s"}}


@pytest.fixture(scope="module")
def messages() -> dict[str, Any]:
    """Return the functions of `scripts/messages`."""
    return runpy.run_path(str(ROOT / "scripts" / "messages"))


@pytest.fixture(scope="module")
def catalogue(messages: dict[str, Any]) -> Any:
    """Return the catalogue as it lies in the repository."""
    return messages["translated"]()


def texts(catalogue: Any) -> dict[str, Any]:
    return {message.id: message for message in catalogue if message.id}


# The catalogue


def test_every_text_of_the_code_is_in_the_catalogue_and_no_other(
    messages: dict[str, Any], catalogue: Any
) -> None:
    assert texts(messages["collected"]()).keys() == texts(catalogue).keys()
    assert not catalogue.obsolete
    assert len(texts(catalogue)) > 100


def test_every_text_is_translated(catalogue: Any) -> None:
    assert [one.id for one in texts(catalogue).values() if one.fuzzy or not one.string] == []
    same = {one.id for one in texts(catalogue).values() if one.id == one.string}
    words = {text: re.findall("[a-z]+", re.sub(r"{[^}]*}", "", text).lower()) for text in same}
    assert [text for text, ours in words.items() if not SAME.issuperset(ours)] == []


def places(text: str) -> set[tuple[str, str]]:
    """Return the names and formats of a text's places."""
    return {(name, form or "") for _, name, form, _ in Formatter().parse(text) if name}


def kept(text: str) -> set[str]:
    """Return the commands, options and keys in a text: people type or look for just these."""
    return set(re.findall(r"`[^`]+`|--[a-z-]+|\b(?:broker|outbox|device|source)\.[a-z_]+", text))


def test_places_options_and_commands_are_those_of_the_english_text(catalogue: Any) -> None:
    for message in texts(catalogue).values():
        spared = places(message.id) - places(message.string)
        assert not places(message.string) - places(message.id), message.id
        assert spared == SPARED.get(message.id, set()), message.id
        assert kept(message.string) == kept(message.id)


def test_the_compiled_catalogue_is_the_catalogue(messages: dict[str, Any], catalogue: Any) -> None:
    assert messages["MO"].read_bytes() == messages["mo_bytes"](catalogue)
    # It also holds the .po against the code.
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "messages", "--check"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_files_hold_no_dates_and_no_places_of_this_machine(messages: dict[str, Any]) -> None:
    for file in (messages["PO"], messages["MO"]):
        text = file.read_bytes().decode(errors="replace")
        assert "-Date:" not in text
        assert str(ROOT) not in text


def test_a_text_that_is_new_is_noticed(messages: dict[str, Any]) -> None:
    catalogue = messages["translated"]()
    catalogue.add("never printed")
    assert "never printed" in messages["untranslated"](catalogue)


# What the code prints


@pytest.fixture(scope="module")
def calls(messages: dict[str, Any]) -> list[tuple[str, ast.Call]]:
    """Return the calls that are given a text, each with its file."""
    errors = messages["error_names"]()
    files = sorted((ROOT / "edge_runtime").rglob("*.py"))
    return [(file.name, call) for file in files for call in messages["calls_of"](file, errors)]


def test_each_place_is_given_a_value(
    messages: dict[str, Any], calls: list[tuple[str, ast.Call]]
) -> None:
    found = 0
    for file, call in calls:
        name, text = messages["called"](call), messages["template_of"](call)
        values = {str(keyword.arg) for keyword in call.keywords} - OWN.get(name, set())
        # What is marked is filled elsewhere; and values may come from a table.
        if text is None or name == "N_" or "None" in values:
            continue
        assert {name for name, _ in places(text)} == values, f"{file}: {text}"
        found += 1
    assert found > 400


def test_every_error_is_raised_with_a_template(
    messages: dict[str, Any], calls: list[tuple[str, ast.Call]]
) -> None:
    errors = messages["error_names"]()
    finished = [
        f"{file}:{call.lineno}: {ast.unparse(call)}"
        for file, call in calls
        if messages["called"](call) in errors and call.args and is_finished(call.args[0])
    ]
    assert finished == []


def is_finished(text: ast.expr) -> bool:
    """Say whether a text is put together before it can be translated."""
    match text:
        case ast.JoinedStr() | ast.BinOp():
            return True
        case ast.Call(func=ast.Attribute(attr="format" | "join")) | ast.Call(func=ast.Name("str")):
            return True
    return False


@pytest.mark.parametrize("text", ['f"{a}: b"', '"a" + b', '"%s" % a', '"{}".format(a)', "str(a)"])
def test_a_text_that_is_finished_too_early_is_noticed(text: str) -> None:
    assert is_finished(ast.parse(text, mode="eval").body)


def test_errors_are_known_by_their_root(messages: dict[str, Any]) -> None:
    assert {"LinkError", "ClaimError", "NoLinkError", "PackError"} <= messages["error_names"]()


# The choice


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "en"),
        ({"LANG": "vi_VN.UTF-8"}, "vi"),
        ({"LANG": "vi"}, "vi"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "vi_VN"}, "vi"),
        ({"LC_ALL": "en_US.UTF-8", "LC_MESSAGES": "vi_VN"}, "en"),
        ({"LANGUAGE": "de:vi:en", "LANG": "en_US.UTF-8"}, "vi"),
        ({"LANGUAGE": "", "LANG": "vi_VN"}, "vi"),
        ({"LANG": "vietnam"}, "en"),
    ],
)
def test_the_terminal_s_language(environment: dict[str, str], code: Code) -> None:
    assert choose(None, environment).code == code


def test_the_language_asked_for_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose("en", {"LANG": "vi_VN"}).code == "en"
    monkeypatch.setenv("LANGUAGE", "vi")
    assert choose(None).code == "vi"


def test_a_text_in_both_languages() -> None:
    assert Language("en").text("{host} is {addresses}", host="a", addresses="b") == "a is b"
    vietnamese = Language("vi").text("{host} is {addresses}", host="a", addresses="b")
    assert vietnamese == "a có địa chỉ b"
    assert Language("vi").text("not in the catalogue") == "not in the catalogue"
