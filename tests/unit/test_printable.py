"""What strangers wrote reaches a terminal spelled out, whichever command shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.cli import cli
from edge_runtime.cli.doctor import show
from edge_runtime.cli.errors import fail
from edge_runtime.cli.printable import printable_lines, say
from edge_runtime.doctor import Finding
from edge_runtime.errors import EdgeError
from edge_runtime.language import Language

EVIL = "\x1b]52;c;AAAA\x07\x9b2Jevil\u202e"
FORBIDDEN = [chr(code) for code in (*range(10), *range(11, 32), *range(127, 160), 0x202E, 0x200B)]


@given(st.text())
def test_no_control_character_is_left_and_lines_stay(text: str) -> None:
    shown = printable_lines(text)
    assert shown.count("\n") == text.count("\n")
    assert not set(shown) & set(FORBIDDEN)


@pytest.mark.parametrize(
    ("folder", "line"), [("models", "models list"), ("recordings", "record --list")]
)
def test_names_in_the_state_folder_are_spelled_out(folder: str, line: str, tmp_path: Path) -> None:
    place = tmp_path / folder / EVIL
    place.mkdir(parents=True)
    (place / "pack.toml").write_text(EVIL)
    done = CliRunner().invoke(cli, [*line.split(), "--state-dir", str(tmp_path)])
    assert done.exit_code == 0
    assert "\\x1b]52;c;AAAA\\x07\\x9b2Jevil\\u202e" in done.output
    assert not set(done.output) & set(FORBIDDEN)


def test_findings_and_errors_are_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    show(Finding("camera/road", "failed", EVIL, EVIL), Language("en"))
    say(EVIL, err=True)
    with pytest.raises(SystemExit):
        fail(EdgeError(EVIL))
    told = "".join(capsys.readouterr())
    assert told.count("evil") == 4
    assert not set(told) & set(FORBIDDEN)
