"""The last configuration that came to work, kept for the day when its file is gone or wrong."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from edge_runtime.config import parse
from edge_runtime.durable import replace_file
from edge_runtime.errors import ConfigError
from edge_runtime.options import Config
from edge_runtime.toml_file import read_toml

log = logging.getLogger("edge_runtime.daemon")

FILE = "last-good.toml"


class LastGoodConfig:
    """A copy of one configuration file in the state folder, headed by the path that it is of.

    Paths within it are relative to the file's own folder, and another file is not stood in for:
    whoever mistypes a name does not get what ran before under another one.
    """

    def __init__(self, state_dir: Path, config_file: Path) -> None:
        self.path = state_dir / FILE
        self._config_file = config_file.absolute()

    def save(self, text: bytes) -> None:
        """Keep a file's text, whole or not at all; nothing is written where it is kept already."""
        head = b"file = " + msgspec.json.encode(str(self._config_file)) + b"\n"
        try:
            # A file that has changed since it was read has not proved itself.
            if self._config_file.read_bytes() != text or self._kept() == head + text:
                return
            replace_file(self.path, head + text)  # private: a camera's address may hold a password
        except (OSError, UnicodeError) as error:
            log.warning("%s: the last good configuration is not saved: %s", self.path, error)

    def load(self) -> Config | None:
        """Return what was kept; None: nothing was, of this file. Raises ConfigError."""
        try:
            raw = read_toml(self.path, ConfigError)
        except FileNotFoundError:
            return None
        if raw.pop("file", None) != str(self._config_file):
            return None
        return parse(dict(raw), self._config_file)  # not its lines: the head is another's

    def _kept(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""
