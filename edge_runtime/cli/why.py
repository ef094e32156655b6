"""`edge-runtime why`: why there was an alarm, or why there was none."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import click

from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.paths import state_dir_option
from edge_runtime.cli.printable import printable_json, say
from edge_runtime.cli.waiting import is_soon
from edge_runtime.language import N_, Code, choose

FLUSHED_WITHIN_S = 5.0


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Say why there was an alarm, or why there was none.\n"
        "\n"
        "By what the daemon kept of its decisions, of about the last week: the gate, scores, where "
        "tracks went, rules, hours and modes, the link. No pictures.\n"
        "\n"
        "Exit status: 0 an answer; 1 nothing is kept of that time; 2 the command line is wrong."
    ),
)
@click.option("--stream", required=True, help=N_("The stream in question."))
@click.option(
    "--at",
    "at",
    required=True,
    help=N_("From when on: 03:12, 2026-11-30 03:12, or how long ago: 5m, 2h."),
)
@click.option("--for", "length", default="2m", help=N_("For how long: 30s, 10m, 2h; default: 2m."))
@click.option("--label", default="", help=N_("What was to be seen, such as person; default: any."))
@click.option("--rule", default="", help=N_("The rule in question; default: any."))
@click.option("--json", "as_json", is_flag=True, help=N_("One JSON object, for programs."))
@state_dir_option
@lang_option
def why(
    stream: str,
    at: str,
    length: str,
    label: str,
    rule: str,
    as_json: bool,
    state_dir: Path,
    lang: Code | None,
) -> None:
    import sys

    import msgspec

    from edge_runtime.decision_log.causes import findings
    from edge_runtime.decision_log.evidence import gathered
    from edge_runtime.decision_log.explanation import Question
    from edge_runtime.decision_log.log import FOLDER
    from edge_runtime.decision_log.question import asked_moment, asked_span
    from edge_runtime.text_form import encode_english

    folder = state_dir / FOLDER
    bring_up_to_date(folder)
    now_s = time.time()
    facts = gathered(folder, stream, now_s, now_s).facts
    begin_s = asked_moment(at, now_s, facts.time_zone if facts is not None else "")
    evidence = gathered(folder, stream, *asked_span(begin_s, length, now_s))
    found = findings(evidence, Question(label, rule))
    if as_json:
        say(printable_json(msgspec.json.encode(found, enc_hook=encode_english).decode()))
    else:
        language = choose(lang)
        for one in found:
            say(language.translated(one.text))
        if not found:
            say(language.text("nothing in what is kept says why; look at more of the time: --for"))
    sys.exit(1 if any(one.cause == "not_kept" for one in found) else 0)


def bring_up_to_date(folder: Path) -> None:
    """Have a daemon that runs write what it has not written yet."""
    from edge_runtime.daemon.status_socket import ask
    from edge_runtime.decision_log.log import REQUEST
    from edge_runtime.errors import EdgeError

    with contextlib.suppress(OSError, EdgeError):
        if ask(folder.parent) is None:
            return
        request = folder / REQUEST
        request.touch(mode=0o600)
        is_soon(lambda: not request.exists(), FLUSHED_WITHIN_S)
