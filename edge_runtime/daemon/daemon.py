"""The daemon: loads a configuration, runs sessions of it, reloads, and ends."""

from __future__ import annotations

import contextlib
import itertools
import logging
import sys
from pathlib import Path

from edge_runtime import startup
from edge_runtime.board.limits import warn_unlimited
from edge_runtime.board.notify import Notifier
from edge_runtime.clock import Clock
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.daemon.crash_loop import START_TIMEOUT_S, CrashLoopGuard, boot_id
from edge_runtime.daemon.last_good import LastGoodConfig
from edge_runtime.daemon.session import Context, DaemonSession, LoadedConfig, MakePublisher
from edge_runtime.daemon.uplink import Uplink
from edge_runtime.enrolment.first_boot import first_boot
from edge_runtime.enrolment.identity import IdentityFolder, provisioned
from edge_runtime.errors import BackendError, ConfigError, IdentityError, Text, UsageError, because
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.manifest import Pack
from edge_runtime.model.delegate_opens import DelegateOpens
from edge_runtime.model.resolve import find_packs
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import Config, StreamOptions
from edge_runtime.outbox import MARK, Outbox
from edge_runtime.packs.store import PackStore
from edge_runtime.stream.build import check_files, load_checked
from edge_runtime.stream.crash_guard import CrashGuard
from edge_runtime.stream.vision_task import Observe

log = logging.getLogger("edge_runtime.daemon")

SWITCH_INTERVAL_S = 0.0005  # after an invoke a busy thread gives the GIL back within this time


class Daemon:
    """Runs a configuration until its sources end or it is told to stop."""

    def __init__(
        self,
        config_file: Path,
        state_dir: Path,
        store: PackStore,
        clock: Clock,
        notifier: Notifier,
        wants: ControlRequests,
        starts: CrashLoopGuard,
        make_publisher: MakePublisher,
        *,
        observe: Observe | None = None,
        crashes: CrashGuard | None = None,
    ) -> None:
        self._config_file = config_file
        self._store = store
        opens = DelegateOpens(state_dir, boot_id())
        self._context = Context(
            clock,
            state_dir,
            notifier,
            starts,
            LastGoodConfig(state_dir, config_file),
            TrialLedger(state_dir, opens),
            opens,
            Uplink(state_dir, clock),
            itertools.count(1),
            make_publisher,
            ChildFactory(),
            crashes or CrashGuard(None),
            observe,
        )
        self._wants = wants
        self._session: DaemonSession | None = None  # the one at work: the outbox wakes it

    def run(self) -> bool:
        """Run to the end; False where a thread was left behind that hangs in a native call.

        Raises UsageError before anything is started where files are wrong and none was ever good.
        """
        all_ended = True
        if self._context.notifier.is_heard:
            warn_unlimited()
        self._context.opens.take_stock()
        loaded = self._load_or_fall_back()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        startup.after_imports()
        self._context.crashes.begin()  # after the children's template, which has its own crashes
        outbox = self._open_outbox(loaded.config)
        try:
            while True:
                session = DaemonSession(self._context, loaded, outbox, self._wants)
                self._session = session
                again = session.run(self._load)
                self._session = None
                all_ended = all_ended and session.all_ended
                if again is None:
                    return all_ended
                if again.config.outbox != loaded.config.outbox:
                    outbox.close()
                    outbox = self._open_outbox(again.config)
                self._context.crashes.forgive()
                loaded = again
        finally:
            self._context.notifier.stopping()
            self._context.opens.close()
            outbox.close()
            self._context.children.close()
            self._context.crashes.close()

    def _load(self) -> LoadedConfig:
        """Read the file and all that it names. Raises UsageError that names the place."""
        file = self._config_file
        text = b""
        with contextlib.suppress(OSError):  # `load_checked` says what is wrong
            text = file.read_bytes() if file.is_file() else b""
        config, packs = load_checked(file, self._store, self._context.clock, self._context.children)
        return LoadedConfig(self._prepared(config, packs), packs, text)

    def _load_or_fall_back(self) -> LoadedConfig:
        """Read the file, or what was last good where it is gone or wrong. Raises UsageError."""
        try:
            return self._load()
        except UsageError as error:
            loaded = self._load_last_good(error.text)
            if loaded is None:
                raise
            log.error("the last good configuration is at work: %s", error)
            return loaded

    def _load_last_good(self, fault: Text) -> LoadedConfig | None:
        """Return what was last good; None: nothing was. Raises UsageError where it is no longer."""
        context = self._context
        try:
            config = context.last_good.load()
            if config is None:
                return None
            packs = find_packs(config, self._store)
            check_files(config, context.clock, context.children)
            return LoadedConfig(self._prepared(config, packs), packs, fault=fault)
        except UsageError as error:
            raise ConfigError(
                "{fault}; and the last good configuration, {file}, no longer holds: {reason}",
                fault=fault,
                file=context.last_good.path,
                reason=error,
            ) from None

    def _prepared(self, config: Config, packs: dict[str, Pack]) -> Config:
        """Make what a configuration needs on this board, try its models, and give it an identity.

        Raises UsageError where the files are at fault.
        """
        context = self._context
        make_folder(context.state_dir)
        for index, stream in enumerate(config.streams):
            try:
                self._try_model(config, stream, packs.get(stream.name))
            except BackendError as error:
                # The world's fault, not the files': the stream starts degraded and tries again.
                log.warning("streams[%d] %s: %s", index, stream.name, error)
        if config.broker.identity is not None:
            warn_of_damage(IdentityFolder(context.state_dir))
        return provisioned(config, context.state_dir)

    def _try_model(self, config: Config, stream: StreamOptions, pack: Pack | None) -> None:
        """Have a stream's model pass its trial. Raises PackError, BackendError.

        Before any stream is at work, as an accelerator serves one process. What hung when it was
        tried last would hold up all streams: that is left to the stream's own thread.
        """
        context = self._context
        runtime, delegate = config.engine.runtime, stream.model_use.accelerator
        if pack is None or not context.ledger.is_due(pack, runtime=runtime, delegate=delegate):
            return
        # Each trial is a step forward: several must not use up the start's time or the watchdog's.
        context.notifier.extend(f"stream {stream.name}: its model is tried", START_TIMEOUT_S)
        context.notifier.alive()
        context.ledger.ensure(pack, runtime=runtime, delegate=delegate)

    def _open_outbox(self, config: Config) -> Outbox:
        state_dir = self._context.state_dir
        return Outbox.open(
            state_dir / "outbox",
            config.outbox,
            self._context.clock,
            on_ready=self._results_ready,
            first_boot=first_boot(state_dir),
            mark=state_dir / MARK,
        )

    def _results_ready(self) -> None:
        session = self._session
        if session is not None:
            session.results_ready()


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
