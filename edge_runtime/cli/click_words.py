"""Click's own words (Usage, Options, No such option …) in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from edge_runtime.language import N_, Language

# Each takes its words from gettext by these names; gettext itself goes by the environment alone,
# which knows nothing of `--lang`, and which child processes would inherit.
MODULES = ("core", "decorators", "exceptions", "formatting", "parser", "termui", "types")
NAMES = ("_", "ngettext")

# What Click 8.1 and later say to the person at the terminal.
CLICK_SAYS = (
    N_("Usage:"),
    N_("Options"),
    N_("Commands"),
    N_("Show this message and exit."),
    N_("Show the version and exit."),
    N_("%(prog)s, version %(version)s"),
    N_("default: {default}"),
    N_("required"),
    N_("(dynamic)"),
    N_("Error: {message}"),
    N_("Aborted!"),
    N_("Missing command."),
    N_("Missing argument"),
    N_("Missing option"),
    N_("Missing parameter"),
    N_("Missing parameter: {param_name}"),
    N_("No such option: {name}"),
    N_("No such option {name!r}."),
    N_("No such command {name!r}."),
    N_("Did you mean {possibility}?"),
    N_("(Did you mean one of: {possibilities}?)"),
    N_("(Possible options: {possibilities})"),
    N_("Option {name!r} requires an argument."),
    N_("Option {name!r} requires {nargs} arguments."),
    N_("Option {name!r} does not take a value."),
    N_("Argument {name!r} takes {nargs} values."),
    N_("Got unexpected extra argument ({args})"),
    N_("Got unexpected extra arguments ({args})"),
    N_("Invalid value: {message}"),
    N_("Invalid value for {param_hint}: {message}"),
    N_("Choose from:\n\t{choices}"),
    N_("{value!r} is not {choice}."),
    N_("{value!r} is not one of {choices}."),
    N_("{value!r} is not a valid {number_type}."),
    N_("{value} is not in the range {range}."),
    N_("{value!r} is not a valid boolean. Recognized values: {states}"),
    N_("file"),
    N_("directory"),
    N_("path"),
    N_("{name} {filename!r} does not exist."),
    N_("{name} {filename!r} is a file."),
    N_("{name} {filename!r} is a directory."),
    N_("{name} {filename!r} is not readable."),
    N_("{name} {filename!r} is not writable."),
    N_("Could not open file {filename!r}: {message}"),
    N_("unknown error"),
    N_("Error: invalid input"),
    N_("Error: The two entered values do not match."),
    N_("Repeat for confirmation"),
    N_("Do you want to continue?"),
)


@contextmanager
def click_in(language: Language) -> Iterator[None]:
    """Have Click speak a language in this block."""

    def many(one: str, several: str, count: int) -> str:
        return language.text(one if count == 1 else several)

    words = dict(zip(NAMES, (language.text, many), strict=True))
    modules = [import_module(f"click.{name}") for name in MODULES]
    before: list[tuple[Any, str, Any]] = [
        (module, name, vars(module)[name])
        for module in modules
        for name in NAMES
        if name in vars(module)
    ]
    try:
        for module, name, _ in before:
            setattr(module, name, words[name])
        yield
    finally:
        for module, name, own in before:
            setattr(module, name, own)
