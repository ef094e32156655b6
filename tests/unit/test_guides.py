"""The guides of technician and office: what they tell people to type exists, and both languages
tell the same. (hil/suite/test_7_guides.py types it.)"""

from __future__ import annotations

import re
import shlex

import click
import pytest
from babel.messages.pofile import read_po

from edge_runtime.cli import cli
from edge_runtime.language import SYSTEM_SAYS, Code, Language
from support.paths import ROOT

FOLDER = ROOT / "edge_runtime" / "provision"
CATALOGUE = ROOT / "edge_runtime" / "locale" / "vi" / "LC_MESSAGES" / "edge_runtime.po"
GUIDES: dict[Code, str] = {"en": "README.md", "vi": "README.vi.md"}
CODE = re.compile(r"^```(\w*)\n(.*?)^```$|`([^`\n]+)`", re.DOTALL | re.MULTILINE)
TYPED = ("sudo ", "edge-runtime ", "systemctl ", "ls ", "tar ", "cd", "scripts/", "--")
OURS = re.compile(r"(?:sudo )?(?:-u \S+ )?edge-runtime (.+)")
ROW = re.compile(r"^\| (?!install)([^|]*[:`][^|]*) \|", re.MULTILINE)  # install speaks English
VALUE = re.compile(r"\{.*?\}|…|\(…\)|\d+|edge-runtime\.service|^active$")
LINK = re.compile(r"\]\(([^)]+)\)")
SHOWN = (
    "camera",
    "clock",
    "broker",
    "certificate",
    "first message",
    "Read these six words to the office:",
)

in_each = pytest.mark.parametrize("code", GUIDES)
OFFICE = ROOT / "edge_runtime" / "office"


def guide(code: Code) -> str:
    return (FOLDER / GUIDES[code]).read_text()


def office_guide(code: Code) -> str:
    """Return what both languages have of the office's page."""
    return (OFFICE / GUIDES[code]).read_text().partition("\n## The commands\n")[0]


def typed(text: str) -> list[str]:
    """Return what a guide tells people to type, in its order; the language asked for apart."""
    found = []
    for kind, block, span in CODE.findall(text):
        lines = block.splitlines() if kind == "sh" else [span]
        found += [line.partition("  #")[0].strip() for line in lines]
    return [line.replace(" --lang vi", "") for line in found if line.startswith(TYPED)]


def options(words: list[str]) -> list[str]:
    return [word for word in words if word.startswith("--")]


@in_each
def test_each_command_and_option_exists(code: Code) -> None:
    lines = [*typed(guide(code)), *typed(office_guide(code))]
    ours = [shlex.split(found[1]) for line in lines if (found := OURS.fullmatch(line))]
    assert {"provision", "renew", "doctor", "learn", "record"} <= {words[0] for words in ours}
    assert {"status", "claim", "revoke"} <= {words[1] for words in ours if words[0] == "office"}
    for words in ours:
        command: click.Command | None = cli
        rest = list(words)
        while isinstance(command, click.Group):
            command = command.get_command(click.Context(command), rest.pop(0))
        assert command is not None, words
        known = {name for parameter in command.params for name in parameter.opts}
        assert set(options(rest)) <= known, words


@in_each
def test_the_installer_takes_each_option(code: Code) -> None:
    told = (ROOT / "scripts" / "install").read_text().partition("set -eu")[0]
    used: set[str] = set()
    for line in [*typed(guide(code)), *typed(office_guide(code))]:
        words = line.split()
        at = next((n for n, word in enumerate(words) if word.endswith("install")), None)
        used |= set() if at is None else set(options(words[at:]))
    assert used == {
        "--bundle", "--devices", "--uninstall", "--office", "--broker-name", "--broker-address",
    }  # fmt: skip
    assert all(name in told for name in used)


def test_both_guides_name_the_same_commands_in_the_same_order() -> None:
    for text in (guide, office_guide):
        assert typed(text("vi")) == typed(text("en"))
        assert text("vi").count("--lang vi") > text("en").count("--lang vi")


@in_each
def test_each_link_leads_to_a_file_and_a_heading_in_it(code: Code) -> None:
    for folder, text in ((FOLDER, guide(code)), (OFFICE, office_guide(code))):
        links = [link.partition("#") for link in LINK.findall(text)]
        assert len(links) >= 2
        for file, _, heading in links:
            assert (folder / file).is_file(), file
            there = (folder / file).read_text()
            found = re.findall(r"^## (.*)$", there, re.MULTILINE)
            assert not heading or heading in [one.lower().replace(" ", "-") for one in found]


@in_each
def test_what_is_shown_is_what_the_program_says(code: Code) -> None:
    shown = guide(code)
    for text in map(Language(code).text, SHOWN):
        assert re.search(rf"^(ok  |tốt  |\.\. +)?{text}", shown, re.MULTILINE), text


@in_each
def test_what_the_table_of_troubles_names_is_what_the_program_says(code: Code) -> None:
    texts = says(code)
    rows = [re.findall(r"`([^`]+)`", row) for row in ROW.findall(guide(code))]
    named = [span for row in rows for span in row if not span.startswith(TYPED)]
    assert len(named) > 20
    for span in named:
        for part in VALUE.split(re.sub(r"^[a-z]+: ", "", span)):
            assert part.strip(" :;(),") in texts, span


def test_what_the_system_says_is_in_vietnamese() -> None:
    assert [text for text in SYSTEM_SAYS if text in guide("vi")] == []


def says(code: Code) -> str:
    """Return all that the program can say."""
    with CATALOGUE.open("rb") as file:
        messages = [(m.id, m.string)[code == "vi"] for m in read_po(file)]
    return "\n".join(VALUE.sub("…", str(message)) for message in messages)
