"""Opens what streams are made of: sources and their captures; reads and checks configurations."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_runtime.backoff import Backoff
from edge_runtime.clock import Clock
from edge_runtime.config import ConfigReading, config_faults, read_config
from edge_runtime.errors import ConfigError, SourceError, UsageError, located
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import find_labels, find_pack, find_packs, forced_faults
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import Config, SourceOptions, StreamOptions
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
from edge_runtime.toml_file import Fault, refuse

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
    """Read a configuration and all files that it names. Raises UsageError with all that is wrong.

    What is wrong in one place keeps no other from being looked at.
    """
    return check_all(read_config(file), store, clock, children)


def check_all(
    reading: ConfigReading, store: PackStore, clock: Clock, children: ChildFactory | None = None
) -> tuple[Config, dict[str, Pack]]:
    """Check all files that a configuration names. Raises UsageError as above."""
    packs = {}
    forced = reading.forced_engine
    reading.faults += forced_faults(forced)
    broken = list(reading.broken_streams())  # before faults of packs are among the others
    for index, stream in reading.streams.items():
        where = f"streams[{index}]"
        pack, faults = find_pack(stream, where, reading.folder, store, forced)
        reading.faults += faults
        if pack is not None:
            packs[stream.name] = pack
    for index, stream in broken:
        reading.faults += find_labels(stream, f"streams[{index}]", reading.folder, store)[1]
    config = reading.config
    if children is not None and config is not None:
        prepare_children(children, config)
    if children is None or config is not None:  # else nothing is to run, and no child is made
        for index, stream in reading.streams.items():
            reading.faults += file_faults(stream, f"streams[{index}]", clock, children)
    return reading.finished(), packs


def check_config(
    config: Config, file: Path, store: PackStore, clock: Clock, children: ChildFactory | None
) -> dict[str, Pack]:
    """Check a configuration that comes from elsewhere than the file, and return its packs.

    Raises UsageError with all that is wrong; `file` is for messages.
    """
    if faults := list(config_faults(config)):
        refuse(faults, {}, file, ConfigError)
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
        for fault in file_faults(stream, f"streams[{index}]", clock, children):
            raise ConfigError(located(fault.key, fault.text))


def file_faults(
    stream: StreamOptions, where: str, clock: Clock, children: ChildFactory | None
) -> Iterator[Fault]:
    """Yield what is wrong with the file that is a stream's source."""
    if not stream.source.is_file:
        return
    source = source_opener(stream.source, clock, children, SLOTS_BESIDE_WORKERS)()
    try:
        source.open()
    except SourceError as error:
        yield Fault(f"{where}.source.path", error.text)
    finally:
        source.close()
