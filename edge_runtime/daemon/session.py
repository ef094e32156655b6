"""One configuration at work: starts the parts, watches over them, stops them in order."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from edge_runtime.board.notify import Notifier
from edge_runtime.board.throttle import Throttle
from edge_runtime.board.vitals import Board
from edge_runtime.clock import Clock
from edge_runtime.daemon.build import build_encoder
from edge_runtime.daemon.commands import Commands, ReplayCommand
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.daemon.crash_loop import CrashLoopGuard
from edge_runtime.daemon.health_schedule import HealthSchedule
from edge_runtime.daemon.last_good import LastGoodConfig
from edge_runtime.daemon.report import DeviceStatus, HealthReport
from edge_runtime.daemon.status_socket import StatusSocket
from edge_runtime.daemon.uplink import Uplink
from edge_runtime.daemon.watchdog import CommitProgress, standstill
from edge_runtime.encode import Topics
from edge_runtime.errors import EMPTY, OutboxError, Text, UsageError
from edge_runtime.infer.pool import Pool
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.manifest import Pack
from edge_runtime.model.delegate_opens import DelegateOpens
from edge_runtime.model.runner import RunnerCache
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import Config
from edge_runtime.outbox import Outbox
from edge_runtime.publish.contract import Identity, LinkHealth, OnCommand, Publisher
from edge_runtime.records import Message
from edge_runtime.stream.baseline import Baselines
from edge_runtime.stream.build import build_streams, worker_count
from edge_runtime.stream.build_sensor import SensorState
from edge_runtime.stream.crash_guard import CrashGuard
from edge_runtime.stream.vision_task import Observe

log = logging.getLogger("edge_runtime.daemon")

TICK_S = 0.25
NOT_YET = LinkHealth("connecting", Text("not connected yet"), 0.0)
LOOK_S = 5.0  # between two looks at the board's heat and load
STOP_TIMEOUT_S = 10.0
PATIENCE_S = 3.0  # with an inference that is under way at the end

MakePublisher: TypeAlias = Callable[
    [Config, Identity, Outbox, DeviceStatus, Clock, OnCommand], Publisher
]


class LoadedConfig(msgspec.Struct, frozen=True):
    """A configuration fit to run, and the text of its file.

    `fault`: what is wrong with the file where this is the last good one in its stead.
    """

    config: Config
    packs: dict[str, Pack]
    text: bytes = b""
    fault: Text = EMPTY


class Context(msgspec.Struct, frozen=True):
    """What outlives a configuration."""

    clock: Clock
    state_dir: Path
    notifier: Notifier
    starts: CrashLoopGuard
    last_good: LastGoodConfig
    ledger: TrialLedger
    opens: DelegateOpens
    uplink: Uplink
    track_ids: itertools.count[int]
    make_publisher: MakePublisher
    children: ChildFactory
    crashes: CrashGuard
    observe: Observe | None = None


class EndOfSessionError(Exception):
    """Ends the supervision: a stop, or a configuration that was read again."""

    def __init__(self, loaded: LoadedConfig | None) -> None:
        super().__init__()
        self.loaded = loaded


class DaemonSession:
    """Runs in the caller's thread, which supervises."""

    def __init__(
        self,
        context: Context,
        loaded: LoadedConfig,
        outbox: Outbox,
        wants: ControlRequests,
    ) -> None:
        config, packs = loaded.config, loaded.packs
        self._loaded = loaded
        self._starts = context.starts
        self._opens = context.opens
        self._crashes = context.crashes
        self._children = context.children
        self._last_good = context.last_good
        self._clock = context.clock
        self._notifier = context.notifier
        self._outbox = outbox
        self._wants = wants
        self._kits = RunnerCache()
        self._pool = Pool(worker_count(config), on_retired=self._kits.retire)
        self._throttle = Throttle(len(os.sched_getaffinity(0)))
        self._uplink = context.uplink
        self._uplink.begin(config.uplink)
        self._commands = Commands({"replay": ReplayCommand(outbox)})
        self.streams = build_streams(
            config,
            packs,
            pool=self._pool,
            kits=self._kits,
            sink=outbox,
            clock=context.clock,
            ledger=context.ledger,
            track_ids=context.track_ids,
            publish_modes=context.uplink,
            throttle=self._throttle,
            observe=context.observe,
            children=context.children,
            works_for=context.crashes.works_for,
            memory=SensorState(Baselines(context.state_dir), outbox.open_alarms),
        )
        self._board = Board(context.state_dir)
        self._report = HealthReport(
            self.streams, outbox, self._board, context.clock, context.uplink, self._throttle,
            self._link_health, context.starts,
        )  # fmt: skip
        self._report.config_fault = loaded.fault
        self._status_socket = StatusSocket(context.state_dir, self._report.everything)
        topics = Topics(config.device.site, config.device.level)
        self._status = DeviceStatus(topics, build_encoder(config, packs), outbox.boot, self._report)
        self._identity = Identity.of(topics.site, topics.device)
        self._make_publisher = context.make_publisher
        self._publisher: Publisher | None = None
        now_s = context.clock.monotonic()
        self._health_schedule = HealthSchedule(now_s)
        self._next_feed_s = self._next_look_s = now_s
        self._commit_progress = CommitProgress(outbox, now_s)
        self.all_ended = True  # False: a thread hangs in a native call

    def _link_health(self) -> LinkHealth:
        publisher = self._publisher
        return publisher.health() if publisher is not None else NOT_YET

    def results_ready(self) -> None:
        """Say that the outbox has rows to send; any thread."""
        publisher = self._publisher
        if publisher is not None:
            publisher.wake()

    def run(self, load: Callable[[], LoadedConfig]) -> LoadedConfig | None:
        """Work until the sources end and everything is delivered, or until a signal.

        A reload calls `load` while this configuration goes on; returns what is to run next.
        """
        try:
            self._start()
            self._work_to_the_end(load)
        except EndOfSessionError as end:
            return end.loaded
        finally:
            self._stop()
        return None

    def _start(self) -> None:
        self._outbox.clear_gone_alarms(
            {
                one.name: [rule.name for rule in one.thresholds]
                for one in self._loaded.config.streams
            }
        )
        # First what takes longest: while sources and models open, the publisher is imported.
        self._pool.start()
        for stream in self.streams:
            if reason := self._crashes.reason(stream.task.name):
                stream.capture.leave_off(reason)
            else:
                stream.capture.start()
        self._commands.start()
        self._status_socket.start()
        self._publisher = self._make_publisher(
            self._loaded.config,
            self._identity,
            self._outbox,
            self._status,
            self._clock,
            self._commands.take,
        )
        self._publisher.start()
        self._notifier.ready(self._report.line())
        if self._loaded.text:
            self._last_good.save(self._loaded.text)

    def _work_to_the_end(self, load: Callable[[], LoadedConfig]) -> None:
        while not all(stream.capture.ended.is_set() for stream in self.streams):
            self._tick(load)
        for stream in self.streams:
            while not stream.task.finish(TICK_S):
                self._tick(load)
        self._outbox.flush(STOP_TIMEOUT_S)
        if left := self._outbox.pending():
            log.info("all sources have ended; %d results to deliver", left)
        while self._outbox.pending():
            self._tick(load)

    def _tick(self, load: Callable[[], LoadedConfig]) -> None:
        """Look after everything once. Raises EndOfSessionError where a signal ends it."""
        want = self._wants.wait(TICK_S)
        if want == "stop":
            raise EndOfSessionError(None)
        if want == "reload":
            self._reload(load)
        now_s = self._clock.monotonic()
        self._starts.look(now_s)
        self._opens.look(now_s)
        self._crashes.look(now_s)
        for stream in self.streams:
            stream.capture.check(now_s)
        self._feed_watchdog(now_s)
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            self._throttle.look(self._board.vitals())
        self._uplink.count(self._link_health().by_kind)
        faults = {one.task.name: one.task.health.last_fault for one in self.streams}
        if self._health_schedule.is_due(now_s, faults, self._uplink.health_every_s()):
            self._publish(self._status.health())
            self._notifier.status(self._report.line())

    def _reload(self, load: Callable[[], LoadedConfig]) -> None:
        """Read the file again. Raises EndOfSessionError with what is to run next."""
        self._notifier.reloading(round(self._clock.monotonic() * 1e6))
        self._opens.forget()
        try:
            loaded = load()
        except (UsageError, OutboxError) as error:
            log.error("the configuration stays as it was: %s", error)
            self._report.config_fault = error.text
            self._publish(self._status.birth())
            self._publish(self._status.health())
            self._notifier.ready(self._report.line())
            return
        log.info("configuration read again")
        raise EndOfSessionError(loaded)

    def _publish(self, message: Message) -> None:
        assert self._publisher is not None
        self._publisher.publish_retained(message.topic, message.payload)

    def _feed_watchdog(self, now_s: float) -> None:
        if now_s < self._next_feed_s:
            return
        self._next_feed_s = now_s + max(1.0, self._notifier.watchdog_s / 4)
        pairs = [(stream.task, stream.capture) for stream in self.streams]
        still = standstill(pairs, self._commit_progress.idle_s(now_s), now_s)
        if still:
            log.error("standing still, the watchdog is not fed: %s", still)
        else:
            self._notifier.alive()

    def _stop(self) -> None:
        """Stop from the source towards the broker, so that nothing that was made is lost."""
        for stream in self.streams:
            stream.capture.begin_stop()
        ended = [stream.capture.stop(timeout_s=2.0) for stream in self.streams]
        if not self._pool.stop(PATIENCE_S):
            # A model that hangs goes with its process; that of a reload must not stay behind.
            self._children.end_children()
        if self._pool.stop(STOP_TIMEOUT_S):
            self._kits.close()
        else:
            ended.append(False)
        self.all_ended = all(ended)
        self._outbox.flush(STOP_TIMEOUT_S)
        self._commands.stop()
        if self._publisher is not None:
            self._publisher.stop(STOP_TIMEOUT_S)
        self._uplink.count(self._link_health().by_kind)
        self._uplink.save()
        self._status_socket.close()
