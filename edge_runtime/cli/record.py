"""`edge-runtime record`: keeps a stream's raw input on this device, bounded; nothing is sent."""

from __future__ import annotations

import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli.exiting import exit_unless
from edge_runtime.cli.localized import LocalizedCommand, spoken, tell
from edge_runtime.cli.paths import state_dir_option
from edge_runtime.cli.printable import say
from edge_runtime.cli.tables import show_table
from edge_runtime.errors import RawText, Text, UsageError
from edge_runtime.language import N_

if TYPE_CHECKING:
    from edge_runtime.errors import EdgeError
    from edge_runtime.jobs.recordings import ListedRecording
    from edge_runtime.options import StreamOptions
    from edge_runtime.options.recorded import Recorded
    from edge_runtime.sources.recorder import Recorder, RecordingLimits

SHOW_EVERY_S = 10.0
RECORDING_STATES = {
    "whole": N_("whole"),
    "cut short": N_("cut short"),
    "recording": N_("recording"),
    "damaged": N_("damaged"),
}


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Record what a stream's source gives, until Ctrl-C or a bound. It never leaves this "
        "device.\n"
        "\n"
        "A camera or port that the service uses is not free: stop the service meanwhile."
    ),
)
@click.option("--config", "config_file", type=click.Path(path_type=Path))
@click.option("--stream", "stream_name", help=N_("The stream whose source is recorded."))
@click.option(
    "--minutes", type=click.FloatRange(0.0, min_open=True), help=N_("End after this time.")
)
@click.option(
    "--max-mb", type=click.FloatRange(1.0), default=500.0, show_default=True,
    help=N_("End when the recording is so large; 256 MB of the disk stay free in any case."),
)  # fmt: skip
@click.option("--name", help=N_("Name of the recording; default: the stream's and the time."))
@click.option("--list", "is_list", is_flag=True, help=N_("Show the recordings of this device."))
@click.option("--remove", "gone", metavar="NAME", help=N_("Delete a recording."))
@state_dir_option
def record(
    config_file: Path | None,
    stream_name: str | None,
    minutes: float | None,
    max_mb: float,
    name: str | None,
    is_list: bool,
    gone: str | None,
    state_dir: Path,
) -> None:
    """Record what a stream's source gives, until Ctrl-C or a bound. It never leaves this device."""
    from edge_runtime.jobs.recordings import Recordings

    recordings = Recordings(state_dir)
    if is_list:
        show_list(recordings.list())
    elif gone is not None:
        recordings.remove(gone)
        tell(Text("{name} is removed", name=gone))
    elif config_file is None or stream_name is None:
        raise UsageError("give --config and --stream, or one of --list and --remove")
    else:
        from edge_runtime.sources.recorder import RecordingLimits

        limits = RecordingLimits(int(max_mb * 1e6), (minutes or float("inf")) * 60.0)
        keep(config_file, stream_name, name, limits, state_dir)


def keep(
    config_file: Path, stream_name: str, name: str | None, limits: RecordingLimits, state_dir: Path
) -> None:
    """Record one stream and say what came of it."""
    from edge_runtime.cli.logs import set_up_logging
    from edge_runtime.clock import SystemClock
    from edge_runtime.config import load, stream_named
    from edge_runtime.daemon.control_requests import ControlRequests
    from edge_runtime.errors import SourceError
    from edge_runtime.jobs.record import origin_of
    from edge_runtime.jobs.record import record as run
    from edge_runtime.jobs.recordings import Recordings, default_name
    from edge_runtime.sources.recorder import Recorder

    clock, wants = SystemClock(), ControlRequests()
    _, stream = stream_named(load(config_file), stream_name)
    name = name or default_name(stream.name, clock.now())
    recorder = Recorder(Recordings(state_dir).new(name), origin_of(stream), limits)
    set_up_logging()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` has it
            signal.signal(number, lambda *_: wants.ask("stop"))
    tell(
        Text(
            "recording '{stream}' to {folder}; Ctrl-C ends it",
            stream=stream.name,
            folder=recorder.folder,
        ),
        err=True,
    )
    try:
        recorded, all_ended = run(stream, recorder, clock, wants, Meter())
    except SourceError as error:
        raise with_advice(error, stream, state_dir) from None
    tell(
        Text(
            "{name}: {measures}; ended because {why}",
            name=name,
            measures=measures(recorded),
            why=recorder.ended,
        )
    )
    exit_unless(all_ended=all_ended)


def with_advice(error: EdgeError, stream: StreamOptions, state_dir: Path) -> EdgeError:
    """Add what to do where the daemon on this board has the stream's device."""
    from edge_runtime.daemon.status_socket import ask
    from edge_runtime.errors import EdgeError, SourceError

    try:
        told = ask(state_dir) if state_dir.is_dir() else None
    except EdgeError:  # what the source says matters more
        return error
    if told is None or stream.name not in told["streams"]:
        return error
    return SourceError(
        "{reason}; the daemon (pid {pid}) has it: `systemctl stop edge-runtime`, record, "
        "`systemctl start edge-runtime`; or name a stream with another source",
        reason=error,
        pid=told["pid"],
    )


class Meter:
    """Shows how far a recording is: one line that changes on a terminal, now and then elsewhere."""

    def __init__(self) -> None:
        self._shown_s = time.monotonic()

    def __call__(self, recorder: Recorder) -> None:
        is_terminal = sys.stderr.isatty()
        if not is_terminal and time.monotonic() - self._shown_s < SHOW_EVERY_S:
            return
        self._shown_s = time.monotonic()
        text = spoken().text(
            "{count} samples, {seconds:.0f} s, {size:.1f} of {limit:g} MB",
            count=recorder.samples,
            seconds=recorder.length_s,
            size=recorder.size_bytes / 1e6,
            limit=recorder.limits.max_bytes / 1e6,
        )
        if is_terminal:
            sys.stderr.write(f"\r{text:<60}")
            sys.stderr.flush()
        else:
            say(text, err=True)


def show_list(found: tuple[ListedRecording, ...]) -> None:
    """Print the recordings as a table."""
    show_table(
        (
            Text("NAME"),
            Text("STREAM"),
            Text("HOLDS"),
            Text("BEGAN (UTC)"),
            Text("SECONDS"),
            RawText("MB"),
            Text("STATE"),
        ),
        map(row_of, found),
    )


def row_of(one: ListedRecording) -> tuple[str, str, str, str, str, str, str]:
    """Return a recording as cells of the table."""
    size, recorded = f"{one.size_bytes / 1e6:.1f}", one.recorded
    state = spoken().text(RECORDING_STATES[one.state])
    if recorded is None:
        return one.name, "?", "?", "?", "?", size, state
    began = f"{datetime.fromtimestamp(recorded.begun.wall_s, UTC):%Y-%m-%d %H:%M:%S}"
    seconds = f"{recorded.length_s:.1f}" if recorded.last else "?"
    return one.name, recorded.stream, recorded.what, began, seconds, size, state


def measures(recorded: Recorded) -> Text:
    """Return how much was recorded."""
    of_pictures = recorded.holds == "pictures"
    return Text(
        N_("{count} frames, {seconds:.1f} s, {size:.1f} MB")
        if of_pictures
        else N_("{count} rows, {seconds:.1f} s, {size:.1f} MB"),
        count=recorded.samples,
        seconds=recorded.length_s,
        size=recorded.size_bytes / 1e6,
    )
