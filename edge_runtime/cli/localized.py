"""Commands in the language of the person who types them: help, Click's words, errors, `--lang`."""

from __future__ import annotations

import os
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_args

import click

from edge_runtime.cli.click_words import click_in
from edge_runtime.cli.errors import fail
from edge_runtime.cli.printable import say
from edge_runtime.errors import EdgeError, Text, because
from edge_runtime.language import (
    N_,
    OWN_VARIABLE,
    Code,
    Language,
    choose,
    file_written,
    in_force,
    remembered,
)

# In Click's meta, which a group shares with its commands.
ASKED, SPOKEN = "edge_runtime.lang", "edge_runtime.spoken"
NAMES = {"vi": N_("Vietnamese"), "en": N_("English")}


def settled(ctx: click.Context, _parameter: click.Parameter, value: Code | None) -> Code:
    """Return the language of this command; keep one that a person asks for at the terminal.

    Before the command begins: some go on as another user, who may not read the person's files.
    """
    if value is not None:
        ctx.meta[ASKED] = value
        if not ctx.resilient_parsing and sys.stdin.isatty() and sys.stderr.isatty():
            keep(value)
    asked: Code | None = ctx.meta.get(ASKED)
    code = ctx.meta[SPOKEN] = asked or in_force(os.environ).code
    return code


def keep(code: Code) -> None:
    """Remember what was asked for, and say so once; a variable that is set has decided already."""
    file, language = file_written(os.environ), Language(code)
    if os.environ.get(OWN_VARIABLE) or remembered(file) == code:
        return
    try:
        remember(code, file)
    except OSError as error:
        text = Text("the language is not remembered: {file}: {reason}", file=file,
                    reason=because(error))  # fmt: skip
    else:
        text = Text(
            "from now on in {name}, remembered in {file}; `edge-runtime language` changes that",
            name=Text(NAMES[code]),
            file=file,
        )
    say(text.localized(language), err=True)


def remember(code: Code, file: Path) -> None:
    """Keep a choice for all later commands. Raises OSError."""
    from edge_runtime.durable import replace_file  # ctypes and shutil; few commands remember one

    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, f"{code}\n".encode(), mode=0o644)


LANG: dict[str, Any] = {
    "type": click.Choice(get_args(Code)),
    "default": None,
    "callback": settled,
    "is_eager": True,  # before --help, which it is about
    "help": N_("Language; remembered where it is given at a terminal."),
}
lang_option = click.option("--lang", **LANG)


def asked_in(arguments: list[str]) -> Code | None:
    """Return the language that a command line asks for, before it is known to be right."""
    found: Code | None = None
    for word, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        if name == "--lang":
            value = value if equals else following
            found = next((code for code in get_args(Code) if code == value), found)
    return found


class LocalizedCommand(click.Command):
    """Translates its own texts, marked where the command is declared, and what goes wrong.

    Each takes `--lang`; a command whose function has no use for it need not declare it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if all(one.name != "lang" for one in self.params):
            self.params.append(click.Option(["--lang"], expose_value=False, **LANG))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; what is wrong with it is said in the language it asks for."""
        if (asked := asked_in(args)) is not None:
            ctx.meta.setdefault(ASKED, asked)
        with click_in(language_of(ctx)):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; what goes wrong is said in the language that `choose` chooses."""
        language = language_of(ctx)
        try:
            with click_in(language):
                return super().invoke(ctx)
        except EdgeError as error:
            fail(error, language)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help in the language that `--lang` asks for, else as `choose` says."""
        language = language_of(ctx)
        english = [(one, one.help) for one in self.get_params(ctx) if isinstance(one, click.Option)]
        own = self.help
        try:
            self.help = localized(own, language)
            for option, text in english:
                option.help = localized(text, language)
            with click_in(language):
                return super().get_help(ctx)
        finally:
            self.help = own
            for option, text in english:
                option.help = text


class LocalizedGroup(LocalizedCommand, click.Group):
    """A group whose commands' short help is in that language, too."""

    command_class = LocalizedCommand
    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with the first line of its help."""
        language = language_of(ctx)
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [
            (name, localized(command.help, language).partition("\n")[0])
            for name, command in commands
            if command is not None
        ]
        with formatter.section(language.text("Commands")):
            formatter.write_dl(rows)


def language_of(ctx: click.Context) -> Language:
    """Return the language asked for on the command line, else the one in force."""
    return choose(ctx.meta.get(ASKED) or ctx.meta.get(SPOKEN))


def spoken() -> Language:
    """Return the language of the command that runs now; English outside of one."""
    ctx = click.get_current_context(silent=True)
    return language_of(ctx) if ctx is not None else Language("en")


def tell(text: Text, *, err: bool = False) -> None:
    """Print a text in the language of the command that runs now."""
    say(text.localized(spoken()), err=err)


def localized(text: str | None, language: Language) -> Any:
    """Return a text in a language; none stays none."""
    return language.text(text) if text else text
