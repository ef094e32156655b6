"""What a person has done: which exercises, when, in how many minutes, with how many hints."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from edge_runtime.durable import replace_file
from edge_runtime.errors import UsageError
from edge_runtime.practice.places import RUN, SiteFolder

FILE = "progress.json"


class PracticeRun(msgspec.Struct):
    """One go at an exercise, kept in its site's folder."""

    name: str
    started_s: float
    hints: int = 0
    checks: int = 0
    solved_s: float = 0.0

    @property
    def minutes(self) -> float:
        """How long it took, or has taken so far."""
        return ((self.solved_s or time.time()) - self.started_s) / 60.0


class SolvedExercise(msgspec.Struct):
    """An exercise that was solved: when first, and the best go by hints, then by minutes."""

    first_s: float
    minutes: float
    hints: int


class PracticeProgress(msgspec.Struct):
    """All that a person has solved, by exercise, and the one that was begun last."""

    solved: dict[str, SolvedExercise] = {}
    current: str = ""
    person: str = ""


def load_progress(folder: Path) -> PracticeProgress:
    """Read what was kept. Raises UsageError where the file is damaged."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=PracticeProgress)
    except FileNotFoundError:
        return PracticeProgress()
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            "{file}: cannot be read ({reason}); move it away to begin anew",
            file=folder / FILE,
            reason=str(error),
        ) from None


def save_progress(folder: Path, progress: PracticeProgress) -> None:
    """Keep it, whole or not at all."""
    replace_file(folder / FILE, msgspec.json.encode(progress))


def note_solved(progress: PracticeProgress, run: PracticeRun) -> None:
    """Take a solved go in; the better one stays."""
    old = progress.solved.get(run.name)
    if old is None:
        progress.solved[run.name] = SolvedExercise(run.solved_s, run.minutes, run.hints)
    elif (run.hints, run.minutes) < (old.hints, old.minutes):
        old.hints, old.minutes = run.hints, run.minutes


def load_run(site: SiteFolder) -> PracticeRun | None:
    """Return the go that a site's folder holds; None where it holds none."""
    try:
        return msgspec.json.decode((site.path / RUN).read_bytes(), type=PracticeRun)
    except (OSError, msgspec.MsgspecError):
        return None


def save_run(site: SiteFolder, run: PracticeRun) -> None:
    """Keep a go."""
    replace_file(site.path / RUN, msgspec.json.encode(run))
