"""Commands whose `--help` is in the language of the person who asks."""

from __future__ import annotations

from typing import Any, get_args

import click

from edge_runtime.cli.errors import fail
from edge_runtime.errors import EdgeError
from edge_runtime.language import N_, Code, Language, choose

lang_option = click.option(
    "--lang",
    type=click.Choice(get_args(Code)),
    default=None,
    is_eager=True,  # before --help, which it is about
    help=N_("Language; default: that of the terminal."),
)

CLICK_S_OWN = N_("Show this message and exit.")


class LocalizedCommand(click.Command):
    """Translates its own texts, marked where the command is declared, and what goes wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; an error is printed in the language that `--lang` names, else the terminal's."""
        try:
            return super().invoke(ctx)
        except EdgeError as error:
            fail(error, choose(ctx.params.get("lang")))

    def get_help(self, ctx: click.Context) -> str:
        """Return the help in the language that `--lang` asks for, else the terminal's."""
        language = choose(ctx.params.get("lang"))
        english = [(one, one.help) for one in self.get_params(ctx) if isinstance(one, click.Option)]
        own = self.help
        try:
            self.help = localized(own, language)
            for option, text in english:
                option.help = localized(text, language)
            return super().get_help(ctx)
        finally:
            self.help = own
            for option, text in english:
                option.help = text


class LocalizedGroup(LocalizedCommand, click.Group):
    """A group whose commands' short help is in that language, too."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with the first line of its help."""
        language = choose(ctx.params.get("lang"))
        rows = [
            (name, localized(command.help, language).partition("\n")[0])
            for name, command in self.commands.items()
        ]
        with formatter.section(language.text("Commands")):
            formatter.write_dl(rows)


def localized(text: str | None, language: Language) -> Any:
    """Return a text in a language; none stays none."""
    return language.text(text) if text else text
