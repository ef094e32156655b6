"""The device's mode: what switches sets of rules, by a command, kept over restarts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_runtime.daemon.commands import Answer, CommandError
from edge_runtime.durable import replace_file
from edge_runtime.errors import UsageError, because

log = logging.getLogger("edge_runtime.daemon")

FILE = "mode.json"
MOST_BYTES = 4096


class SavedMode(msgspec.Struct, frozen=True):
    """What the file holds."""

    mode: str


class ModeSwitch:
    """Which mode holds. `current` may be called by any thread, `look` by the supervisor's.

    The file in the state folder is what counts: the command on the board writes it too, and `look`
    takes it up.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self._names: tuple[str, ...] = ()
        self._chosen = ""
        self._read_at_ns = -1  # the time stamp of the file that was read; 0: there is none
        self._told = ""

    def current(self) -> str:
        """Return the mode; "" where the device has none."""
        names = self._names
        return self._chosen if self._chosen in names else next(iter(names), "")

    @property
    def names(self) -> tuple[str, ...]:
        """The modes that there are."""
        return self._names

    def allow(self, names: tuple[str, ...]) -> None:
        """Take over which modes a configuration has."""
        self._names = names
        self._read_at_ns = -1
        self.look()

    def look(self) -> bool:
        """Take up what the file says; True where another mode holds since the last look."""
        if self._names:
            self._read()
        if self.current() == self._told:
            return False
        self._told = self.current()
        log.info("mode %s", self._told or "none")
        return True

    def choose(self, name: str) -> None:
        """Let another mode hold, also after a restart. Any thread.

        Raises UsageError where there is none of that name, or where it cannot be kept.
        """
        check_mode(name, self._names)
        save_mode(self._path.parent, name)
        self._chosen = name

    def _read(self) -> None:
        try:
            stamp_ns = self._path.stat().st_mtime_ns
        except OSError:
            stamp_ns = 0
        if stamp_ns != self._read_at_ns:
            self._read_at_ns = stamp_ns
            self._chosen = self._saved() if stamp_ns else ""

    def _saved(self) -> str:
        try:
            with self._path.open("rb") as file:
                mode = msgspec.json.decode(file.read(MOST_BYTES), type=SavedMode).mode
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read (%s): mode %s", self._path, error, self._names[0])
            return ""
        if mode not in self._names:
            log.warning("no mode '%s' any more: mode %s", mode[:64], self._names[0])
        return mode


def check_mode(name: str, names: tuple[str, ...]) -> None:
    """Raise UsageError where there is no mode of a name."""
    if name not in names:
        if not names:
            raise UsageError("there are no modes: name them in the configuration, in [modes]")
        raise UsageError("no mode '{name}'; there are {known}", name=name, known=", ".join(names))


def save_mode(state_dir: Path, name: str) -> None:
    """Keep the mode in the state folder. Raises UsageError where the disk does not take it."""
    path = state_dir / FILE
    try:
        replace_file(path, msgspec.json.encode(SavedMode(name)))
    except OSError as error:
        raise UsageError(
            "{path}: the mode cannot be kept ({reason}); it stays as it was",
            path=path,
            reason=because(error),
        ) from None


class ModeArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of `cmd/mode`: which mode is to hold; none: only tell."""

    mode: Annotated[str, Meta(min_length=1, max_length=32)] | None = None


class ModeCommand:
    """`cmd/mode`: switches sets of rules. The answer: the `mode` that holds, and all `modes`."""

    def __init__(self, switch: ModeSwitch) -> None:
        self._switch = switch

    def __call__(self, payload: bytes) -> Answer:
        asked = msgspec.json.decode(payload or b"{}", type=ModeArguments)
        if asked.mode is not None:
            try:
                self._switch.choose(asked.mode)
            except UsageError as error:
                raise CommandError(error.text) from None
        return {"mode": self._switch.current(), "modes": list(self._switch.names)}
