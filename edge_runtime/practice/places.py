"""Where practice lives: a folder of the person's own, one folder in it for each exercise's site."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from edge_runtime.durable import replace_file, try_lock
from edge_runtime.errors import UsageError, because

MARK = ".edge-practice"  # in each folder that practice made, and may delete
LOCK, SOCKET, FACTS, RUN = "site.lock", "site.sock", "site.json", "run.json"
# Never a place to practise in, whoever asks: a real board keeps its own things there.
SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/opt", "/proc", "/run", "/sbin", "/sys", "/usr")
SYSTEM_STATE = ("/var/lib/edge-runtime", "/var/lib/edge-runtime-office")


def default_folder() -> Path:
    """Return where people practise who say nothing."""
    return Path.home() / "edge-practice"


def checked_folder(folder: Path) -> Path:
    """Make the practice folder where there is none, and return its real path. Raises UsageError."""
    real = Path(os.path.realpath(folder))
    if real == Path("/") or any(real.is_relative_to(place) for place in SYSTEM + SYSTEM_STATE):
        raise UsageError(
            "{folder}: the system's own place, not one to practise in; name another with --folder",
            folder=real,
        )
    if any(character.isspace() or character in "\"'\\$" for character in str(real)):
        raise UsageError(
            "{folder}: spaces, quotes, '\\' or '$' in the path; name another with --folder",
            folder=real,
        )
    try:
        real.mkdir(parents=True, exist_ok=True)
        if not (real / MARK).exists():
            if any(real.iterdir()):
                raise UsageError(
                    "{folder}: not empty, and not made by practice; name another with --folder",
                    folder=real,
                )
            (real / MARK).touch()
    except OSError as error:
        raise UsageError(
            "{folder}: cannot be made ({reason}); name another with --folder",
            folder=real,
            reason=because(error),
        ) from None
    return real


class SiteFolder:
    """The folder of one exercise's site, below the practice folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.office = path / "office"
        self.ports = path / "ports"
        self.log = path / "log"

    def board(self, number: int = 0) -> Path:
        """Return a board's folder; the first one is the person's."""
        return self.path / ("board" if number == 0 else f"board-{number + 1}")

    def config(self, number: int = 0) -> Path:
        """Return a board's configuration."""
        return self.board(number) / "edge-runtime.toml"

    def state(self, number: int = 0) -> Path:
        """Return a board's state folder."""
        return self.board(number) / "state"

    def board_log(self, number: int = 0) -> Path:
        """Return what a board's daemon says."""
        return self.log / f"{self.board(number).name}.log"

    @property
    def is_running(self) -> bool:
        """Whether a process keeps the site up."""
        try:
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not try_lock(descriptor)
        finally:
            os.close(descriptor)

    def facts(self) -> dict[str, object]:
        """Return what the site's process wrote of itself; nothing where it wrote nothing."""
        try:
            found = json.loads((self.path / FACTS).read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def tell(self, **facts: object) -> None:
        """Write what commands must know of the site."""
        replace_file(self.path / FACTS, json.dumps(facts).encode())

    def make(self) -> None:
        """Make it anew. Raises UsageError where practice did not make what stands there."""
        self.delete()
        for folder in (self.path, self.office, self.ports, self.log):
            folder.mkdir()
        (self.path / MARK).touch()

    def delete(self) -> None:
        """Delete it with all that is in it."""
        if not self.path.exists() and not self.path.is_symlink():
            return
        if self.path.is_symlink() or not (self.path / MARK).exists():
            raise UsageError("{folder}: not made by practice; move it away", folder=self.path)
        for folder in [self.path, *self.path.rglob("*")]:
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(0o700)  # what an exercise closed
        shutil.rmtree(self.path)
