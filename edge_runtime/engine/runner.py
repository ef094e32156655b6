"""The daemon: starts the parts, watches over them, reloads, and stops without losing a result."""

from __future__ import annotations

import itertools
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from edge_runtime.board.notify import Notifier
from edge_runtime.board.vitals import Board
from edge_runtime.clock import Clock
from edge_runtime.config import load
from edge_runtime.encode import Topics
from edge_runtime.engine.build import build_encoder, build_streams, check_files, worker_count
from edge_runtime.engine.capture import Running
from edge_runtime.engine.kit import Kits
from edge_runtime.engine.models import find_packs
from edge_runtime.engine.report import DeviceStatus, Report
from edge_runtime.engine.trial import TrialLedger
from edge_runtime.engine.watchdog import standstill
from edge_runtime.errors import BackendError, UsageError
from edge_runtime.infer.pool import Pool
from edge_runtime.manifest import Pack
from edge_runtime.options import Config
from edge_runtime.outbox import Outbox
from edge_runtime.packs.store import PackStore
from edge_runtime.publish.contract import Identity, Publisher

log = logging.getLogger("edge_runtime.engine")

TICK_S = 0.25
HEALTH_INTERVAL_S = 60.0
STOP_TIMEOUT_S = 10.0
SWITCH_INTERVAL_S = 0.0005  # after an invoke a busy thread gives the GIL back within this time

Outcome = Literal["ended", "stopped", "reload"]
MakePublisher = Callable[[Config, Identity, Outbox, DeviceStatus, Clock], Publisher]


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
    ) -> None:
        self._config_file = config_file
        self._state_dir = state_dir
        self._store = store
        self._clock = clock
        self._notifier = notifier
        self._make_publisher = make_publisher
        self._ledger = TrialLedger(state_dir)
        self._track_ids = itertools.count(1)
        self._wanted = threading.Event()
        self._want: Literal["", "stop", "reload"] = ""
        self.publisher: Publisher | None = None  # of the session at work: the outbox wakes it

    def stop(self) -> None:
        """Ask for a clean stop; from a signal handler."""
        self._want = "stop"
        self._wanted.set()

    def reload(self) -> None:
        """Ask for the configuration to be read again; from a signal handler."""
        if self._want != "stop":
            self._want = "reload"
        self._wanted.set()

    def run(self) -> None:
        """Run to the end. Raises UsageError before anything is started where files are wrong."""
        config, packs = self._load()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        outbox = self._open_outbox(config)
        try:
            while True:
                session = Session(self, config, packs, outbox)
                if session.run() != "reload":
                    return
                previous, (config, packs) = config, self._reloaded(config, packs)
                if config.outbox != previous.outbox:
                    outbox.close()
                    outbox = self._open_outbox(config)
        finally:
            self._notifier.stopping()
            outbox.close()

    def _load(self) -> tuple[Config, dict[str, Pack]]:
        config = load(self._config_file)
        packs = find_packs(config, self._store)
        check_files(config, self._clock)
        self._state_dir.mkdir(parents=True, exist_ok=True)
        for stream in config.streams:
            try:
                self._ledger.ensure(
                    packs[stream.name],
                    runtime=config.engine.runtime,
                    delegate=stream.model.accelerator,
                )
            except BackendError as error:
                # The world's fault, not the files': the stream starts degraded and tries again.
                log.warning("stream %s: %s", stream.name, error)
        return config, packs

    def _reloaded(self, config: Config, packs: dict[str, Pack]) -> tuple[Config, dict[str, Pack]]:
        self._notifier.reloading(round(self._clock.monotonic() * 1e6))
        try:
            fresh = self._load()
        except UsageError as error:
            log.error("the configuration stays as it was: %s", error)
            return config, packs
        log.info("configuration read again")
        return fresh

    def _open_outbox(self, config: Config) -> Outbox:
        folder = self._state_dir / "outbox"
        return Outbox.open(folder, config.outbox, self._clock, on_ready=self._results_ready)

    def _results_ready(self) -> None:
        publisher = self.publisher
        if publisher is not None:
            publisher.wake()

    def _take_want(self) -> Literal["", "stop", "reload"]:
        want, self._want = self._want, ""
        self._wanted.clear()
        return want


