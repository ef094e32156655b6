"""The daemon: loads a configuration, runs sessions of it, reloads, and ends."""

from __future__ import annotations

import itertools
import logging
import sys
from pathlib import Path

from edge_runtime.board.notify import Notifier
from edge_runtime.clock import Clock
from edge_runtime.engine import startup
from edge_runtime.engine.build import load_checked, trial_of
from edge_runtime.engine.session import Context, MakePublisher, Session, Wants
from edge_runtime.engine.stream import Observe
from edge_runtime.engine.trial import TrialLedger
from edge_runtime.engine.uplink import Uplink
from edge_runtime.errors import BackendError, ConfigError, OutboxError, UsageError
from edge_runtime.manifest import Pack
from edge_runtime.options import Config
from edge_runtime.outbox import Outbox
from edge_runtime.packs.store import PackStore

log = logging.getLogger("edge_runtime.engine")

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
        make_publisher: MakePublisher,
        *,
        observe: Observe | None = None,
    ) -> None:
        self._config_file = config_file
        self._store = store
        self._context = Context(
            clock,
            state_dir,
            notifier,
            TrialLedger(state_dir),
            Uplink(state_dir, clock),
            itertools.count(1),
            make_publisher,
            observe,
        )
        self._wants = Wants()
        self._session: Session | None = None  # the one at work: the outbox wakes it

    def stop(self) -> None:
        """Ask for a clean stop; from a signal handler."""
        self._wants.ask("stop")

    def reload(self) -> None:
        """Ask for the configuration to be read again; from a signal handler."""
        self._wants.ask("reload")

    def run(self) -> bool:
        """Run to the end; False where a thread was left behind that hangs in a native call.

        Raises UsageError before anything is started where files are wrong.
        """
        all_ended = True
        loaded = self._load()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        startup.after_imports()
        outbox = self._open_outbox(loaded[0])
        try:
            while True:
                config, packs = loaded
                session = Session(self._context, config, packs, outbox, self._wants)
                self._session = session
                again = session.run(self._try_load)
                self._session = None
                all_ended = all_ended and session.all_ended
                if again is None:
                    return all_ended
                if again[0].outbox != config.outbox:
                    outbox.close()
                    outbox = self._open_outbox(again[0])
                loaded = again
        finally:
            self._context.notifier.stopping()
            outbox.close()

    def _load(self) -> tuple[Config, dict[str, Pack]]:
        context = self._context
        config, packs = load_checked(self._config_file, self._store, context.clock)
        make_folder(context.state_dir)
        for index, stream in enumerate(config.streams):
            try:
                trial_of(stream, packs.get(stream.name), config, context.ledger)()
            except BackendError as error:
                # The world's fault, not the files': the stream starts degraded and tries again.
                log.warning("streams[%d] %s: %s", index, stream.name, error)
        return config, packs

    def _try_load(self) -> tuple[Config, dict[str, Pack]] | None:
        """Read the configuration again while the old one is at work; None where it is wrong."""
        notifier = self._context.notifier
        notifier.reloading(round(self._context.clock.monotonic() * 1e6))
        try:
            loaded = self._load()
        except (UsageError, OutboxError) as error:
            log.error("the configuration stays as it was: %s", error)
            notifier.ready("the configuration stays as it was; see the log")
            return None
        log.info("configuration read again")
        return loaded

    def _open_outbox(self, config: Config) -> Outbox:
        folder = self._context.state_dir / "outbox"
        return Outbox.open(folder, config.outbox, self._context.clock, on_ready=self._results_ready)

    def _results_ready(self) -> None:
        session = self._session
        if session is not None:
            session.results_ready()


def make_folder(folder: Path) -> None:
    """Make the state folder. Raises ConfigError where that is not allowed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder}: the state folder cannot be made ({error.strerror}); "
            "name one that can be written with --state-dir"
        ) from None
