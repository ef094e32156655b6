"""One Vietnamese word a thing: the catalogue and the guides keep to the glossary."""

from __future__ import annotations

import re
import runpy
import tomllib
from typing import Any

import pytest

from support.paths import ROOT

pytest.importorskip("babel")

GLOSSARY = ROOT / "edge_runtime" / "locale" / "vi" / "glossary.toml"
GUIDES = sorted(file for file in ROOT.rglob("README.vi.md") if ".venv" not in file.parts)
# What people type or a program names: no words of ours.
CODE = re.compile(
    r"`[^`]*`|\{[^}]*\}|--[a-z-]+|'(?:edge-runtime|office)[^']*'|'[^' ]*'|\"[^\"]*\""
    r"|\b[a-z_]+\[[^\]]*\][a-z_.]*|\[[^\]]*\]"
    r"|\b[A-Z]+/[A-Z]+\b|\b[a-z_]+[._/][a-z_./-]+|edge-runtime [a-z]+(?: [a-z]+)?|\b[a-z_]+ = \S+"
)


@pytest.fixture(scope="module")
def glossary() -> dict[str, Any]:
    return tomllib.loads(GLOSSARY.read_text())


@pytest.fixture(scope="module")
def messages() -> list[tuple[str, str]]:
    catalogue = runpy.run_path(str(ROOT / "scripts" / "messages"))["translated"]()
    return [(one.id, one.string) for one in catalogue if one.id]


def uses(term: str, english: str) -> bool:
    """Say whether an English text has a term in its words, not in its code."""
    prose = CODE.sub(" ", english)
    return re.search(rf"(?<![\w-])(?:{term})(?![\w-])", prose, re.IGNORECASE) is not None


def faults(term: dict[str, Any], messages: list[tuple[str, str]]) -> list[str]:
    """Return the messages that say a term in another way than the glossary."""
    found = []
    for english, vietnamese in messages:
        excepted = any(english.startswith(one) for one in term.get("except", {}))
        if not uses(term["en"], english) or excepted:
            continue
        prose = CODE.sub(" ", vietnamese)
        wrong = [
            word for word in term.get("not", []) if re.search(rf"(?i)(?<!\w){word}(?!\w)", prose)
        ]
        if wrong or not re.search(term["vi"], vietnamese, re.IGNORECASE):
            found.append(f"{term['en']} ({term['vi']}), {wrong or 'missing'}: {english[:70]!r} = "
                         f"{vietnamese[:110]!r}")  # fmt: skip
    return found


def test_each_term_has_its_one_word(
    glossary: dict[str, Any], messages: list[tuple[str, str]]
) -> None:
    found = [fault for term in glossary["term"] for fault in faults(term, messages)]
    assert found == [], "\n".join(found)


def test_words_that_nobody_writes(
    glossary: dict[str, Any], messages: list[tuple[str, str]]
) -> None:
    texts = [vietnamese for _, vietnamese in messages] + [file.read_text() for file in GUIDES]
    found = [(one["word"], text[:90]) for one in glossary["never"] for text in texts
             if one["word"].lower() in text.lower()]  # fmt: skip
    assert found == []
    assert len(GUIDES) > 1


def test_the_glossary_says_why_and_holds_no_dead_entries(
    glossary: dict[str, Any], messages: list[tuple[str, str]]
) -> None:
    terms = glossary["term"]
    assert len(terms) + len(glossary["never"]) >= 60
    assert len({term["en"] for term in terms}) == len(terms)
    assert all(one["why"] for one in (*terms, *glossary["never"]))
    for term in terms:
        assert any(uses(term["en"], english) for english, _ in messages), term["en"]
        for beginning, why in term.get("except", {}).items():
            assert why, (term["en"], beginning)
            excused = [one for one in messages if one[0].startswith(beginning)]
            bare = {**term, "except": {}}
            assert faults(bare, excused), f"{term['en']}: no exception is needed: {beginning}"


def test_a_word_that_is_wrong_is_noticed() -> None:
    term = {"en": "rules?", "vi": "quy tắc", "not": ["luật"]}
    assert faults(term, [("the broker's rules", "luật của broker")])
    assert faults(term, [("the broker's rules", "quy tắc và luật của broker")])
    assert not faults(term, [("the broker's rules", "quy tắc của broker")])
    assert not faults(term, [("see `rules`, or rules[0].labels", "xem `rules`")])
    assert not faults({**term, "except": {"the bro": "x"}}, [("the broker's rules", "luật")])
