"""Faults that were found, each with the input that showed it and what is right: `tests/cases`."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cases import CONFIGURATIONS, answer
from support.input_cases import EXPECTED, input_cases
from support.input_cases import answer as answer_to_input


@pytest.mark.parametrize("file", sorted(CONFIGURATIONS.glob("*.toml")), ids=lambda file: file.stem)
def test_a_configuration_gets_its_answer_in_both_languages(file: Path, tmp_path: Path) -> None:
    assert answer(file, tmp_path) == file.with_suffix(".expected").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state folder in which the trial of a pack is remembered."""
    return tmp_path_factory.mktemp("state")


@pytest.mark.parametrize("case", input_cases(), ids=lambda case: f"{case.parent.name}/{case.name}")
def test_an_input_leads_to_its_records(case: Path, state: Path) -> None:
    assert answer_to_input(case, state) == (case / EXPECTED).read_text(encoding="utf-8")
