"""The recordings on this device: `recordings/NAME/` in the state folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.durable import try_lock
from edge_runtime.errors import EdgeError, UsageError, because
from edge_runtime.options.recorded import DATA, NO_RECORDING, Recorded, read_recorded

FOLDER = "recordings"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

State = Literal["whole", "cut short", "recording", "damaged"]


class ListedRecording(msgspec.Struct, frozen=True):
    """A line of `record --list`; without its manifest nothing is known of it but its bytes."""

    name: str
    state: State
    size_bytes: int
    recorded: Recorded | None


class Recordings:
    """Finds, names and removes them. Raises UsageError, and EdgeError where the disk fails."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / FOLDER

    def new(self, name: str) -> Path:
        """Return the folder that a new recording is to have."""
        folder = self._place(name)
        if is_there(folder):
            raise UsageError(
                "{folder}: there is one already; give another --name, or remove it with "
                "`edge-runtime record --remove {name}`",
                folder=folder,
                name=name,
            )
        return folder

    def find(self, name_or_path: str) -> Path:
        """Return a recording's folder by its name, or by its path, which has a slash."""
        if "/" in name_or_path:
            return Path(name_or_path)
        return self._known(name_or_path)

    def list(self) -> tuple[ListedRecording, ...]:
        """Return them all, by name."""
        if not is_there(self._folder):
            return ()
        try:
            folders = sorted(one for one in self._folder.iterdir() if one.is_dir())
            return tuple(map(listed, folders))
        except OSError as error:
            raise EdgeError(
                "{folder}: cannot be listed ({reason})", folder=self._folder, reason=because(error)
            ) from None

    def remove(self, name: str) -> None:
        """Delete a recording."""
        folder = self._known(name)
        if is_held(folder):
            raise EdgeError("{folder}: is being recorded or played; end that first", folder=folder)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise EdgeError(
                "{folder}: cannot be removed ({reason})", folder=folder, reason=because(error)
            ) from None

    def _known(self, name: str) -> Path:
        folder = self._place(name)
        if not is_there(folder):
            raise UsageError(
                "'{name}': no such recording; {advice}", name=name, advice=NO_RECORDING
            )
        return folder

    def _place(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise UsageError(
                "'{name}' is no name; use a-z, 0-9, dots, dashes and underscores", name=name
            )
        return self._folder / name


def default_name(stream: str, now: Stamp) -> str:
    """Return a name that says which stream and when, in UTC."""
    from datetime import UTC, datetime

    return f"{stream}-{datetime.fromtimestamp(now.wall_s, UTC):%Y%m%d-%H%M%S}"


def listed(folder: Path) -> ListedRecording:
    """Return what can be said of a recording."""
    data = folder / DATA
    size_bytes = data.stat().st_size if data.is_file() else 0
    try:
        recorded = read_recorded(folder)
    except UsageError:
        return ListedRecording(folder.name, "damaged", size_bytes, None)
    state: State = "whole" if recorded.ended else "cut short"
    if not recorded.ended and is_held(folder):
        state = "recording"
    elif recorded.ended and size_bytes != recorded.size_bytes:
        state = "damaged"
    return ListedRecording(folder.name, state, size_bytes, recorded)


def is_there(folder: Path) -> bool:
    """Say whether a folder is there. Raises EdgeError where we may not look."""
    try:
        return folder.exists()
    except PermissionError as error:
        raise EdgeError(
            "{folder}: {reason}; run this as the daemon's user, or with sudo",
            folder=folder,
            reason=because(error),
        ) from None


def is_held(folder: Path) -> bool:
    """Say whether a recording is being written or played."""
    try:
        with (folder / DATA).open("rb") as file:
            return not try_lock(file)
    except FileNotFoundError:
        return False
