"""`edge-runtime practice`: learn on a simulated site in which one thing is broken."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.cli.localized import LocalizedGroup, lang_option
from edge_runtime.cli.logs import set_up_silence
from edge_runtime.cli.practice.telling import (
    me,
    paragraph,
    praise,
    show_list,
    show_log,
    tell,
)
from edge_runtime.cli.printable import say, say_marked
from edge_runtime.language import N_, Code, choose

if TYPE_CHECKING:
    from edge_runtime.practice.session import PracticeSession

LOG_LINES = 20


def practice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all of the commands take."""
    for option in (
        click.option(
            "--exercises",
            "own",
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            help=N_("A folder with exercises of your office; default: exercises in --folder."),
        ),
        click.option(
            "--folder",
            type=click.Path(path_type=Path, file_okay=False),
            help=N_("Where the sites and your progress are kept; default: ~/edge-practice."),
        ),
        lang_option,
    ):
        command = option(command)
    return command


@click.group(
    cls=LocalizedGroup,
    invoke_without_command=True,
    help=N_(
        "Learn on a simulated site in which one thing is broken: find it with the program's own "
        "commands, mend it, and let it be checked. Neither root nor hardware is needed.\n"
        "\n"
        "Exit status: 0 done, or mended; 1 not mended yet, or something failed; 2 wrong input."
    ),
)
@practice_options
@click.pass_context
def practice(ctx: click.Context, folder: Path | None, own: Path | None, lang: Code | None) -> None:
    """Show the list where no command is given."""
    set_up_silence()
    if ctx.invoked_subcommand is None:
        show_list(opened(folder, own), choose(lang))


def opened(folder: Path | None, own: Path | None) -> PracticeSession:
    """Return the practice of these folders; a command's own options go before the group's."""
    from edge_runtime.practice.places import default_folder
    from edge_runtime.practice.session import PracticeSession

    parent = click.get_current_context().parent
    outer = parent.params if parent is not None and parent.info_name == "practice" else {}
    folder = folder or outer.get("folder") or default_folder()
    return PracticeSession(folder, own or outer.get("own"))


@practice.command("list", help=N_("Show the exercises in their order."))
@practice_options
def list_exercises(folder: Path | None, own: Path | None, lang: Code | None) -> None:
    """Show the list."""
    show_list(opened(folder, own), choose(lang))


@practice.command(
    help=N_("Begin an exercise: the next one, or the one that is named. Its site then runs."),
)
@click.argument("name", required=False)
@practice_options
def start(name: str | None, folder: Path | None, own: Path | None, lang: Code | None) -> None:
    """Bring the site up and tell the story."""
    session, language = opened(folder, own), choose(lang)
    say(language.text("The site is being set up; that takes some seconds …"))
    session.start(name or session.next_name())
    tell(session, language)


@practice.command(help=N_("Show story, goal and commands again."))
@practice_options
def show(folder: Path | None, own: Path | None, lang: Code | None) -> None:
    """Tell the story of the exercise at hand."""
    tell(opened(folder, own), choose(lang))


@practice.command(
    help=N_("Measure whether it is mended, and say what is wrong still."),
)
@practice_options
def check(folder: Path | None, own: Path | None, lang: Code | None) -> None:
    """Judge by what arrives, and by what the board says."""
    session, language = opened(folder, own), choose(lang)
    _name, exercise, _site, _run = session.current()
    say(
        language.text(
            "Looking at the site; that takes up to {seconds:.0f} s …",
            seconds=exercise.listen_s + 30,
        )
    )
    result = session.check(language.code)
    for fault in result.faults:
        say_marked(language.text("not yet"), "red", fault.localized(language))
    for remark in result.remarks:
        say(f"  -> {language.text(remark)}")
    if not result.is_mended:
        sys.exit(1)
    praise(session, language)


@practice.command(help=N_("Give a hint; each further one says more."))
@practice_options
def hint(folder: Path | None, own: Path | None, lang: Code | None) -> None:
    """Give the next hint."""
    language = choose(lang)
    session = opened(folder, own)
    number, text, count = session.hint()
    head = language.text("Hint {number} of {count}:", number=number, count=count)
    paragraph(head, session.values().say(language.text(text)))


@practice.command(
    help=N_("Do what hands, eyes or a telephone can do at this site; without a name: show it."),
)
@click.argument("action", required=False)
@practice_options
def do(action: str | None, folder: Path | None, own: Path | None, lang: Code | None) -> None:
    """Do one of the site's actions."""
    session, language = opened(folder, own), choose(lang)
    if action is not None:
        say(session.values().say(language.text(session.act(action).seen)))
        return
    actions = session.current()[1].actions
    if not actions:
        say(language.text("Here all can be done with the keyboard."))
    for one in actions:
        say(f"    {me(session)} do {one.name:<22} {language.text(one.text)}")


@practice.command(
    help=N_("Restart the board's daemon, as `sudo systemctl restart edge-runtime` does."),
)
@practice_options
def restart(folder: Path | None, own: Path | None, lang: Code | None) -> None:
    """Restart the daemon; where it does not come up, show what it says."""
    session, language = opened(folder, own), choose(lang)
    if session.restart_board():
        say(language.text("The daemon runs again."))
        return
    say(language.text("The daemon does not come up. The end of its log:"))
    show_log(session, 3)
    sys.exit(1)


@practice.command(help=N_("Show the end of the daemon's log."))
@practice_options
def log(folder: Path | None, own: Path | None, lang: Code | None) -> None:  # noqa: ARG001
    """Show what `journalctl -u edge-runtime` would."""
    show_log(opened(folder, own), LOG_LINES)


@practice.command(help=N_("Begin the same exercise anew."))
@practice_options
def reset(folder: Path | None, own: Path | None, lang: Code | None) -> None:
    """Make the site anew."""
    session, language = opened(folder, own), choose(lang)
    session.reset()
    tell(session, language)


@practice.command(help=N_("End the site that runs; the progress stays."))
@practice_options
def stop(folder: Path | None, own: Path | None, lang: Code | None) -> None:
    """End it."""
    language = choose(lang)
    name = opened(folder, own).stop()
    if name:
        say(language.text("The site of '{name}' has ended.", name=name))
    else:
        say(language.text("No site runs."))


@practice.command(
    help=N_("Write a page that shows what you have solved, to be opened with any browser."),
)
@click.option("--name", "person", help=N_("Your name, as it is to stand on the page."))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help=N_("The file; default: practice-report.html in --folder."),
)
@practice_options
def report(
    person: str | None, out: Path | None, folder: Path | None, own: Path | None, lang: Code | None
) -> None:
    """Write the page in both languages."""
    from edge_runtime.practice.report import write_report

    session, language = opened(folder, own), choose(lang)
    name = person or session.progress.person
    if not name and sys.stdin.isatty():
        name = click.prompt(language.text("Your name"))
    file = out or session.folder / "practice-report.html"
    write_report(session, name.strip(), file, time.time())
    say(str(file))
