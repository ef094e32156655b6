"""The daemon: loads a configuration, runs it under a supervisor, and ends."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from edge_runtime import startup
from edge_runtime.board.limits import warn_unlimited
from edge_runtime.board.notify import Notifier
from edge_runtime.board.vitals import Board
from edge_runtime.clock import Clock
from edge_runtime.daemon.change import ConfigChange
from edge_runtime.daemon.context import DaemonContext, MakePublisher
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.daemon.crash_loop import CrashLoopGuard, boot_id
from edge_runtime.daemon.device import RunningDevice
from edge_runtime.daemon.loading import ConfigLoader, LoadedConfig
from edge_runtime.daemon.preview_socket import PreviewSocket
from edge_runtime.daemon.reopenable import ReopenableOutbox
from edge_runtime.daemon.report import HealthReport
from edge_runtime.daemon.status_socket import StatusSocket
from edge_runtime.daemon.supervisor import Supervisor, SupervisorParts
from edge_runtime.daemon.uplink import Uplink
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.model.delegate_opens import DelegateOpens
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import Config
from edge_runtime.packs.store import PackStore
from edge_runtime.stream.crash_guard import CrashGuard
from edge_runtime.stream.vision_task import Observe

log = logging.getLogger("edge_runtime.daemon")

SWITCH_INTERVAL_S = 0.0005  # after an invoke a busy thread gives the GIL back within this time


class Daemon:
    """Runs a configuration, and those that follow it, until it is told to stop."""

    def __init__(
        self,
        config_file: Path,
        state_dir: Path,
        store: PackStore,
        clock: Clock,
        notifier: Notifier,
        requests: ControlRequests,
        starts: CrashLoopGuard,
        make_publisher: MakePublisher,
        *,
        observe: Observe | None = None,
        crashes: CrashGuard | None = None,
        adapt: Callable[[Config], Config] | None = None,
    ) -> None:
        self._clock = clock
        self._notifier = notifier
        self._opens = DelegateOpens(state_dir, boot_id())
        self._children = ChildFactory()
        ledger = TrialLedger(state_dir, self._opens)
        self.loader = ConfigLoader(
            config_file,
            state_dir,
            store=store,
            clock=clock,
            notifier=notifier,
            ledger=ledger,
            children=self._children,
            adapt=adapt,
        )
        self._crashes = crashes or CrashGuard(None)
        self._context = DaemonContext(
            clock,
            state_dir,
            ledger,
            Uplink(state_dir, clock),
            make_publisher,
            self._crashes,
            self._children,
            observe,
        )
        self._parts = SupervisorParts(
            clock,
            notifier,
            requests,
            self.loader,
            starts,
            self._opens,
            self._crashes,
            Board(state_dir),
        )
        self._device: RunningDevice | None = None  # the outbox wakes it
        self._supervisor: Supervisor | None = None

    def run(self) -> bool:
        """Run to the end; False where a thread was left behind that hangs in a native call.

        Raises UsageError before anything is started where files are wrong and none was ever good.
        """
        if self._notifier.is_heard:
            warn_unlimited()
        self._opens.take_stock()
        loaded = self.loader.load_or_fall_back()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        startup.after_imports()
        self._crashes.begin()  # after the children's template, which has its own crashes
        outbox = ReopenableOutbox(
            self._context.state_dir, loaded.config.outbox, self._clock, self._results_ready
        )
        try:
            return self._supervise(loaded, outbox)
        finally:
            self._notifier.stopping()
            self._opens.close()
            outbox.close()
            self._children.close()
            self._crashes.close()

    def propose(self, change: ConfigChange) -> None:
        """Ask for a change of the configuration; any thread, while `run` is at work."""
        assert self._supervisor is not None
        self._supervisor.changes.propose(change)

    @property
    def loaded(self) -> LoadedConfig:
        """What runs at present."""
        assert self._device is not None
        return self._device.loaded

    def _supervise(self, loaded: LoadedConfig, outbox: ReopenableOutbox) -> bool:
        self._device = device = RunningDevice(self._context, loaded, outbox)
        report = HealthReport(device, self._parts.board, self._clock, self._parts.starts)
        report.config_fault = loaded.fault
        state_dir = self._context.state_dir
        preview = PreviewSocket(state_dir, device, self._clock)
        status = StatusSocket(
            state_dir, lambda: {**report.everything(), "preview": preview.counters()}
        )
        self._supervisor = Supervisor(self._parts, device, report, (status, preview))
        self._supervisor.run()
        return device.all_ended

    def _results_ready(self) -> None:
        device = self._device
        if device is not None:
            device.results_ready()
