"""`edge-runtime bench`: what the runtime adds to the model, alternating with a bare loop."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from edge_runtime.cli.localized import LocalizedCommand, spoken
from edge_runtime.cli.paths import state_dir_option
from edge_runtime.cli.printable import printable_json, say
from edge_runtime.errors import UsageError
from edge_runtime.language import N_

SYNTHETIC = """\
[device]
site = "bench"
[broker]
url = "mqtt://127.0.0.1:1"
[[streams]]
name = "road"
source = {{ kind = "video", path = "{pack}/clip.mp4" }}
model = {{ pack = "{pack}" }}
publish = {{ mode = "every_inference", encoding = "cbor" }}
"""


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Measure a configuration's pipeline, and a bare loop on the same clip and model, "
        "alternating.\n"
        "\n"
        "Files are read as fast as they are taken; results go to a broker on loopback. Nothing is"
        " sent to the configured broker, and the daemon's own state is left alone."
    ),
)
@click.option("--config", "config_file", type=click.Path(path_type=Path))
@click.option("--synthetic", is_flag=True, help=N_("The bundled model on its simulated clip."))
@click.option("--frames", type=click.IntRange(20), default=200, help=N_("Frames a round (200)."))
@click.option("--rounds", type=click.IntRange(1), default=3, help=N_("Rounds of each kind (3)."))
@click.option("--json", "as_json", is_flag=True, help=N_("Print the report as one JSON object."))
@click.option("--round", "is_round", is_flag=True, hidden=True)
@state_dir_option
def bench(
    config_file: Path | None,
    synthetic: bool,
    frames: int,
    rounds: int,
    as_json: bool,
    is_round: bool,
    state_dir: Path,
) -> None:
    """Measure a configuration's pipeline, and a bare loop on the same clip and model."""
    if is_round:
        run_round()
        return
    if (config_file is None) == (not synthetic):
        raise UsageError("give one of --config FILE and --synthetic")
    with tempfile.TemporaryDirectory(prefix="edge-runtime-bench-") as name:
        folder = Path(name)
        if config_file is None:
            config_file = write_synthetic(folder)
        measure(config_file, folder, state_dir, frames, rounds, as_json=as_json)


def run_round() -> None:
    """Be one round: the same imports in the same order as `run`."""
    from edge_runtime import startup

    startup.before_imports()

    from edge_runtime.bench.pipeline import main

    main()


def write_synthetic(folder: Path) -> Path:
    """Write the configuration of --synthetic."""
    from edge_runtime.packs.catalogue import bundled_models

    file = folder / "bench.toml"
    file.write_text(SYNTHETIC.format(pack=bundled_models() / "village-road"))
    return file


def measure(
    config_file: Path, folder: Path, state_dir: Path, frames: int, rounds: int, *, as_json: bool
) -> None:
    """Run the rounds and print the report."""
    import msgspec

    from edge_runtime.bench.report import report, table
    from edge_runtime.bench.rounds import Bench
    from edge_runtime.cli.broker import loopback_broker
    from edge_runtime.clock import SystemClock
    from edge_runtime.packs.catalogue import bundled_models
    from edge_runtime.packs.store import PackStore

    store = PackStore(state_dir, bundled_models())
    with loopback_broker(folder) as (url, broker):
        bench = Bench(config_file, state_dir, folder, url, store, SystemClock())
        bench.warm_up()
        pairs = [(bench.bare(frames), bench.pipeline(frames)) for _ in range(rounds)]
    told = report(pairs, str(broker))
    if as_json:
        say(printable_json(msgspec.json.encode(told).decode()))
    else:
        say(table(told, spoken()))
