"""`edge-runtime provision`: what a technician runs, once, in the field."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli.asking import confirmed, must_confirm
from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.logs import set_up_silence
from edge_runtime.cli.paths import bare_state_dir_option, config_option
from edge_runtime.cli.printable import printable, printable_lines, say, say_marked
from edge_runtime.errors import UsageError
from edge_runtime.language import N_, Code, Language, choose

if TYPE_CHECKING:
    from edge_runtime.provision.flow import ProvisionRequest
    from edge_runtime.provision.outcome import ProvisionOutcome
    from edge_runtime.provision.service import Service

MARKS = {True: (N_("ok"), "green"), False: ("!!", "red"), None: ("..", "yellow")}


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Make this board a device of the office that gave the claim.\n"
        "\n"
        "Makes the device's key (it never leaves this board), checks the board, enrols, writes "
        "the configuration, starts the service, and waits for the first acknowledged message. "
        "Without a link the enrolment waits, and finishes by itself.\n"
        "\n"
        "Exit status: 0 all is proven, or waits for a link; 1 something failed; 2 the claim, the "
        "configuration or the answers are wrong."
    ),
)
@click.option(
    "--claim",
    metavar="FILE|-",
    help=N_("The file with the claim from the office; - asks for the claim."),
)
@click.option(
    "--yes", is_flag=True, help=N_("Ask nothing; what cannot be known comes from --answers.")
)
@click.option(
    "--answers",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=N_("TOML with [[streams]] and other tables, for a board without a configuration."),
)
@config_option
@bare_state_dir_option
@lang_option
@click.option(
    "--no-service", is_flag=True, help=N_("Leave the service alone; somebody else runs it.")
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 3600),
    default=90.0,
    show_default=True,
    metavar="SECONDS",
    help=N_("How long to wait for the first acknowledged message."),
)
@click.option(
    "--decommission",
    is_flag=True,
    help=N_("End this device: clear its retained topics, wipe key, outbox and recordings."),
)
def provision(
    claim: str | None,
    yes: bool,
    answers: Path | None,
    config_file: Path,
    state_dir: Path,
    lang: Code | None,
    no_service: bool,
    wait_s: float,
    decommission: bool,
) -> None:
    """Provision, or decommission."""
    from edge_runtime.cli.extras import extra

    with extra("provision"):
        from edge_runtime.provision.claims import read_claim
        from edge_runtime.provision.flow import ProvisionRequest
        from edge_runtime.provision.service import NoService, Systemd

    set_up_silence()
    language, service = choose(lang), NoService() if no_service else Systemd()
    if decommission:
        sys.exit(part(config_file, state_dir, language, service, ask=not yes))
    if claim is None:
        raise UsageError("--claim is missing: give the claim's file, or - to be asked for it")
    if claim == "-" and sys.stdin.isatty():
        say(language.text("The claim, one line that begins with edge-claim-1:"))
    request = ProvisionRequest(
        claim=read_claim(claim),
        config_file=config_file,
        state_dir=state_dir,
        answers=answers,
        asker=TerminalAsker(language) if sys.stdin.isatty() and not yes else None,
        wait_s=wait_s,
    )
    sys.exit(settle(request, language, service))


def settle(request: ProvisionRequest, language: Language, service: Service) -> int:
    """Provision, and show what came of it; return the exit status."""
    from edge_runtime.clock import SystemClock
    from edge_runtime.packs.catalogue import bundled_models
    from edge_runtime.packs.store import PackStore
    from edge_runtime.provision.flow import Provisioning

    if request.answers is not None and request.config_file.exists():
        say(
            language.text(
                "{file} is there already: its streams stay, the answers are not used",
                file=request.config_file,
            )
        )
    packs = PackStore(request.state_dir, bundled_models())
    outcome = Provisioning(
        request, packs=packs, clock=SystemClock(), language=language, service=service
    ).run()
    show(outcome, language)
    return 0 if outcome.is_proven else 1


def show(outcome: ProvisionOutcome, language: Language) -> None:
    """Print what the checks are concerned about, the five lines, and the six words."""
    for finding in outcome.concerns:
        say(f"{finding.check}: {finding.text}")
        if finding.advice:
            say(f"  -> {finding.advice}")
    width = max(len(line.label) for line in outcome.lines)
    signs = {proven: language.text(sign) for proven, (sign, _) in MARKS.items()}
    sign_width = max(map(len, signs.values()))
    for line in outcome.lines:
        _, colour = MARKS[line.proven]
        sign = f"{signs[line.proven]:<{sign_width}}"
        say_marked(sign, colour, f"{line.label:<{width}}  {line.text}")
    say()
    say(language.text("Read these six words to the office:"))
    say(f"    {outcome.words}")


def part(
    config_file: Path, state_dir: Path, language: Language, service: Service, *, ask: bool
) -> int:
    """Decommission, and say what was done; return the exit status."""
    from edge_runtime.clock import SystemClock
    from edge_runtime.config import load
    from edge_runtime.provision.decommission import Decommission

    if not state_dir.is_dir():
        raise UsageError(
            "{folder}: no state folder; name the device's with --state-dir", folder=state_dir
        )
    if ask:
        question = language.text(
            "This ends the device: key, results not sent yet and recordings in {folder} are "
            "deleted. Go on?",
            folder=state_dir,
        )
        must_confirm(question, language)
    decommission = Decommission(state_dir, clock=SystemClock(), language=language, service=service)
    done = decommission.run(lambda: load(config_file))
    for line in done.lines:
        say(line)
    if config_file.exists():
        say(language.text("{file} stays; delete it if it is a secret", file=config_file))
    return 0 if done.is_whole else 1


class TerminalAsker:
    """Asks at the terminal, in a language. What is asked for may name what strangers wrote."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def ask(self, question: str, default: str) -> str:
        answer: str = click.prompt(printable_lines(question), default=default or None)
        return answer

    def secret(self, question: str) -> str:
        answer: str = click.prompt(printable(question), hide_input=True)
        return answer

    def agree(self, question: str) -> bool:
        return confirmed(question, self._language)

    def tell(self, text: str) -> None:
        say(text)
