"""`edge-runtime language`: the language of every later command, and where it comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import click

from edge_runtime.cli.localized import NAMES, LocalizedCommand, remember
from edge_runtime.cli.printable import say
from edge_runtime.errors import EdgeError, Text, because
from edge_runtime.language import N_, Code, Language, file_written, in_force, known

AUTO = "auto"


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Show the language of the commands, or set it for all later ones.\n"
        "\n"
        "vi: Vietnamese; en: English; auto: forget what was set, and follow the terminal. It is "
        "kept for the person who types it; with sudo it holds for everybody on this board who has "
        "set none.\n"
        "\n"
        "The first of these decides: --lang; the variable EDGE_RUNTIME_LANG; what this person set; "
        "what was set with sudo; the terminal (LANGUAGE, LC_ALL, LC_MESSAGES, LANG)."
    ),
)
@click.argument("code", required=False, type=click.Choice([*get_args(Code), AUTO]))
def language(code: str | None) -> None:
    """Show, set or forget."""
    chosen = known(code or "")
    if code is not None:
        file = file_written(os.environ)
        with written(file):
            if chosen is None:
                file.unlink(missing_ok=True)
            else:
                remember(chosen, file)
    tell(chosen)


@contextmanager
def written(file: Path) -> Iterator[None]:
    """Say of a choice that cannot be kept why. Raises EdgeError."""
    try:
        yield
    except OSError as error:
        raise EdgeError(
            "{file}: cannot be written ({reason}); the variable EDGE_RUNTIME_LANG does the same "
            "for one terminal",
            file=file,
            reason=because(error),
        ) from None


def tell(chosen: Code | None) -> None:
    """Say which language is in force and why, in that language; and what overrules a choice."""
    found = in_force(os.environ)
    spoken = Language(found.code)
    say(
        spoken.text(
            "{name}, {why}", name=Text(NAMES[found.code]), why=Text(found.why, place=found.place)
        )
    )
    if chosen not in (None, found.code):
        say(spoken.text("what was set just now does not hold against that"))
