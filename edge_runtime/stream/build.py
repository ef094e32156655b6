"""Opens what streams are made of: sources and their captures; reads and checks configurations."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from edge_runtime.backoff import Backoff
from edge_runtime.clock import Clock
from edge_runtime.config import load
from edge_runtime.errors import ConfigError, SourceError, UsageError, located
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import find_packs
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import Config, SourceOptions
from edge_runtime.packs.store import PackStore
from edge_runtime.sources import open_source
from edge_runtime.sources.base import Source
from edge_runtime.sources.bus_registry import BusRegistry
from edge_runtime.sources.isolated import LONGEST_CALL_S, IsolatedSource
from edge_runtime.stream.capture import Capture
from edge_runtime.stream.children import prepare_children
from edge_runtime.stream.crash_guard import WorksFor, nobody
from edge_runtime.stream.setup import StreamSetup
from edge_runtime.stream.task import StreamTask

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
# Pictures in use at once: one a worker, and those that are decoded, gated, waiting, looked at.
SLOTS_BESIDE_WORKERS = 4


def worker_count(config: Config) -> int:
    """Return how many inference workers there are: as configured, or one a usable core."""
    return config.inference.workers or len(os.sched_getaffinity(0))


def source_opener(
    options: SourceOptions,
    clock: Clock,
    children: ChildFactory | None,
    slots: int,
    buses: BusRegistry | None = None,
) -> Callable[[], Source]:
    """Return what makes a stream's source, in a process of its own where strangers feed it."""
    if children is None or not options.is_foreign:
        return lambda: open_source(options, clock, buses)
    return lambda: IsolatedSource(options, clock, children, slots=slots)


def call_limit_s(options: SourceOptions) -> float:
    """Return after how long a call of a stream's source is given up for hung.

    A source in a process of its own ends that where it hangs, and says so.
    """
    return options.hang_limit_s + (LONGEST_CALL_S if options.is_foreign else 0.0)


def build_capture(
    task: StreamTask,
    options: SourceOptions,
    opener: Callable[[], Source],
    clock: Clock,
    prepare: Callable[[], None],
    works_for: WorksFor = nobody,
) -> Capture:
    """Make what keeps a stream's source going."""
    return Capture(
        task,
        opener,
        clock,
        Backoff(FIRST_RETRY_S, LONGEST_RETRY_S, random.Random()),  # noqa: S311 - no secret
        hang_limit_s=call_limit_s(options),
        prepare=prepare,
        works_for=works_for,
    )


def trial_of(setup: StreamSetup, ledger: TrialLedger) -> Callable[[], None]:
    """Return what sees to it that a stream's model has passed its trial."""
    pack, delegate = setup.pack, setup.options.model_use.accelerator
    if pack is None:
        return lambda: None
    return lambda: ledger.ensure(pack, forced=setup.forced_engine, delegate=delegate)


def load_checked(
    file: Path, store: PackStore, clock: Clock, children: ChildFactory | None = None
) -> tuple[Config, dict[str, Pack]]:
    """Read a configuration and all files that it names. Raises UsageError that names the place."""
    config = load(file)
    return config, check_named(config, file, store, clock, children)


def check_named(
    config: Config, file: Path, store: PackStore, clock: Clock, children: ChildFactory | None = None
) -> dict[str, Pack]:
    """Check all files that a configuration names; return its packs. Raises UsageError as above."""
    try:
        packs = find_packs(config, store)
        check_files(config, clock, children)
    except UsageError as error:
        raise type(error)(located(file, error)) from None
    return packs


def check_files(config: Config, clock: Clock, children: ChildFactory | None = None) -> None:
    """Open each file that is a source once. Raises ConfigError: waiting would not mend it."""
    if children is not None:
        prepare_children(children, config)
    for index, stream in enumerate(config.streams):
        if stream.source.is_file:
            source = source_opener(stream.source, clock, children, SLOTS_BESIDE_WORKERS)()
            try:
                source.open()
            except SourceError as error:
                raise ConfigError(located(f"streams[{index}].source.path", error)) from None
            finally:
                source.close()
