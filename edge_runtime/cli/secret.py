"""`edge-runtime secret`: passwords beside the configuration in place of in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from edge_runtime.cli.localized import LocalizedCommand, LocalizedGroup, lang_option
from edge_runtime.cli.paths import SYSTEM_CONFIG
from edge_runtime.cli.printable import say
from edge_runtime.errors import EdgeError, UsageError, because, located
from edge_runtime.language import N_, Code, choose

FILE_MODE, FOLDER_MODE = 0o640, 0o750

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    default=SYSTEM_CONFIG,
    help=N_("The configuration that they belong to; default: the system's."),
)


@click.group(cls=LocalizedGroup, help=N_("Keep passwords beside the configuration, not in it."))
def secret() -> None: ...


@secret.command(
    "set",
    cls=LocalizedCommand,
    help=N_(
        "Set a secret: it is asked for, or read from standard input; it is never shown.\n"
        "\n"
        "In the configuration {secret:NAME} stands for it in a camera's URL, or its file, "
        "secrets/NAME, is named by password_file.\n"
        "\n"
        "Exit status: 0 done; 1 it cannot be written; 2 the command line or the secret is wrong."
    ),
)
@click.argument("name")
@config_option
@lang_option
def set_secret(name: str, config_file: Path, lang: Code | None) -> None:
    from edge_runtime.options.secrets import NAME, wrong_with

    language = choose(lang)
    if not NAME.fullmatch(name):
        raise UsageError("'{name}' is no name of a secret; 1 to 32 of a-z, 0-9 and '-'", name=name)
    value = asked_for(language.text("Secret {name}", name=name))
    if (wrong := wrong_with(value)) is not None:
        raise UsageError("the secret is not kept: {reason}", reason=wrong)
    path = keep(config_file, name, value)
    say(language.text("{path}: kept; the daemon takes it up with its next reload", path=path))


@secret.command("list", cls=LocalizedCommand, help=N_("Show the names of the secrets, no more."))
@config_option
@lang_option
def list_secrets(config_file: Path, lang: Code | None) -> None:
    names = sorted(one.name for one in files_of(config_file))
    for name in names:
        say(name)
    if not names:
        say(choose(lang).text("there is none"), err=True)


@secret.command("remove", cls=LocalizedCommand, help=N_("Delete a secret."))
@click.argument("name")
@config_option
@lang_option
def remove(name: str, config_file: Path, lang: Code | None) -> None:
    from edge_runtime.durable import sync_folder

    found = [one for one in files_of(config_file) if one.name == name]
    if not found:
        raise UsageError("there is no secret '{name}'", name=name)
    try:
        found[0].unlink()
        sync_folder(found[0].parent)
    except OSError as error:
        raise EdgeError(located(found[0], because(error))) from None
    say(choose(lang).text("{name}: deleted", name=name))


def asked_for(prompt: str) -> str:
    """Return what is typed, unseen, or what standard input holds."""
    if sys.stdin.isatty():
        value: str = click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True)
        return value
    return sys.stdin.read(1 << 16).rstrip("\r\n")


def files_of(config_file: Path) -> list[Path]:
    """Return the files of the secrets beside a configuration. Raises EdgeError."""
    from edge_runtime.options.secrets import FOLDER, NAME

    folder = config_file.parent / FOLDER
    try:
        return [one for one in folder.iterdir() if NAME.fullmatch(one.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EdgeError(located(folder, because(error))) from None


def keep(config_file: Path, name: str, value: str) -> Path:
    """Write a secret for the owner and the group of the configuration. Raises EdgeError."""
    from edge_runtime.durable import replace_file
    from edge_runtime.options.secrets import FOLDER

    folder = config_file.parent / FOLDER
    path = folder / name
    try:
        # The service reads the configuration by its group, and with it what lies beside it.
        group = (config_file if config_file.exists() else config_file.parent).stat().st_gid
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        gid = group if os.geteuid() == 0 else -1
        if os.geteuid() == 0:
            os.chown(folder, -1, gid, follow_symlinks=False)
        replace_file(path, value.encode() + b"\n", mode=FILE_MODE, gid=gid)
    except OSError as error:
        raise EdgeError(located(path, because(error))) from None
    return path
