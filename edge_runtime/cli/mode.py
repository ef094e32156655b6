"""`edge-runtime mode`: which mode holds, and another one: sets of rules are switched at once."""

from __future__ import annotations

from pathlib import Path

import click

from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.paths import state_dir_option
from edge_runtime.cli.printable import say
from edge_runtime.cli.waiting import is_soon
from edge_runtime.errors import EdgeError
from edge_runtime.language import N_, Code, choose

TAKEN_UP_WITHIN_S = 5.0


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Show which mode holds, or let another one hold; it is kept over restarts.\n"
        "\n"
        "A rule that lists modes in the configuration is on in these alone.\n"
        "\n"
        "Exit status: 0 done; 1 no daemon runs here, or it does not take the mode up; 2 there is "
        "no such mode."
    ),
)
@click.argument("name", required=False)
@state_dir_option
@lang_option
def mode(name: str | None, state_dir: Path, lang: Code | None) -> None:
    from edge_runtime.daemon.mode import check_mode, save_mode

    language = choose(lang)
    holds, names = asked(state_dir)
    if name is not None:
        check_mode(name, names)
        save_mode(state_dir, name)
        if not is_soon(lambda: asked(state_dir)[0] == name, TAKEN_UP_WITHIN_S):
            raise EdgeError(
                "the daemon has not taken the mode up within {seconds:g} s; see its log",
                seconds=TAKEN_UP_WITHIN_S,
            )
        holds = name
    if names:
        say(language.text("mode {mode}; there are {known}", mode=holds, known=", ".join(names)))
    else:
        say(language.text("there are no modes: name them in the configuration, in [modes]"))


def asked(state_dir: Path) -> tuple[str, tuple[str, ...]]:
    """Return the mode that holds, and all that there are. Raises EdgeError where no daemon runs."""
    from edge_runtime.daemon.status_socket import ask

    answer = ask(state_dir)
    if answer is None:
        raise EdgeError(
            "no daemon runs on {folder}, and without it no mode holds; start it first",
            folder=state_dir,
        )
    return answer.get("mode", ""), tuple(answer.get("modes", ()))
