"""The model packs on this device: `models/NAME/` in the state folder, and the bundled ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from edge_runtime.durable import replace_folder, sync_tree, try_lock
from edge_runtime.errors import EdgeError, PackError, Text, WeightsError, because, located
from edge_runtime.manifest import Manifest, Pack
from edge_runtime.packs.manifest_file import MANIFEST, open_pack, read_manifest
from edge_runtime.toml_file import path_fault


class ListedPack(msgspec.Struct, frozen=True):
    """A line of `models list`. `state`: installed, bundled (usable as is), available, damaged.

    `engine`: as the pack names it, and the weights' `file`; `input_kind`: what it looks at.
    """

    name: str
    version: str
    task: str
    size_bytes: int | None
    state: Literal["installed", "bundled", "available", "damaged"]
    license: str
    engine: str = "?"
    file: str = "?"
    input_kind: str = "?"


class PackStore:
    """Finds, installs and removes packs. Any process may read; one at a time changes (`changing`).

    A pack appears whole or not at all: what is being made lies in folders whose name begins with
    a dot, which no pack's name does.
    """

    def __init__(self, state_dir: Path, catalogue: Path) -> None:
        self._folder = state_dir / "models"
        self._catalogue = catalogue

    @property
    def staging(self) -> Path:
        """Where downloads lie until they are whole; on the packs' own filesystem."""
        return self._folder / ".staging"

    def find(self, name_or_path: str, base: Path) -> Pack:
        """Return a pack by its name, else by its folder's path from `base`. Raises PackError."""
        if name_or_path in names_in(self._folder):
            return opened(self._folder / name_or_path, get_again(name_or_path))
        if name_or_path in names_in(self._catalogue):
            return self._bundled(name_or_path)
        folder = base / name_or_path
        fault = path_fault(folder, Path.is_dir, Text("no such folder"))
        if fault is None:
            return opened(folder, Text("copy this file again from where the pack was made"))
        if "/" in name_or_path:
            raise PackError("{folder}: {fault}, or give a pack's name", folder=folder, fault=fault)
        raise self._unknown(name_or_path)

    def manifest(self, name: str) -> Manifest:
        """Return the catalogue's manifest for a name."""
        if name not in names_in(self._catalogue):
            raise self._unknown(name)
        return read_manifest(self._catalogue / name)

    def list(self) -> tuple[ListedPack, ...]:
        """Return every known pack, by name. Hashes are not checked here; `verify` does."""
        installed = names_in(self._folder)
        names = sorted({*installed, *names_in(self._catalogue)})
        return tuple(
            self._listed(name, self._folder if name in installed else self._catalogue)
            for name in names
        )

    def up_to_date(self, name: str) -> bool:
        """Say whether this device has the catalogue's pack NAME with the right weights."""
        return any(self._is_intact(place / name) for place in (self._folder, self._catalogue))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the store for a change; what a killed change left behind is cleared away."""
        try:
            self.staging.mkdir(parents=True, exist_ok=True)
            lock = (self._folder / ".lock").open("ab")
        except OSError as error:
            raise EdgeError(
                "{folder}: cannot be written ({reason}); run this as the user who owns it, or "
                "give --state-dir",
                folder=self._folder,
                reason=because(error),
            ) from None
        with lock:
            if not try_lock(lock):
                raise EdgeError(
                    "{folder}: another 'models' command is at work; wait until it is done",
                    folder=self._folder,
                )
            for left in self._folder.glob(".new-*"):
                shutil.rmtree(left)
            try:
                yield
            except OSError as error:
                raise EdgeError(located(error.filename or self._folder, because(error))) from None

    def install(self, name: str, weights: Path, trial: Callable[[Pack], object]) -> Pack:
        """Make the catalogue's pack NAME with these weights (they are moved) and put it in place.

        `trial` runs the new pack and raises PackError where it must not be used; what was
        installed before stays untouched until then. Call it while `changing`.
        """
        new, final = self._folder / f".new-{name}", self._folder / name
        try:
            manifest = self.manifest(name)
            copy_declared(self._catalogue / name, new, manifest)
            weights.replace(new / manifest.model.file)
            trial(open_pack(new))
            sync_tree(new)
            put_in_place(new, final)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return open_pack(final)

    def remove(self, name: str) -> None:
        """Delete an installed pack."""
        if name not in names_in(self._folder):
            if name in names_in(self._catalogue):
                raise PackError("{name}: not installed; there is nothing to remove", name=name)
            raise self._unknown(name)
        gone = self._folder / f".new-{name}"
        (self._folder / name).rename(gone)
        shutil.rmtree(gone)

    def _is_intact(self, folder: Path) -> bool:
        try:
            return open_pack(folder).manifest == self.manifest(folder.name)
        except PackError:
            return False

    def _bundled(self, name: str) -> Pack:
        folder = self._catalogue / name
        if has_weights(folder, read_manifest(folder)):
            return opened(folder, get_again(name))
        raise WeightsError(
            "{name}: its weights are not on this device; get them with 'edge-runtime models pull "
            "{name}', or offline with 'edge-runtime models import'",
            name=name,
        )

    def _listed(self, name: str, place: Path) -> ListedPack:
        try:
            manifest = read_manifest(place / name)
        except PackError:
            return ListedPack(name, "?", "?", None, "damaged", "?")
        here = has_weights(place / name, manifest)
        state: Literal["installed", "bundled", "available", "damaged"]
        if place == self._folder:
            state = "installed" if here else "damaged"
        else:
            state = "bundled" if here else "available"
        weights = place / name / manifest.model.file
        size_bytes = weights.stat().st_size if here else manifest.model.size_bytes
        pack = manifest.pack
        return ListedPack(
            name,
            pack.version,
            pack.task,
            size_bytes,
            state,
            pack.license,
            manifest.model.engine,
            manifest.model.file,
            manifest.input.kind,
        )

    def _unknown(self, name: str) -> PackError:
        known = sorted({*names_in(self._folder), *names_in(self._catalogue)})
        import difflib  # for a mistake alone

        near = " or ".join(difflib.get_close_matches(name, known, n=2)) or ", ".join(known)
        return PackError(
            "'{name}': no such model pack; known here: {near}; 'edge-runtime models list' shows "
            "all, 'edge-runtime models pull NAME' gets one",
            name=name,
            near=near,
        )


def opened(folder: Path, advice: Text) -> Pack:
    """Return a pack; where its weights are missing or others, say what to do. Raises PackError."""
    try:
        return open_pack(folder)
    except WeightsError as error:
        raise WeightsError("{fault}; {advice}", fault=error, advice=advice) from None


def get_again(name: str) -> Text:
    """Return how a pack of the catalogue is got."""
    return Text("get it again with 'edge-runtime models pull {name}'", name=name)


def names_in(folder: Path) -> frozenset[str]:
    """Return the names of the packs in a folder of packs; none where the folder is not there."""
    return frozenset(
        manifest.parent.name
        for manifest in folder.glob(f"*/{MANIFEST}")
        if not manifest.parent.name.startswith(".")
    )


def has_weights(folder: Path, manifest: Manifest) -> bool:
    """Say whether a pack's folder holds its weights' file."""
    return (folder / manifest.model.file).is_file()


def copy_declared(source: Path, target: Path, manifest: Manifest) -> None:
    """Copy what the manifest names, without the weights: a catalogue's folder may hold more."""
    inner = [MANIFEST, manifest.output.labels]
    if manifest.golden is not None:
        inner += [manifest.golden.input, manifest.golden.expected]
    for name in filter(None, inner):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)


def put_in_place(new: Path, final: Path) -> None:
    """Give a pack's folder its name, in one step. Raises EdgeError where that cannot be done."""
    try:
        replace_folder(new, final)
    except OSError as error:
        raise EdgeError(
            "{folder}: cannot be replaced in one step here ({reason}); run "
            "'edge-runtime models remove {name}' first",
            folder=final,
            reason=because(error),
            name=final.name,
        ) from None
