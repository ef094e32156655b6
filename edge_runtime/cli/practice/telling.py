"""What practice shows: the list, a story with its commands, praise, the end of a log."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.cli.printable import say, say_marked
from edge_runtime.language import N_, Language

if TYPE_CHECKING:
    from edge_runtime.practice.exercise import Exercise
    from edge_runtime.practice.places import SiteFolder
    from edge_runtime.practice.session import PracticeSession
    from edge_runtime.practice.values import SiteValues

WIDTH = 88


def show_list(session: PracticeSession, language: Language) -> None:
    """Print each exercise's mark, name, minutes and title, and what is missing for it."""
    from edge_runtime.practice.needs import missing

    exercises = session.exercises()
    width = max(map(len, exercises))
    for number, (name, exercise) in enumerate(exercises.items(), 1):
        is_done = name in session.progress.solved
        minutes = language.text("{minutes} min", minutes=exercise.minutes)
        text = f"{number:>2}  {name:<{width}}  {minutes:>7}  {language.text(exercise.title)}"
        say_marked("x" if is_done else "-", "green" if is_done else "white", text)
        if (need := missing(exercise)) is not None:
            say(f"{'':{width + 7}}  ({language.text('not here: {need}', need=need)})")
    done = sum(1 for name in exercises if name in session.progress.solved)
    say()
    say(language.text("{done} of {all} solved.", done=done, all=len(exercises)))
    say(language.text("Next: `edge-runtime practice start {name}`", name=session.next_name()))


def tell(session: PracticeSession, language: Language) -> None:
    """Print what the customer says, what is wanted, and what can be typed."""
    name, exercise, site, _run = session.current()
    values = session.values()
    say()
    say(f"{name}: {language.text(exercise.title)}")
    say()
    paragraph(language.text("The customer:"), values.say(language.text(exercise.story)))
    paragraph(language.text("Your goal:"), values.say(language.text(exercise.goal)))
    say()
    say(language.text("The board's file, to be edited (for example with nano):"))
    say(f"    {site.config()}")
    say(language.text("On a real board you would type the same, with sudo, without these paths:"))
    for line in board_commands(exercise, site, values):
        say(f"    {line}")
    say(language.text("For practice alone:"))
    for word, what in practice_commands(exercise):
        say(f"    {me(session)} {word:<8} {language.text(what)}")


def paragraph(head: str, text: str) -> None:
    """Print a heading and a text below it."""
    say(head)
    # A path or a command that is broken in two could not be copied.
    say(
        textwrap.fill(
            text,
            WIDTH,
            initial_indent="    ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def board_commands(exercise: Exercise, site: SiteFolder, values: SiteValues) -> list[str]:
    """Return the commands for this site, as they are typed."""
    program = program_name()
    config, state = f"--config {site.config()}", f"--state-dir {site.state()}"
    found = [
        f"{program} check {config} {state}",
        f"{program} doctor {config} {state}",
        f"{program} status {state}",
    ]
    if not exercise.broker.managed:
        found.append(f"{program} watch --broker mqtt://127.0.0.1:{values.office_port}")
    own = (values.fill(command) for command in exercise.commands)
    return found + [line.replace("edge-runtime", program, 1) for line in own]


def practice_commands(exercise: Exercise) -> list[tuple[str, str]]:
    """Return the commands of practice itself, and what each is for."""
    found = [
        ("restart", N_("in place of `sudo systemctl restart edge-runtime`")),
        ("log", N_("in place of `sudo journalctl -u edge-runtime -n 20`")),
        ("check", N_("is it mended?")),
        ("hint", N_("a hint; each further one says more")),
        ("stop", N_("end this site")),
    ]
    if exercise.actions:
        found.insert(2, ("do", N_("what hands, eyes or a telephone can do here")))
    return found


def me(session: PracticeSession) -> str:
    """Return how this command is typed, with the folder where that is another than usual."""
    from edge_runtime.practice.places import default_folder

    is_usual = session.folder == Path(os.path.realpath(default_folder()))
    return f"{program_name()} practice" + ("" if is_usual else f" --folder {session.folder}")


def program_name() -> str:
    """Return how this program is typed here."""
    beside = Path(sys.executable).with_name("edge-runtime")
    found = shutil.which("edge-runtime")
    if found is not None and Path(found).resolve() == beside.resolve():
        return "edge-runtime"
    return str(beside) if beside.exists() else f"{sys.executable} -m edge_runtime"


def praise(session: PracticeSession, language: Language) -> None:
    """Say that it works, what a good colleague would have looked at, and what comes next."""
    _name, exercise, _site, run = session.current()
    say_marked(language.text("mended"), "green", language.text(exercise.goal))
    say(
        language.text(
            "{minutes:.0f} minutes (an expert: {expert}), hints: {hints}",
            minutes=run.minutes,
            expert=exercise.minutes,
            hints=run.hints,
        )
    )
    paragraph(
        language.text("What a good colleague looks at first:"), language.text(exercise.first_look)
    )
    paragraph(language.text("To remember:"), language.text(exercise.lesson))
    say()
    say(language.text("Next: `edge-runtime practice start {name}`", name=session.next_name()))


def show_log(session: PracticeSession, lines: int) -> None:
    """Print the end of the daemon's log."""
    file = session.current()[2].board_log()
    for line in file.read_text(errors="replace").splitlines()[-lines:]:
        say(f"    {line}")
