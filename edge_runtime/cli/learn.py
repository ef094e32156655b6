"""`edge-runtime learn`: listens to a machine that runs well, and sets its alarm by that."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli.asking import confirmed
from edge_runtime.cli.localized import LocalizedCommand, spoken, tell
from edge_runtime.cli.paths import state_dir_option
from edge_runtime.errors import Text, UsageError
from edge_runtime.language import N_

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.jobs.learning import LearntSamples, Subject
    from edge_runtime.options import Config
    from edge_runtime.stream.baseline import Baselines


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Record what healthy looks like on this machine, and set the alarm's limits by it.\n"
        "\n"
        "The machine must run well, as it does every day. A sensor that the service reads is not "
        "free: stop the service, learn, and start it again. Exit status 1: nothing was written."
    ),
)
@click.option("--config", "config_file", type=click.Path(path_type=Path))
@click.option("--stream", "stream_name", help=N_("The stream of the machine's sensor."))
@click.option(
    "--minutes", type=click.FloatRange(0.0, 1440.0, min_open=True), default=10.0, show_default=True
)
@click.option(
    "--channel", help=N_("Whose rules are learnt, where rules are about several channels.")
)
@click.option(
    "--yes", is_flag=True, help=N_("Write it without asking, whatever speaks against it.")
)
@click.option("--show", is_flag=True, help=N_("Print what was learnt; listen to nothing."))
@click.option("--forget", is_flag=True, help=N_("Go back to the configured limits."))
@state_dir_option
def learn(
    config_file: Path | None,
    stream_name: str | None,
    minutes: float,
    channel: str | None,
    yes: bool,
    show: bool,
    forget: bool,
    state_dir: Path,
) -> None:
    """Record what healthy looks like on this machine, and set the alarm's limits by it."""
    from edge_runtime.stream.baseline import Baselines

    baselines = Baselines(state_dir)
    if show:
        show_learnt(baselines, [stream_name] if stream_name else baselines.names())
        return
    if stream_name is None:
        raise UsageError("name a stream with --stream")
    if forget:
        gone = baselines.forget(stream_name)
        tell(
            Text("{stream}: forgotten; {then}", stream=stream_name, then=Text(RELOAD))
            if gone
            else nothing_of(stream_name)
        )
        return
    if config_file is None:
        raise UsageError("name the configuration with --config")
    listen_and_save(config_file, stream_name, minutes, channel, baselines, state_dir, yes=yes)


RELOAD = N_(
    "a running daemon takes it up with `systemctl reload edge-runtime`, or at its next start"
)


def show_learnt(baselines: Baselines, names: list[str]) -> None:
    """Print baselines."""
    from edge_runtime.jobs.learning_report import describe

    for name in names:
        found = baselines.load(name)
        for line in describe(found) if found is not None else [nothing_of(name)]:
            tell(line)
    if not names:
        tell(nothing_of(baselines.folder))


def nothing_of(name: object) -> Text:
    return Text("{name}: nothing was learnt yet", name=name)


def listen_and_save(
    config_file: Path,
    stream_name: str,
    minutes: float,
    channel: str | None,
    baselines: Baselines,
    state_dir: Path,
    *,
    yes: bool,
) -> None:
    """Learn one stream. Raises EdgeError where nothing can be learnt."""
    from edge_runtime.clock import SystemClock
    from edge_runtime.jobs.learning import conclude, warnings_of
    from edge_runtime.jobs.learning_report import describe

    clock = SystemClock()
    config, subject = find(config_file, stream_name, channel, state_dir)
    refuse_beside_daemon(subject, state_dir)
    baselines.prepare()
    heard = listen_to(config, subject, clock, minutes, state_dir)
    baseline = conclude(subject, heard, clock.now())
    for line in describe(baseline):
        tell(line)
    against = warnings_of(heard, baseline)
    for line in against:
        tell(Text("warning: {text}", text=line))
    if stream_name in baselines.names():
        against.append(Text("it replaces what was learnt before"))
        tell(Text("note: {text}", text=against[-1]))
    if against and not yes:
        confirm_writing()
    tell(Text("written to {file}; {then}", file=baselines.save(baseline), then=Text(RELOAD)))


