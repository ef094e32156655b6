"""The configuration, and what a check needs to know before it can look at anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.clock import SystemClock
from edge_runtime.config import load
from edge_runtime.daemon.status_socket import ask
from edge_runtime.doctor.base import Finding, Surroundings
from edge_runtime.enrolment.identity import provisioned
from edge_runtime.errors import EdgeError, UsageError
from edge_runtime.language import Language
from edge_runtime.stream.build import check_files


def look_around(
    config_file: Path, state_dir: Path, language: Language, root: Path = Path("/")
) -> Surroundings:
    """Read the configuration and ask the running daemon; what is wrong is for the checks to say.

    Raises EdgeError where this user may not look at all.
    """
    for path in (config_file, state_dir):
        refuse_unreadable(path)
    clock = SystemClock()
    config, problem = None, ""
    try:
        config = provisioned(load(config_file), state_dir)
        check_files(config, clock)
    except UsageError as error:
        problem = error.localized(language)
    daemon, silence = None, ""
    try:
        daemon = ask(state_dir)
    except EdgeError as error:
        silence = error.localized(language)
    return Surroundings(
        language=language,
        state_dir=state_dir,
        config=config,
        config_file=config_file,
        problem=problem,
        daemon=daemon,
        silence=silence,
        clock=clock,
        root=root,
    )


def refuse_unreadable(path: Path) -> None:
    """Raise EdgeError where this user may not read a path; one that is not there is another matter.

    Otherwise half of the checks would blame the board for what is missing to its visitor.
    """
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except PermissionError:
        raise EdgeError("{path} may not be read: run this with sudo", path=path) from None
    except OSError:
        return


def check_configuration(around: Surroundings) -> Iterator[Finding]:
    """Say whether the file can be used, and whether the daemon uses it."""
    name = "configuration"
    if around.problem:
        yield Finding(
            name,
            "failed",
            around.text("the configuration is wrong: {problem}", problem=around.problem),
            around.text(
                "Correct the file at the place that is named; `edge-runtime check --config {file}` "
                "tells whether it is good.",
                file=around.config_file,
            ),
        )
        return
    fallback = (around.daemon or {}).get("config", {})
    if fallback.get("state") == "fallback":
        yield Finding(
            name,
            "warning",
            around.text(
                "{file} is good now, but the daemon still runs on the last good configuration "
                "({reason})",
                file=around.config_file,
                reason=fallback.get("reason", ""),
            ),
            around.text("Let it read the file again: `systemctl reload edge-runtime`."),
        )
        return
    streams = len(around.config.streams) if around.config is not None else 0
    yield Finding(
        name,
        "ok",
        around.text("{file}: good, streams: {count}", file=around.config_file, count=streams),
    )
