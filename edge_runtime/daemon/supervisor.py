"""Watches over the running device in the main thread: health, watchdog, signals, changes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import msgspec

from edge_runtime.board.notify import Notifier
from edge_runtime.board.vitals import Board
from edge_runtime.clock import Clock
from edge_runtime.daemon.change import ChangeMachine, ChangeOutcome, ConfigChange
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.daemon.crash_loop import CrashLoopGuard
from edge_runtime.daemon.device import STOP_TIMEOUT_S, RunningDevice
from edge_runtime.daemon.difference import difference
from edge_runtime.daemon.health_schedule import HealthSchedule
from edge_runtime.daemon.loading import ConfigLoader, LoadedConfig
from edge_runtime.daemon.probation import Probation
from edge_runtime.daemon.report import HealthReport
from edge_runtime.daemon.watchdog import CommitProgress, stall_reason
from edge_runtime.errors import Text
from edge_runtime.model.delegate_opens import DelegateOpens
from edge_runtime.stream.crash_guard import CrashGuard

log = logging.getLogger("edge_runtime.daemon")

TICK_S = 0.25
LOOK_S = 5.0  # between two looks at the board's heat and load


class LocalService(Protocol):
    """Serves those who ask on the board itself, beside the device."""

    def start(self) -> None:
        """Begin to answer."""
        ...

    def close(self) -> None:
        """End; also where it was not started."""
        ...


class SupervisorParts(msgspec.Struct, frozen=True):
    """What a supervisor works with, beside the device."""

    clock: Clock
    notifier: Notifier
    requests: ControlRequests
    loader: ConfigLoader
    starts: CrashLoopGuard
    opens: DelegateOpens
    crashes: CrashGuard
    board: Board


class Supervisor:
    """Runs in the caller's thread; fills in `ChangeTarget`.

    A reload (SIGHUP) is a change like any other. A file that is wrong is refused, and what ran goes
    on. One that is right and was applied stays, even where a stream does not come up: the
    technician who wrote it is there, sees why in `status` and the log, and would be puzzled by a
    file that says one thing and a device that does another. Only what proved itself becomes the
    last good configuration.
    """

    def __init__(
        self,
        parts: SupervisorParts,
        device: RunningDevice,
        report: HealthReport,
        local_services: Sequence[LocalService],
    ) -> None:
        self._clock = parts.clock
        self._notifier = parts.notifier
        self._requests = parts.requests
        self._loader = parts.loader
        self._starts = parts.starts
        self._opens = parts.opens
        self._crashes = parts.crashes
        self._board = parts.board
        self._device = device
        self._report = report
        self._local_services = local_services
        self.changes = ChangeMachine(self)
        now_s = parts.clock.monotonic()
        self._health_schedule = HealthSchedule(now_s)
        self._next_feed_s = self._next_look_s = now_s
        self._commit_progress = CommitProgress(device.outbox, now_s)

    def run(self) -> None:
        """Work until the sources end and everything is delivered, or until a signal says stop."""
        try:
            self._start()
            while not self._device.has_ended():
                if self._tick():
                    return
            self._deliver()
        finally:
            self._device.stop()
            for service in self._local_services:
                service.close()

    def _start(self) -> None:
        self._device.start(self._report)
        for service in self._local_services:
            service.start()
        self._notifier.ready(self._report.line())
        self.keep(self._device.loaded)

    def _deliver(self) -> None:
        outbox = self._device.outbox
        outbox.flush(STOP_TIMEOUT_S)
        if left := outbox.pending():
            log.info("all sources have ended; %d results to deliver", left)
        while outbox.pending() or not self._device.has_ended():  # a reload may bring new ones
            if self._tick():
                return

    def _tick(self) -> bool:
        """Look after everything once; True: a signal asks for the end."""
        want = self._requests.wait(TICK_S)
        if want == "stop":
            return True
        if want == "reload":
            self._reload()
        now_s = self._clock.monotonic()
        self.changes.look(now_s)
        self._starts.look(now_s)
        self._opens.look(now_s)
        self._crashes.look(now_s)
        for stream in self._device.streams.values():
            stream.capture.check(now_s)
        self._device.sweep()
        self._device.note_states()
        self._device.mode.look()
        self._device.cameras.keep()
        self._feed_watchdog(now_s)
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            self._device.throttle.look(self._board.vitals())
        self._device.uplink.count(self._device.link().by_kind)
        condition, every_s = self._report.condition(), self._device.uplink.health_every_s()
        if self._health_schedule.is_due(now_s, condition, every_s):
            self._device.publish_health()
            self._notifier.status(self._report.line())
        return False

    def _feed_watchdog(self, now_s: float) -> None:
        if now_s < self._next_feed_s:
            return
        self._next_feed_s = now_s + max(1.0, self._notifier.watchdog_s / 4)
        pairs = [(stream.task, stream.capture) for stream in self._device.streams.values()]
        still = stall_reason(pairs, self._commit_progress.idle_s(now_s), now_s)
        if still:
            log.error("standing still, the watchdog is not fed: %s", still)
        else:
            self._notifier.alive()

    # Changes

    def _reload(self) -> None:
        """Take the file as a change: a person asked for it, who wants all to be tried again."""
        self._notifier.reloading(round(self._clock.monotonic() * 1e6))
        self._opens.forget()
        self._crashes.forgive()
        self.changes.propose(
            ConfigChange(self._loader.load_again, self._reloaded, on_failure="stay", retries=True)
        )

    def _reloaded(self, outcome: ChangeOutcome) -> None:
        match outcome.ending:
            case "refused" | "undone":
                log.error("the configuration stays as it was: %s", outcome.reason)
                self._report.config_fault = outcome.reason
                self._device.announce()
                self._notifier.ready(self._report.line())
            case "unproved":
                log.warning("the new configuration is in force, but has %s", outcome.reason)
            case "kept":
                log.info("the new configuration has proved itself")

    def loaded(self) -> LoadedConfig:
        return msgspec.structs.replace(self._device.loaded, fault=self._report.config_fault)

    def begin_probation(self) -> Probation:
        return Probation(self._device.streams, self._device.link(), self._clock.monotonic())

    def apply(self, loaded: LoadedConfig, probation: Probation, *, retries: bool) -> None:
        failing = {
            name
            for name, stream in self._device.streams.items()
            if retries and stream.task.health.state == "degraded"
        }
        plan = difference(self._device.loaded, loaded, failing)
        before, self._report.config_fault = self._report.config_fault, loaded.fault
        try:
            self._device.apply(plan, loaded)
        except Exception:
            self._report.config_fault = before
            raise
        probation.applied(
            plan, self._device.streams, self._device.revision, self._clock.monotonic()
        )
        log.info("configuration applied: %s", plan.summary)
        self._notifier.ready(self._report.line())

    def missing(self, probation: Probation) -> Text:
        now_s = self._clock.monotonic()
        return probation.missing(self._device.streams, self._device.link(), now_s)

    def keep(self, loaded: LoadedConfig) -> None:
        if loaded.text:
            self._loader.last_good.save(loaded.text)
