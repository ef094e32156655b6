"""`edge-runtime demo`: the main job on what is bundled, with a broker on loopback."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from edge_runtime.cli.localized import LocalizedCommand, tell
from edge_runtime.errors import Text
from edge_runtime.language import N_

ROAD_PACK = "village-road"
PUMP_PACK = "bearing-vibration"
FAULT_AFTER_S = 6.0
START_S = 60.0  # a slow board takes its time until the first result

CONFIG = """\
# The demo's configuration; the one to start from on a real site is in the README.
[device]
site = "demo"
name = "board"

[broker]
url = "{url}"
# The embedded broker leaves MQTT 5 with a will unanswered; 3.1.1 is tried after this time.
connect_timeout_s = 1.0

[outbox]
commit_interval_s = 0.2

[[streams]]
name = "road"
source = {{ kind = "video", path = "{clip}", loop = true }}
model = {{ pack = "{road}" }}
track = {{ max_lost_s = 1.0 }}
rules = [{{ kind = "line", name = "milestone", start = [0.5, 0.0], end = [0.5, 1.0] }}]
publish = {{ mode = "every_inference", encoding = "cbor" }}

[[streams]]
name = "pump"
source = {{ kind = "vibration", fault_after_s = {fault_after_s} }}
model = {{ pack = "{pump}" }}
rules = [{{ kind = "threshold", name = "bearing", channel = "healthy", below = 0.2, min_s = 0.35 }}]
publish = {{ mode = "events", encoding = "cbor", heartbeat_s = 1.0 }}
"""


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Show the whole way from a clip and a sensor to an MQTT subscriber, on this machine alone."
    ),
)
@click.option(
    "--seconds", type=float, help=N_("End so long after the first result (default: until Ctrl-C).")
)
@click.option("--embedded-broker", is_flag=True, help=N_("Do not look for Mosquitto."))
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help=N_("Save a frame of the clip with the boxes drawn, and end."),
)
def demo(seconds: float | None, embedded_broker: bool, picture: Path | None) -> None:
    """Show the whole way from a clip and a sensor to an MQTT subscriber, on this machine alone."""
    from edge_runtime.packs.catalogue import bundled_models

    models = bundled_models()
    if picture is not None:
        from edge_runtime.jobs.drawing import draw_best_frame

        road = models / ROAD_PACK
        tell(draw_best_frame(road, road / "clip.mp4", picture))
        return
    # A closed terminal ends it as Ctrl-C does: the broker and the daemon must not stay behind.
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="edge-runtime-demo-") as folder:
        run_demo(Path(folder), models, seconds, embedded=embedded_broker)


def run_demo(folder: Path, models: Path, seconds: float | None, *, embedded: bool) -> None:
    """Start a broker and the daemon, and show what a subscriber receives."""
    from edge_runtime.cli.broker import loopback_broker
    from edge_runtime.cli.table_view import TableView
    from edge_runtime.cli.view import show
    from edge_runtime.consume import Consumer
    from edge_runtime.errors import EdgeError

    with loopback_broker(folder, embedded=embedded) as (url, name):
        config = folder / "demo.toml"
        config.write_text(config_text(url, models))
        tell(Text("broker: {name} at {url}", name=name, url=url))
        tell(Text("road: a clip, watched by {pack}", pack=ROAD_PACK))
        tell(
            Text(
                "pump: a simulated machine, judged by {pack}; it fails at {seconds:g} s",
                pack=PUMP_PACK,
                seconds=FAULT_AFTER_S,
            )
        )
        consumer = Consumer(url)
        consumer.open()
        command = [sys.executable, "-m", "edge_runtime", "run", "--config", str(config)]
        with (folder / "daemon.log").open("wb") as log:
            daemon = subprocess.Popen([*command, "--state-dir", str(folder / "state")], stderr=log)
        results = 0
        try:
            view = TableView(sys.stdout.isatty())
            results = show(consumer, view, seconds=seconds, first_within_s=START_S)
        except KeyboardInterrupt:
            return
        finally:
            daemon.terminate()
            daemon.wait()
            consumer.close()
        if results == 0:
            said = (folder / "daemon.log").read_text(errors="replace").strip()
            last = said.rpartition("\n")[2]
            raise EdgeError(
                "no result arrived; the daemon says: {line}", line=last or Text("nothing")
            )
        tell(Text("{count} results received", count=results))


def config_text(url: str, models: Path) -> str:
    """Return the demo's configuration."""
    road, pump = models / ROAD_PACK, models / PUMP_PACK
    return CONFIG.format(
        url=url, clip=road / "clip.mp4", road=road, pump=pump, fault_after_s=FAULT_AFTER_S
    )
