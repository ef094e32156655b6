"""Reads a configuration and all that it names, checks it, and falls back to the last good one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge_runtime.board.notify import Notifier
from edge_runtime.clock import Clock
from edge_runtime.daemon.crash_loop import START_TIMEOUT_S
from edge_runtime.daemon.last_good import LastGoodConfig
from edge_runtime.enrolment.identity import IdentityFolder, provisioned
from edge_runtime.errors import (
    EMPTY,
    BackendError,
    ConfigError,
    IdentityError,
    Text,
    UsageError,
    because,
)
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.manifest import Pack
from edge_runtime.model.fingerprint import fingerprint
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import Config, StreamOptions
from edge_runtime.packs.store import PackStore
from edge_runtime.stream.baseline import Baselines
from edge_runtime.stream.build import check_config, load_checked
from edge_runtime.stream.setup import StreamSetup, setups_of

log = logging.getLogger("edge_runtime.daemon")


class LoadedConfig(msgspec.Struct, frozen=True):
    """A configuration fit to run, with what was found for its streams, and the text of its file.

    `fault`: what is wrong with the file where this is the last good one in its stead.
    """

    config: Config
    packs: dict[str, Pack]
    setups: tuple[StreamSetup, ...]
    text: bytes = b""
    fault: Text = EMPTY


class ConfigLoader:
    """Loads configurations for one state folder. Raises UsageError that names the place.

    `adapt` changes each configuration before it is used: a benchmark's round is not the site's.
    """

    def __init__(
        self,
        config_file: Path,
        state_dir: Path,
        *,
        store: PackStore,
        clock: Clock,
        notifier: Notifier,
        ledger: TrialLedger,
        children: ChildFactory,
        adapt: Callable[[Config], Config] | None = None,
    ) -> None:
        self._file = config_file
        self._state_dir = state_dir
        self._store = store
        self._clock = clock
        self._notifier = notifier
        self._ledger = ledger
        self._children = children
        self._adapt = adapt
        self.last_good = LastGoodConfig(state_dir, config_file)

    def load(self) -> LoadedConfig:
        """Read the file and all that it names."""
        file = self._file
        text = b""
        with contextlib.suppress(OSError):  # `load_checked` says what is wrong
            text = file.read_bytes() if file.is_file() else b""
        config, packs = load_checked(file, self._store, self._clock, self._children)
        return self._loaded(config, packs, text=text)

    def load_again(self) -> LoadedConfig:
        """Read the file while another is at work; all that is wrong in it goes to the log."""
        try:
            return self.load()
        except UsageError as error:
            log_all(error)
            raise

    def check(self, config: Config) -> LoadedConfig:
        """Check a configuration that comes from elsewhere, as if it stood in the file."""
        packs = check_config(config, self._file, self._store, self._clock, self._children)
        return self._loaded(config, packs)

    def load_or_fall_back(self) -> LoadedConfig:
        """Read the file, or what was last good where it is gone or wrong."""
        try:
            return self.load()
        except UsageError as error:
            loaded = self._load_last_good(error.text)
            if loaded is None:
                raise
            log_all(error)
            log.error("the last good configuration is at work: %s", error)
            return loaded

    def _load_last_good(self, fault: Text) -> LoadedConfig | None:
        """Return what was last good; None: nothing was. Raises UsageError where it is no longer."""
        try:
            config = self.last_good.load()
            if config is None:
                return None
            return msgspec.structs.replace(self.check(config), fault=fault)
        except UsageError as error:
            raise ConfigError(
                "{fault}; and the last good configuration, {file}, no longer holds: {reason}",
                fault=fault,
                file=self.last_good.path,
                reason=error,
            ) from None

    def _loaded(self, config: Config, packs: dict[str, Pack], text: bytes = b"") -> LoadedConfig:
        """Make what a configuration needs on this board, try its models, and give it an identity.

        Raises UsageError where the files are at fault.
        """
        make_folder(self._state_dir)
        for index, stream in enumerate(config.streams):
            try:
                self._try_model(config, stream, packs.get(stream.name))
            except BackendError as error:
                # The world's fault, not the files': the stream starts degraded and tries again.
                log.warning("streams[%d] %s: %s", index, stream.name, error)
        if config.broker.identity is not None:
            warn_of_damage(IdentityFolder(self._state_dir))
        config = provisioned(config, self._state_dir)
        config = self._adapt(config) if self._adapt is not None else config
        setups = setups_of(config, packs, Baselines(self._state_dir))
        return LoadedConfig(config, packs, tuple(map(with_model_hash, setups)), text)

    def _try_model(self, config: Config, stream: StreamOptions, pack: Pack | None) -> None:
        """Have a stream's model pass its trial. Raises PackError, BackendError.

        Before any stream is at work, as an accelerator serves one process. What hung when it was
        tried last would hold up all streams: that is left to the stream's own thread.
        """
        forced, delegate = config.inference.engine, stream.model_use.accelerator
        if pack is None or not self._ledger.is_due(pack, forced=forced, delegate=delegate):
            return
        # Each trial is a step forward: several must not use up the start's time or the watchdog's.
        self._notifier.extend(f"stream {stream.name}: its model is tried", START_TIMEOUT_S)
        self._notifier.alive()
        self._ledger.ensure(pack, forced=forced, delegate=delegate)


def with_model_hash(setup: StreamSetup) -> StreamSetup:
    """Return a setup that tells of what its model runs on, an accelerator's library included."""
    pack, delegate = setup.pack, setup.options.model_use.accelerator
    if pack is None:
        return setup
    try:
        hashed = fingerprint(pack, setup.forced_engine, delegate)
    except BackendError:  # no interpreter is installed: the stream says so
        return setup
    return msgspec.structs.replace(setup, model_hash=hashed)


def warn_of_damage(folder: IdentityFolder) -> None:
    """Say in the log which file of the identity is damaged: the link's reason may never come to it.

    Where there is no identity yet the publisher says so.
    """
    with contextlib.suppress(IdentityError):
        if (damage := folder.damage()) is not None:
            log.error(
                "%s; ask the office for a new claim, then run 'edge-runtime provision' with it",
                damage,
            )


def make_folder(folder: Path) -> None:
    """Make the state folder. Raises ConfigError where that is not allowed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "{folder}: the state folder cannot be made ({reason}); name one that can be written "
            "with --state-dir",
            folder=folder,
            reason=because(error),
        ) from None


def log_all(error: UsageError) -> None:
    """Log each fault of a file; where it is one alone, what is logged of the error has it."""
    for fault in error.faults if len(error.faults) > 1 else ():
        log.error("%s", fault)
