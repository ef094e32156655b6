"""All exercises in their order: those of the project, then those of an office's folder."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from edge_runtime.errors import UsageError, because
from edge_runtime.practice.exercise import Exercise
from edge_runtime.toml_file import read_toml, typed

# From the first cable to the office's side; each is a file of `exercises`.
ORDER = (
    "typo",
    "wrong-port",
    "cable-off",
    "wrong-baud",
    "wrong-scale",
    "decimal-comma",
    "meter-number",
    "meter-words",
    "no-fix",
    "quiet-readings",
    "alarm-limit",
    "camera-off",
    "camera-covered",
    "camera-path",
    "camera-login",
    "camera-character",
    "model-damaged",
    "score-too-high",
    "wrong-label",
    "zone-corner",
    "mode-forgotten",
    "too-many-sightings",
    "mask-too-large",
    "state-folder",
    "slow-results",
    "outbox-small",
    "daily-limit",
    "broker-address",
    "broker-down",
    "broker-password",
    "broker-rights",
    "name-clash",
    "wrong-ca",
    "certificate-name",
    "certificate-expired",
    "certificate-early",
    "claim-expired",
    "revoked",
    "missing-records",
)
NAME = re.compile(r"[a-z0-9-]{1,32}")


def all_exercises(own: Path | None) -> dict[str, Exercise]:
    """Return the exercises by name, in order. Raises UsageError where a file of `own` is wrong."""
    return {name: find_exercise(name, own) for name in (*ORDER, *own_names(own))}


def find_exercise(name: str, own: Path | None) -> Exercise:
    """Return one exercise. Raises UsageError where there is none, or its file is wrong."""
    if name in ORDER:
        module = f"edge_runtime.practice.exercises.{name.replace('-', '_')}"
        found: Exercise = import_module(module).EXERCISE
        return found
    if own is not None and name in own_names(own):
        return read_exercise(own / f"{name}.toml")
    raise UsageError(
        "there is no exercise '{name}'; `edge-runtime practice list` shows all", name=name
    )


def own_names(own: Path | None) -> list[str]:
    """Return the names of an office's exercises. Raises UsageError where one cannot be a name."""
    if own is None:
        return []
    try:
        names = sorted(file.stem for file in own.iterdir() if file.suffix == ".toml")
    except OSError as error:
        raise UsageError(
            "{folder}: cannot be read ({reason})", folder=own, reason=because(error)
        ) from None
    for name in names:
        if not NAME.fullmatch(name) or name in ORDER:
            raise UsageError(
                "{file}: an exercise's file is named with a-z, 0-9 and '-', and not as one of the "
                "project's",
                file=own / f"{name}.toml",
            )
    return names


def read_exercise(file: Path) -> Exercise:
    """Read an office's exercise. Raises UsageError with the place within the file."""
    try:
        raw = read_toml(file, UsageError)
    except FileNotFoundError:
        raise UsageError("{file}: not there", file=file) from None
    return typed(raw, Exercise, file, UsageError, long_texts=True)
