"""`edge-runtime replay`: a recording through a stream's pipeline, to standard output."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from edge_runtime.cli.exiting import exit_unless
from edge_runtime.cli.localized import LocalizedCommand
from edge_runtime.cli.paths import state_dir_option
from edge_runtime.language import N_


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Run a recording through a stream: the same results as when it was recorded, as JSON "
        "lines.\n"
        "\n"
        "Nothing is sent, and the device's outbox and counters stay as they are: boot and seq are"
        " the replay's own."
    ),
)
@click.option("--config", "config_file", type=click.Path(path_type=Path), required=True)
@click.option(
    "--stream", "stream_name", required=True, help=N_("The stream whose pipeline is run.")
)
@click.option("--recording", required=True, help=N_("Name of a recording, or its folder's path."))
@click.option("--mode", help=N_("The mode that rules are switched by; default: the first one."))
@click.option("--realtime", is_flag=True, help=N_("As it was recorded, not as fast as it goes."))
@click.option(
    "--stdout", is_flag=True, help=N_("As `run --stdout`; there is no other way: the default.")
)
@state_dir_option
def replay(
    config_file: Path,
    stream_name: str,
    recording: str,
    mode: str | None,
    realtime: bool,
    stdout: bool,  # noqa: ARG001 - for those who know it from `run`
    state_dir: Path,
) -> None:
    """Run a recording through a stream: the same results as when it was recorded, as JSON lines."""
    from edge_runtime import startup

    startup.before_imports()

    from edge_runtime.cli.logs import set_up_logging
    from edge_runtime.clock import SystemClock
    from edge_runtime.config import load
    from edge_runtime.daemon.control_requests import ControlRequests
    from edge_runtime.jobs.recordings import Recordings
    from edge_runtime.jobs.replay import replay as run
    from edge_runtime.options import RecordingOptions
    from edge_runtime.packs.catalogue import bundled_models
    from edge_runtime.packs.store import PackStore

    startup.after_imports()
    set_up_logging()
    wants = ControlRequests()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: wants.ask("stop"))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads may have enough, as `head` has
    all_ended = run(
        load(config_file),
        stream_name,
        RecordingOptions(Recordings(state_dir).find(recording), realtime=realtime),
        store=PackStore(state_dir, bundled_models()),
        state_dir=state_dir,
        clock=SystemClock(),
        out=sys.stdout,
        wants=wants,
        mode=mode,
    )
    exit_unless(all_ended=all_ended)