def find(
    config_file: Path, stream_name: str, channel: str | None, state_dir: Path
) -> tuple[Config, Subject]:
    """Return the configuration, and what is to be learnt. Raises UsageError."""
    from edge_runtime.clock import SystemClock
    from edge_runtime.errors import ConfigError, located
    from edge_runtime.jobs.learning import subject_of
    from edge_runtime.packs.catalogue import bundled_models
    from edge_runtime.packs.store import PackStore
    from edge_runtime.stream.build import load_checked

    store = PackStore(state_dir, bundled_models())
    config, packs = load_checked(config_file, store, SystemClock())
    streams = {stream.name: stream for stream in config.streams}
    if stream_name not in streams:
        known = ", ".join(streams)
        raise ConfigError(
            "{file}: no stream '{name}'; there are {known}",
            file=config_file,
            name=stream_name,
            known=known,
        )
    try:
        subject = subject_of(streams[stream_name], packs.get(stream_name), channel)
    except ConfigError as error:
        raise ConfigError(located(config_file, error)) from None
    return config, subject


def refuse_beside_daemon(subject: Subject, state_dir: Path) -> None:
    """Raise EdgeError where the daemon holds the stream's port: it lets nobody else in."""
    from edge_runtime.daemon.status_socket import ask
    from edge_runtime.errors import EdgeError

    if not subject.stream.source.is_exclusive or not state_dir.is_dir():
        return
    told = ask(state_dir)
    if told is not None and subject.stream.name in told["streams"]:
        raise EdgeError(
            "the daemon (pid {pid}) listens to '{stream}' and holds its port; run `systemctl stop "
            "edge-runtime`, learn, then `systemctl start edge-runtime`",
            pid=told["pid"],
            stream=subject.stream.name,
        )


def listen_to(
    config: Config, subject: Subject, clock: Clock, minutes: float, state_dir: Path
) -> LearntSamples:
    """Open source and model as the daemon does, and listen."""
    import msgspec

    from edge_runtime.jobs.learning import listen, samples, values_of
    from edge_runtime.model.resolve import model_of
    from edge_runtime.model.trial_ledger import TrialLedger
    from edge_runtime.model.window_runner import PackWindowModel
    from edge_runtime.sources import open_source
    from edge_runtime.stream.build import trial_of
    from edge_runtime.stream.setup import StreamSetup

    stream, pack = subject.stream, subject.pack
    setup = StreamSetup(stream, pack, config.inference.engine)
    trial_of(setup, TrialLedger(state_dir))()
    look = None
    if pack is not None:
        look = PackWindowModel(model_of(stream, pack, config.inference.engine))
    source = open_source(stream.source, clock)
    noticed: dict[Text, None] = {}
    language = spoken()
    with click.progressbar(
        length=math.ceil(minutes * 60.0),
        label=language.text("listening to {stream}", stream=stream.name),
        item_show_func=lambda text: text,
        file=sys.stderr,
    ) as bar:

        def show(passed_s: float, count: int, latest: float) -> None:
            latest_of = language.text(
                "{count} values, the latest {latest:.4g}", count=count, latest=latest
            )
            bar.update(int(passed_s) - bar.pos, latest_of)
            noticed[source.notice] = None

        def lost(why: Text) -> None:
            noticed[why] = None

        blocks = samples(source, clock, lost)
        heard = listen(blocks, values_of(subject, look), minutes * 60.0, show)
    return msgspec.structs.replace(heard, notices=tuple(text for text in noticed if text))


def confirm_writing() -> None:
    """Ask the person; raise EdgeError where nobody can answer."""
    from edge_runtime.errors import EdgeError

    if not sys.stdin.isatty():
        raise EdgeError("nothing was written: run it again with --yes to accept that")
    language = spoken()
    if not confirmed(language.text("write it all the same?"), language):
        raise click.Abort
