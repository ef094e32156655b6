"""The configuration, and what a check needs to know before it can look at anything."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_runtime.clock import Clock, SystemClock
from edge_runtime.config import read_config
from edge_runtime.daemon.status_socket import ask
from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.enrolment.identity import provisioned
from edge_runtime.errors import BackendError, EdgeError, UsageError, WeightsError
from edge_runtime.language import Language
from edge_runtime.manifest import Pack
from edge_runtime.model.trial import try_pack
from edge_runtime.options import Config
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore
from edge_runtime.stream.build import check_all


def look_around(
    config_file: Path, state_dir: Path, language: Language, root: Path = Path("/")
) -> CheckContext:
    """Read the configuration and ask the running daemon; what is wrong is for the checks to say.

    Raises EdgeError where this user may not look at all.
    """
    for path in (config_file, state_dir):
        refuse_unreadable(path)
    clock = SystemClock()
    daemon, silence = None, ""
    try:
        daemon = ask(state_dir)
    except EdgeError as error:
        silence = error.localized(language)
    config, fault = read(config_file, state_dir, clock, is_fallback=in_fallback(daemon))
    problem = fault.localized(language) if fault is not None else ""
    return CheckContext(
        language=language,
        state_dir=state_dir,
        config=config,
        config_file=config_file,
        problem=problem,
        pack_at_fault=isinstance(fault, WeightsError) and len(fault.faults) < 2,
        daemon=daemon,
        silence=silence,
        clock=clock,
        root=root,
    )


def read(
    config_file: Path, state_dir: Path, clock: Clock, *, is_fallback: bool
) -> tuple[Config | None, UsageError | None]:
    """Return the configuration, None where it is none, and what is wrong, as `check` finds it.

    Where the daemon has refused the file the models are tried, too: it may have been for them.
    """
    config, store = None, PackStore(state_dir, bundled_models())
    try:
        reading = read_config(config_file)
        if (config := reading.config) is not None:
            config = provisioned(config, state_dir)
        _, packs = check_all(reading, store, clock)
        if config is not None and is_fallback:
            try_models(config, packs)
    except UsageError as error:
        return config, error
    return config, None


def try_models(config: Config, packs: dict[str, Pack]) -> None:
    """Try each model as the daemon does before it takes a file. Raises UsageError."""
    for stream in config.streams:
        if stream.name in packs:
            use = stream.model_use.accelerator
            with contextlib.suppress(BackendError):  # the world's fault: the daemon takes the file
                try_pack(packs[stream.name], forced=config.inference.engine, delegate=use)


def in_fallback(daemon: dict[str, Any] | None) -> bool:
    """Say whether the running daemon works by the last good configuration."""
    state = (daemon or {}).get("config", {}).get("state")
    return bool(state == "fallback")


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


def check_configuration(context: CheckContext) -> Iterator[Finding]:
    """Say whether the file can be used, and whether the daemon uses it."""
    name = "configuration"
    if context.problem:
        if context.pack_at_fault:
            text = context.text("a model pack cannot be used: {problem}", problem=context.problem)
            advice = context.text("The file itself may stay as it is: see the check model.")
        else:
            text = context.text("the configuration is wrong: {problem}", problem=context.problem)
            advice = context.text(
                "Correct the file at the place that is named; `edge-runtime check --config {file}` "
                "tells whether it is good.",
                file=context.config_file,
            )
        yield Finding(name, "failed", text, advice)
        return
    if in_fallback(context.daemon):
        assert context.daemon is not None
        fallback = context.daemon["config"]
        yield Finding(
            name,
            "warning",
            context.text(
                "{file} is good now, but the daemon still runs on the last good configuration "
                "({reason})",
                file=context.config_file,
                reason=fallback.get("reason", ""),
            ),
            context.text("Let it read the file again: `systemctl reload edge-runtime`."),
        )
        return
    streams = len(context.config.streams) if context.config is not None else 0
    yield Finding(
        name,
        "ok",
        context.text("{file}: good, streams: {count}", file=context.config_file, count=streams),
    )
