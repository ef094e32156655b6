"""Practice as a technician does it: begun, not solved by nothing, mended by what one types."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.practice.catalogue import ORDER, find_exercise
from edge_runtime.practice.needs import missing
from edge_runtime.practice.processes import leftovers
from support.practice import CURES, Technician, edit
from support.waiting import until

FAR_S = 120.0

# Which of root's rights an ordinary user does not have.
WITHOUT = "-dac_override,-dac_read_search"
AS_ORDINARY_USER = ("setpriv", f"--inh-caps={WITHOUT}", f"--bounding-set={WITHOUT}")
# A mount namespace of its own, in which systemd-timesyncd says that the clock is set.
SET_CLOCK = (
    "unshare", "-m", "sh", "-c",
    "mount -t tmpfs none /run && mkdir -p /run/systemd/timesync && "
    'touch /run/systemd/timesync/synchronized && exec "$@"', "sh",
)  # fmt: skip


@pytest.fixture
def technician(tmp_path: Path) -> Iterator[Technician]:
    found = Technician(tmp_path / "practice")
    yield found
    found.practice("stop")


def prefix_for(name: str) -> tuple[str, ...]:
    """Return how to come to what an exercise needs; skip where that is not possible."""
    needs = find_exercise(name, None).needs
    if missing(find_exercise(name, None)) is None:
        return ()
    if "clock" in needs and is_allowed(SET_CLOCK):
        return SET_CLOCK
    if "file-rights" in needs and is_allowed(AS_ORDINARY_USER):
        return AS_ORDINARY_USER
    pytest.skip(str(missing(find_exercise(name, None))))


def is_allowed(prefix: tuple[str, ...]) -> bool:
    if shutil.which(prefix[0]) is None:
        return False
    return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0


def solve(technician: Technician, name: str) -> None:
    """Begin an exercise, see that it is not solved yet, mend it, see that it is."""
    begun = technician.practice("start", name)
    assert begun.returncode == 0, begun.stderr
    before = technician.practice("check")
    assert (before.returncode, "not yet" in before.stdout) == (1, True), before.stdout
    technician.cure(name)
    # A daemon that starts, a back-off that runs out: people check again, too.
    said = until(lambda: mended(technician), f"{name} is mended", within_s=FAR_S)
    assert "What a good colleague looks at first" in said
    assert "x " in line_of(technician.practice("list").stdout, name)


def mended(technician: Technician) -> str:
    """Return what a check says that finds all mended, else nothing."""
    done = technician.practice("check")
    return done.stdout if done.returncode == 0 else ""


def line_of(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if f" {word} " in line)


@pytest.mark.long
@pytest.mark.parametrize("name", ORDER)
@pytest.mark.timeout(400)
def test_each_exercise_is_mended_by_what_a_technician_types(tmp_path: Path, name: str) -> None:
    technician = Technician(tmp_path / "practice", prefix_for(name))
    try:
        solve(technician, name)
    finally:
        technician.practice("stop")
    assert list(leftovers(technician.folder / name)) == []


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_wrong_turn_gets_its_hint(technician: Technician) -> None:
    assert technician.practice("start", "wrong-scale").returncode == 0
    for line in edit("s/, scale = 0.1//"):
        technician.type(line, name="wrong-scale")

    def remark() -> bool:
        return "-> Now centimetres arrive as if they were metres" in (
            technician.practice("check").stdout
        )

    until(remark, "the hint on a scale that was left out", within_s=FAR_S)


@pytest.mark.timeout(240)
def test_a_daemon_that_does_not_start_is_mended_and_a_killed_site_leaves_nothing(
    technician: Technician, tmp_path: Path
) -> None:
    assert technician.practice("start", "typo").returncode == 0
    before = technician.practice("check")
    assert (before.returncode, "does not run" in before.stdout) == (1, True)
    assert "-> The daemon does not stay up" in before.stdout
    assert "Hint 1 of 3" in technician.practice("hint").stdout
    technician.cure("typo")
    said = until(lambda: mended(technician), "typo is mended", within_s=FAR_S)
    assert "hints: 1" in said
    done = technician.practice("report", "--name", "Hoa", "--out", str(tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    assert "Hoa" in (tmp_path / "page.html").read_text()
    # Killed: its children end with it, and the next one can begin.
    site = technician.folder / "typo"
    os.kill(int(technician.facts("typo")["pid"]), signal.SIGKILL)
    until(lambda: not list(leftovers(site)), "all of the site has ended")
    assert "does not run" in technician.practice("check").stderr
    assert "No site runs" in technician.practice("stop").stdout


# In a terminal


class TmuxTerminal:
    """A real terminal with a shell in it."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed (Debian: apt-get install tmux)")
        self._socket = str(folder / "tmux.sock")
        exports = [word for pair in variables.items() for word in ("-e", "=".join(pair))]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "60", *exports, "sh")

    def type(self, line: str) -> None:
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def shows(self, text: str) -> str:
        """Wait until a text stands on the screen; return all of it."""

        def look() -> str:
            screen = self._tmux("capture-pane", "-p", "-S", "-300")
            return screen if text in screen else ""

        return until(look, f"on the screen: {text}", within_s=FAR_S)

    def close(self) -> None:
        self._tmux("kill-server")

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *words], capture_output=True, text=True, check=False
        )
        return done.stdout


def solve_in_a_terminal(tmp_path: Path, name: str) -> None:
    technician = Technician(tmp_path / "practice", prefix_for(name))
    terminal = TmuxTerminal(tmp_path, technician.variables(name))
    try:
        terminal.type(f"$PRACTICE start {name}; echo begun $?")
        screen = terminal.shows("begun 0")
        assert "The customer:" in screen
        assert f"practice --folder {technician.folder} check" in screen.replace("\n", "")
        terminal.type("$PRACTICE check; echo unsolved $?")
        assert "not yet" in terminal.shows("unsolved 1")
        for variable in ("BROKER_PORT", "OFFICE_PORT"):
            terminal.type(f"{variable}={technician.variables(name)[variable]}")
        for number, line in enumerate(CURES[name]):
            terminal.type(f"{line}; echo typed {number} $?")
            terminal.shows(f"typed {number} ")
        terminal.type("until $PRACTICE check; do sleep 1; done; echo solved $?")
        assert "To remember:" in terminal.shows("solved 0")
    finally:
        site = technician.folder / name
        terminal.close()
        until(lambda: not list(leftovers(site)), "the site ends with its terminal")


@pytest.mark.timeout(240)
def test_in_a_terminal_which_ends_the_site_when_it_closes(tmp_path: Path) -> None:
    solve_in_a_terminal(tmp_path, "wrong-baud")


@pytest.mark.long
@pytest.mark.parametrize("name", [one for one in ORDER if one != "wrong-baud"])
@pytest.mark.timeout(400)
def test_each_exercise_in_a_terminal(tmp_path: Path, name: str) -> None:
    if prefix_for(name):
        pytest.skip("needs rights or a clock that this terminal's shell does not have")
    solve_in_a_terminal(tmp_path, name)
