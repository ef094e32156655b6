"""`edge-runtime check`: everything that can be validated without hardware."""

from __future__ import annotations

from pathlib import Path

import click

from edge_runtime.cli.paths import state_dir_option
from edge_runtime.manifest import Pack
from edge_runtime.options import Config, Stream


@click.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), required=True)
@state_dir_option
def check(config_file: Path, state_dir: Path) -> None:
    """Check a configuration and its packs, and print what would run."""
    from edge_runtime.clock import SystemClock
    from edge_runtime.config import load
    from edge_runtime.engine.build import check_files, worker_count
    from edge_runtime.engine.models import find_packs
    from edge_runtime.engine.trial import try_pack
    from edge_runtime.errors import BackendError
    from edge_runtime.packs.catalogue import bundled_models
    from edge_runtime.packs.store import PackStore

    config = load(config_file)
    packs = find_packs(config, PackStore(state_dir, bundled_models()))
    check_files(config, SystemClock())
    notes: list[str] = []
    for index, stream in enumerate(config.streams):
        delegate = stream.model.accelerator
        try:
            try_pack(packs[stream.name], runtime=config.engine.runtime, delegate=delegate)
        except BackendError as error:
            if delegate is None:
                raise
            # An accelerator is hardware: it may be plugged in later.
            notes.append(f"streams[{index}].model.delegate: {error}")
    describe(config, packs, worker_count(config))
    for note in notes:
        click.echo(f"note: {note}")
    click.echo(f"{config_file}: good")


def describe(config: Config, packs: dict[str, Pack], workers: int) -> None:
    """Print what would run."""
    click.echo(f"device   {config.device.site}/{config.device.level}, {workers} workers")
    click.echo(f"broker   {config.broker.url}")
    click.echo(
        f"outbox   {config.outbox.max_mb:g} MB, commits every {config.outbox.commit_interval_s:g} s"
    )
    for stream in config.streams:
        click.echo(f"stream   {stream.name}: {describe_stream(stream, packs[stream.name])}")


def describe_stream(stream: Stream, pack: Pack) -> str:
    """Return a stream as one line."""
    source = stream.source
    what = getattr(source, "device", None) or getattr(source, "path", None) or ""
    parts = [
        f"{source.__struct_config__.tag} {what}".strip(),
        f"gate {stream.gate.__struct_config__.tag}",
        f"{pack.ref.full_name} at {stream.model.min_score:g}"
        + (f" [{', '.join(stream.model.labels)}]" if stream.model.labels else ""),
        *(f"{rule.__struct_config__.tag} {rule.name}" for rule in stream.rules),
        f"{stream.publish.mode} as {stream.publish.encoding}",
    ]
    return " > ".join(parts)
