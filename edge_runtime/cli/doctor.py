"""`edge-runtime doctor`: what may be wrong with this board, and what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.logs import set_up_silence
from edge_runtime.cli.paths import bare_state_dir_option, config_option
from edge_runtime.cli.printable import printable_json, say, say_marked
from edge_runtime.language import N_, Code, Language, choose

if TYPE_CHECKING:
    from edge_runtime.doctor import CheckContext, Finding

STATES = {
    "ok": (N_("ok"), "green"),
    "warning": (N_("warning"), "yellow"),
    "failed": (N_("FAILED"), "red"),
    "skipped": (N_("skipped"), "bright_black"),
}

# The kernel tells root more of them; they come first in the table, and read no file of the owner's.
OF_THE_BOARD = ("configuration", "memory", "power", "heat", "card")


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Check this board, from the camera to the broker, and say what to do about what is wrong.\n"
        "\n"
        "One message is published to the device's topic reply/doctor. Nothing else is changed.\n"
        "\n"
        "Exit status: 0 all is well, perhaps with warnings; 1 something failed; 2 the "
        "configuration is wrong."
    ),
)
@config_option
@bare_state_dir_option
@lang_option
@click.option("--json", "as_json", is_flag=True, help=N_("One JSON list at the end, for programs."))
def doctor(config_file: Path, state_dir: Path, lang: Code | None, as_json: bool) -> None:
    """Run every check and say what it found."""
    import msgspec

    from edge_runtime.doctor.configuration import look_around
    from edge_runtime.doctor.examine import any_hangs
    from edge_runtime.provision.owner import acting_as_owner

    set_up_silence()
    language = choose(lang)
    with acting_as_owner(state_dir, config_file):
        context = look_around(config_file, state_dir, language)
    findings = []
    for finding in examined(context):
        findings.append(finding)
        if not as_json:
            show(finding, language)
    if as_json:
        say(printable_json(msgspec.json.encode(findings).decode()))
    status = status_of(findings, wrong=bool(context.problem))
    if any_hangs():
        # C++ would abort a process that leaves one of its calls behind.
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)


def examined(context: CheckContext) -> Iterator[Finding]:
    """Run the checks; root's process becomes the owner's before anything but the board is read."""
    from edge_runtime.doctor import CHECKS
    from edge_runtime.doctor.examine import examine
    from edge_runtime.provision.owner import become_owner

    yield from examine(context, OF_THE_BOARD)
    become_owner(context.state_dir)
    yield from examine(context, [name for name in CHECKS if name not in OF_THE_BOARD])


def show(finding: Finding, language: Language) -> None:
    """Print a finding, and below it what to do."""
    word, colour = STATES[finding.state]
    width = max(len(language.text(one)) for one, _ in STATES.values())
    state = language.text(word).ljust(width)
    say_marked(state, colour, f"{finding.check}: {finding.text}")
    if finding.advice:
        say(f"{'':{width}}  -> {finding.advice}")


def status_of(findings: list[Finding], *, wrong: bool) -> int:
    """Return the exit status: 2 a wrong configuration, 1 a failure, 0 none."""
    if wrong:
        return 2
    return int(any(finding.state == "failed" for finding in findings))
