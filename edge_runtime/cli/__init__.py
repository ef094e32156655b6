"""The command line: one file a command, imported only when it is run."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

import click

from edge_runtime import __version__
from edge_runtime.cli.click_words import click_in
from edge_runtime.cli.errors import fail
from edge_runtime.cli.localized import LocalizedGroup, asked_in
from edge_runtime.cli.logs import hide_urls_of_defects
from edge_runtime.cli.printable import say
from edge_runtime.errors import EdgeError
from edge_runtime.language import N_, Language, choose

COMMANDS = {
    "run": "edge_runtime.cli.run:run",
    "check": "edge_runtime.cli.check:check",
    "demo": "edge_runtime.cli.demo:demo",
    "bench": "edge_runtime.cli.bench:bench",
    "watch": "edge_runtime.cli.watch:watch",
    "status": "edge_runtime.cli.status:status",
    "why": "edge_runtime.cli.why:why",
    "secret": "edge_runtime.cli.secret:secret",
    "mode": "edge_runtime.cli.mode:mode",
    "snapshot": "edge_runtime.cli.snapshot:snapshot",
    "models": "edge_runtime.cli.models:models",
    "learn": "edge_runtime.cli.learn:learn",
    "camera": "edge_runtime.cli.camera:camera",
    "record": "edge_runtime.cli.record:record",
    "replay": "edge_runtime.cli.replay:replay",
    "doctor": "edge_runtime.cli.doctor:doctor",
    "provision": "edge_runtime.cli.provision:provision",
    "renew": "edge_runtime.cli.renew:renew",
    "practice": "edge_runtime.cli.practice:practice",
    "office": "edge_runtime.cli.office:office",
    "language": "edge_runtime.cli.language:language",
}


class LazyGroup(LocalizedGroup):
    """Knows its commands by name and imports the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(
    cls=LazyGroup,
    help=N_(
        "Real-time inference at the data source; compact results over MQTT; raw data stays here."
    ),
)
@click.version_option(__version__, prog_name="edge-runtime")
def cli() -> None:
    """Real-time inference at the data source; compact results over MQTT; raw data stays here."""


def fail_as_click(error: click.ClickException, language: Language) -> NoReturn:
    """Say what is wrong with a command line, and where its help is."""
    with click_in(language):
        said = f"edge-runtime: {error.format_message()}"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        command = f"{error.ctx.command_path} --help"
        said += " " + language.text("`{command}` shows what can be typed.", command=command)
    say(said, err=True)
    sys.exit(2)


def main() -> None:
    """Entry of the command `edge-runtime`: 0 done, 1 failed while running, 2 wrong input."""
    hide_urls_of_defects()
    try:
        status = cli.main(prog_name="edge-runtime", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(1)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        fail_as_click(error, choose(asked_in(sys.argv[1:])))
    except EdgeError as error:
        fail(error, choose(asked_in(sys.argv[1:])))
    # `--help` and `--version` end with a status of their own.
    sys.exit(status if isinstance(status, int) else 0)
