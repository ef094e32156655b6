"""`edge-runtime models`: the model packs on this device."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import click
import msgspec

from edge_runtime.cli.localized import LocalizedGroup, spoken, tell
from edge_runtime.cli.paths import state_dir_option
from edge_runtime.cli.printable import say
from edge_runtime.cli.tables import show_table
from edge_runtime.clock import SystemClock
from edge_runtime.errors import PackError, Text, because
from edge_runtime.language import N_
from edge_runtime.manifest import Manifest, Pack
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.download import Progress
from edge_runtime.packs.manifest_file import MANIFEST
from edge_runtime.packs.pull import import_file, pull
from edge_runtime.packs.store import ListedPack, PackStore

PACK_STATES = {
    "installed": N_("installed"),
    "bundled": N_("bundled"),
    "available": N_("available"),
    "damaged": N_("damaged"),
}


def opened(ctx: click.Context, _parameter: click.Parameter, file: Path) -> BufferedReader:
    """Open a file with the rights of the person who names it: root's may be closed to the owner."""
    if not file.is_file():
        raise PackError("{file}: no such file; give the weights or the publisher's .zip", file=file)
    try:
        return ctx.with_resource(file.open("rb"))
    except OSError as error:
        raise PackError(
            "{file}: cannot be read ({reason})", file=file, reason=because(error)
        ) from None


@click.group(
    cls=LocalizedGroup,
    help=N_("List, fetch, check and remove the model packs on this device."),
)
def models() -> None:
    """List, fetch, check and remove the model packs on this device."""


@models.command(
    "list",
    help=N_("Show the packs that are installed, bundled with the software, or available to pull."),
)
@click.option("--json", "as_json", is_flag=True, help=N_("One JSON array, for programs."))
@state_dir_option
def list_packs(as_json: bool, state_dir: Path) -> None:
    """Show the packs that are installed, bundled with the software, or available to pull."""
    packs = open_store(state_dir).list()
    if as_json:
        say(json.dumps(msgspec.to_builtins(packs)))
        return
    show_table(
        (
            Text("NAME"),
            Text("VERSION"),
            Text("TASK"),
            Text("SIZE"),
            Text("STATE"),
            Text("ENGINE"),
            Text("LICENCE"),
        ),
        map(row_of, packs),
    )


@models.command(
    "pull",
    help=N_("Fetch the weights of pack NAME from their publisher and install it."),
)
@click.argument("name")
@state_dir_option
def pull_pack(name: str, state_dir: Path) -> None:
    """Fetch the weights of pack NAME from their publisher and install it."""
    store = open_store(state_dir)
    manifest = manifest_of(store, name)
    if store.up_to_date(name):
        tell(
            Text(
                "{name} {version} is on this device already",
                name=name,
                version=manifest.pack.version,
            )
        )
        return
    with store.changing():
        with meter(name) as progress:
            weights = pull(manifest, store.staging, progress, clock=SystemClock())
        pack = store.install(name, weights, trial)
    say_installed(pack)


@models.command(
    "import",
    help=N_("Install pack NAME from FILE: its weights, or the publisher's .zip, known by SHA-256."),
)
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path), callback=opened)
@state_dir_option
def import_pack(name: str, file: BufferedReader, state_dir: Path) -> None:
    """Install pack NAME from FILE: its weights, or the publisher's .zip, known by SHA-256."""
    store = open_store(state_dir)
    manifest = manifest_of(store, name)
    with store.changing():
        weights = import_file(manifest, file, store.staging)
        pack = store.install(name, weights, trial)
    say_installed(pack)


@models.command(
    "verify",
    help=N_(
        "Check the weights' hash of pack NAME (or of a pack's folder) and run its golden case."
    ),
)
@click.argument("name")
@state_dir_option
def verify_pack(name: str, state_dir: Path) -> None:
    """Check the weights' hash of pack NAME (or of a pack's folder) and run its golden case."""
    from edge_runtime.infer.engines import AUTO
    from edge_runtime.model.engine_choice import engine_of

    pack = open_store(state_dir).find(name, Path.cwd())
    trial(pack)
    tell(
        Text(
            "{pack}: the weights are the right ones; the model {did}, on {engine}",
            pack=pack.ref.full_name,
            did=ran_on(pack),
            engine=engine_of(pack, AUTO).title,
        )
    )


@models.command(
    "remove",
    help=N_("Delete the installed pack NAME."),
)
@click.argument("name")
@state_dir_option
def remove_pack(name: str, state_dir: Path) -> None:
    """Delete the installed pack NAME."""
    store = open_store(state_dir)
    with store.changing():
        store.remove(name)
    tell(Text("{name} is removed", name=name))


def open_store(state_dir: Path) -> PackStore:
    """Return the store of this device beside the catalogue that came with the software."""
    return PackStore(state_dir, bundled_models())


def manifest_of(store: PackStore, name: str) -> Manifest:
    """Return a pack's manifest, its engine checked: nothing is fetched that nothing here runs."""
    from edge_runtime.model.engine_choice import check_manifest

    manifest = store.manifest(name)
    check_manifest(manifest, Path(name, MANIFEST))
    return manifest


def trial(pack: Pack) -> None:
    """Run a pack in a child process on the CPU: an accelerator is tried where it is configured."""
    from edge_runtime.model.trial import try_pack

    for note in try_pack(pack).notes:
        tell(Text("note: {text}", text=note))


def ran_on(pack: Pack) -> Text:
    """Say what the trial showed."""
    if pack.manifest.golden is not None:
        return Text("gives its golden result")
    if pack.manifest.input.kind == "window":
        return Text("ran on a synthetic tone, which says nothing of its results")
    return Text("ran on a blank picture, which says nothing of its results")


def say_installed(pack: Pack) -> None:
    """Tell the person what came of it."""
    tell(Text("{pack} is installed in {folder}", pack=pack.ref.full_name, folder=pack.folder))


def row_of(pack: ListedPack) -> tuple[str, ...]:
    """Return a pack as cells of the table."""
    size = "?" if pack.size_bytes is None else f"{pack.size_bytes / 1e6:.1f} MB"
    state = spoken().text(PACK_STATES[pack.state])
    return pack.name, pack.version, pack.task, size, state, engine_here(pack), pack.license


def engine_here(pack: ListedPack) -> str:
    """Return the name of the engine that runs a pack on this device; - where none does."""
    from edge_runtime.errors import BackendError
    from edge_runtime.infer.engines import engine_for

    try:
        return engine_for(Path(pack.file), pack.engine).name
    except BackendError:  # a pack that is used says why
        return "-"


@contextmanager
def meter(name: str) -> Iterator[Progress]:
    """Show how far a download is: a bar on a terminal, a line every tenth elsewhere."""
    if not sys.stderr.isatty():
        yield PlainMeter(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class PlainMeter:
    """Writes a line to standard error for every tenth, or megabyte where no size is known."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._step = -1

    def __call__(self, done: int, total: int | None) -> None:
        step = done * 10 // total if total else done // 1_000_000
        if step != self._step:
            self._step = step
            progress = Text("{name}: {done} bytes", name=self._name, done=done)
            if total:
                progress = Text(
                    "{name}: {done} of {total} bytes", name=self._name, done=done, total=total
                )
            tell(progress, err=True)
