"""Faults that were found, each with the input that showed it and what is right: `tests/cases`."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cases import CONFIGURATIONS, answer


@pytest.mark.parametrize("file", sorted(CONFIGURATIONS.glob("*.toml")), ids=lambda file: file.stem)
def test_a_configuration_gets_its_answer_in_both_languages(file: Path, tmp_path: Path) -> None:
    assert answer(file, tmp_path) == file.with_suffix(".expected").read_text(encoding="utf-8")
