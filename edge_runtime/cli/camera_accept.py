"""`edge-runtime camera accept`: a technician's word that a camera is right as it is now."""

from __future__ import annotations

from pathlib import Path

import click

from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.paths import config_option, state_dir_option
from edge_runtime.cli.printable import say
from edge_runtime.cli.waiting import is_soon
from edge_runtime.errors import EdgeError, Text, UsageError, because
from edge_runtime.language import N_, Code, choose

TAKEN_WITHIN_S = 10.0


@click.command(
    "accept",
    cls=LocalizedCommand,
    help=N_(
        "Say that a camera is right as it is now: after it was turned, moved or put up anew. The "
        "daemon forgets what the camera saw before and learns anew; what it has declared of it "
        "ends.\n"
        "\n"
        "STREAM is the camera's stream; it may be left out where there is only one.\n"
        "\n"
        "Exit status: 0 done, or noted for the daemon's next start; 1 the daemon does not take it; "
        "2 wrong input."
    ),
)
@click.argument("stream", required=False)
@config_option
@state_dir_option
@lang_option
def accept(stream: str | None, config_file: Path, state_dir: Path, lang: Code | None) -> None:
    """Leave word in the state folder, and wait until the daemon has taken it."""
    from edge_runtime.camera_health.reference_file import ask_to_accept
    from edge_runtime.daemon.status_socket import ask

    language = choose(lang)
    name = watched_stream(config_file, stream)
    is_running = ask(state_dir) is not None
    try:
        word = ask_to_accept(state_dir, name)
    except OSError as error:
        raise EdgeError(
            "{folder}: cannot be written ({reason}); run it as the daemon's user, or with sudo",
            folder=state_dir,
            reason=because(error),
        ) from None
    if not is_running:
        say(
            language.text(
                "{stream}: noted; no daemon runs, the next one learns anew what the camera sees",
                stream=name,
            )
        )
        return
    if not is_soon(lambda: not word.exists(), TAKEN_WITHIN_S):
        raise EdgeError(
            "{stream}: the daemon has not taken it up within {seconds:g} s; see its log",
            stream=name,
            seconds=TAKEN_WITHIN_S,
        )
    say(
        language.text(
            "{stream}: accepted; the daemon learns anew what the camera sees, which takes two "
            "minutes. Look whether zones and lines still fit: `edge-runtime snapshot`",
            stream=name,
        )
    )


def watched_stream(config_file: Path, stream: str | None) -> str:
    """Return the stream that is meant. Raises UsageError where it is not clear which one."""
    from edge_runtime.config import load

    watched = [one.name for one in load(config_file).streams if one.watches_camera]
    if stream is None and len(watched) == 1:
        return watched[0]
    if stream in watched:
        return stream
    raise UsageError(
        "{file}: name one stream whose camera is watched; there are: {names}",
        file=config_file,
        names=", ".join(watched) or Text("none"),
    )
