"""Questions at a terminal that are answered by yes or no, in the reader's language."""

from __future__ import annotations

import sys

import click

from edge_runtime.cli.printable import printable_lines, say
from edge_runtime.errors import UsageError
from edge_runtime.language import N_, Language

# Vietnamese: "có" and "không"; who types English is understood there as well.
YES = {"en": ("y", "yes"), "vi": ("c", "có", "co", "y", "yes")}
NO = {"en": ("n", "no"), "vi": ("k", "không", "khong", "n", "no")}
CHOICE = N_("[y/N]")


def confirmed(question: str, language: Language) -> bool:
    """Ask until the answer is yes or no; nothing typed is no."""
    while True:
        prompt = f"{printable_lines(question)} {language.text(CHOICE)}"
        answer = click.prompt(prompt, default="", show_default=False).strip().casefold()
        if answer in YES[language.code]:
            return True
        if not answer or answer in NO[language.code]:
            return False
        say(language.text("'{answer}' is neither yes nor no", answer=answer))


def must_confirm(question: str, language: Language) -> None:
    """Go on after a yes. Raises UsageError where nobody can be asked, Abort after a no."""
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: add --yes to go on without a question")
    if not confirmed(question, language):
        raise click.Abort