class Session:
    """One configuration at work."""

    def __init__(
        self, daemon: Daemon, config: Config, packs: dict[str, Pack], outbox: Outbox
    ) -> None:
        self._daemon = daemon
        self._clock = daemon._clock
        self._outbox = outbox
        self._pool = Pool(worker_count(config))
        self._kits = Kits()
        self._streams: list[Running] = build_streams(
            config,
            packs,
            pool=self._pool,
            kits=self._kits,
            sink=outbox,
            clock=self._clock,
            ledger=daemon._ledger,
            track_ids=daemon._track_ids,
        )
        topics = Topics(config.device.site, config.device.level)
        self._report = Report(
            self._streams, outbox, Board(daemon._state_dir), self._clock, lambda: self._publisher
        )
        self._status = DeviceStatus(topics, build_encoder(config, packs), outbox.boot, self._report)
        self._publisher = daemon._make_publisher(
            config, Identity.of(topics.site, topics.device), outbox, self._status, self._clock
        )
        daemon.publisher = self._publisher
        self._outbox_commits = -1
        self._outbox_moved_s = self._clock.monotonic()
        self._next_health_s = self._clock.monotonic() + HEALTH_INTERVAL_S
        self._next_feed_s = 0.0

    def run(self) -> Outcome:
        """Work until the sources end (and everything is delivered), or a stop or a reload."""
        self._publisher.start()
        self._pool.start()
        for stream in self._streams:
            stream.capture.start()
        self._daemon._notifier.ready(self._report.line())
        try:
            return self._supervise()
        finally:
            self._stop()

    def _supervise(self) -> Outcome:
        while not self._all_ended():
            if want := self._tick():
                return want
        for stream in self._streams:
            while not stream.task.finish(TICK_S):
                if want := self._tick():
                    return want
        self._outbox.flush(STOP_TIMEOUT_S)
        self._publisher.wake()
        said = False
        while self._outbox.pending():
            if not said:
                log.info("all sources have ended; %d results to deliver", self._outbox.pending())
                said = True
            if want := self._tick():
                return want
        return "ended"

    def _all_ended(self) -> bool:
        return all(stream.capture.ended.is_set() for stream in self._streams)

    def _tick(self) -> Literal["", "stopped", "reload"]:
        """Look after everything once; say whether a signal asks for an end."""
        self._daemon._wanted.wait(TICK_S)
        want = self._daemon._take_want()
        if want:
            return "stopped" if want == "stop" else "reload"
        now_s = self._clock.monotonic()
        for stream in self._streams:
            stream.capture.check(now_s)
        self._feed_watchdog(now_s)
        if now_s >= self._next_health_s:
            self._next_health_s = now_s + HEALTH_INTERVAL_S
            message = self._status.health()
            self._publisher.publish_retained(message.topic, message.payload)
            self._daemon._notifier.status(self._report.line())
        return ""

    def _feed_watchdog(self, now_s: float) -> None:
        if now_s < self._next_feed_s:
            return
        self._next_feed_s = now_s + max(1.0, self._daemon._notifier.watchdog_s / 4)
        pairs = [(stream.task, stream.capture) for stream in self._streams]
        still = standstill(pairs, self._outbox_idle_s(now_s), now_s)
        if still:
            log.error("standing still, the watchdog is not fed: %s", still)
        else:
            self._daemon._notifier.alive()

    def _outbox_idle_s(self, now_s: float) -> float:
        """Return how long results have waited for a commit while the disk is said to work."""
        health = self._outbox.health()
        if not health.uncommitted or health.commits != self._outbox_commits or health.reason:
            self._outbox_commits = health.commits
            self._outbox_moved_s = now_s
        return now_s - self._outbox_moved_s

    def _stop(self) -> None:
        """Stop from the source towards the broker, so that nothing that was made is lost."""
        for stream in self._streams:
            stream.capture.stop(timeout_s=2.0)
        if self._pool.stop(STOP_TIMEOUT_S):
            self._kits.close()
        self._outbox.flush(STOP_TIMEOUT_S)
        self._publisher.stop(STOP_TIMEOUT_S)
        self._daemon.publisher = None
