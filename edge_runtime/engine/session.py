"""One configuration at work: starts the parts, watches over them, stops them in order."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal, TypeAlias

import msgspec

from edge_runtime.board.notify import Notifier
from edge_runtime.board.throttle import Throttle
from edge_runtime.board.vitals import Board
from edge_runtime.clock import Clock
from edge_runtime.encode import Topics
from edge_runtime.engine.build import build_encoder, build_streams, worker_count
from edge_runtime.engine.commands import Commands, Replay
from edge_runtime.engine.kit import Kits
from edge_runtime.engine.report import DeviceStatus, Report
from edge_runtime.engine.status import StatusSocket
from edge_runtime.engine.stream import Observe
from edge_runtime.engine.trial import TrialLedger
from edge_runtime.engine.uplink import Uplink
from edge_runtime.engine.watchdog import standstill
from edge_runtime.infer.pool import Pool
from edge_runtime.manifest import Pack
from edge_runtime.options import Config
from edge_runtime.outbox import Outbox
from edge_runtime.publish.contract import Identity, LinkHealth, OnCommand, Publisher

log = logging.getLogger("edge_runtime.engine")

TICK_S = 0.25
NOT_YET = LinkHealth("connecting", "not connected yet", 0.0)
LOOK_S = 5.0  # between two looks at the board's heat and load
STOP_TIMEOUT_S = 10.0

Want: TypeAlias = Literal["stop", "reload"]
Loaded: TypeAlias = tuple[Config, dict[str, Pack]]
MakePublisher: TypeAlias = Callable[
    [Config, Identity, Outbox, DeviceStatus, Clock, OnCommand], Publisher
]


class Context(msgspec.Struct, frozen=True):
    """What outlives a configuration."""

    clock: Clock
    state_dir: Path
    notifier: Notifier
    ledger: TrialLedger
    uplink: Uplink
    track_ids: itertools.count[int]
    make_publisher: MakePublisher
    observe: Observe | None = None


class Wants:
    """What signals ask for, from their handlers to the supervisor, in order."""

    def __init__(self) -> None:
        # No Event: its lock is not reentrant, and a handler may interrupt the thread that holds it.
        self._asked: SimpleQueue[Want] = SimpleQueue()

    def ask(self, want: Want) -> None:
        """Note a wish; from a signal handler too."""
        self._asked.put(want)

    def wait(self, timeout_s: float) -> Want | None:
        """Wait for a wish and take it."""
        try:
            return self._asked.get(timeout=timeout_s)
        except Empty:
            return None


class EndOfSessionError(Exception):
    """Ends the supervision: a stop, or a configuration that was read again."""

    def __init__(self, loaded: Loaded | None) -> None:
        super().__init__()
        self.loaded = loaded


class Session:
    """Runs in the caller's thread, which supervises."""

    def __init__(
        self,
        context: Context,
        config: Config,
        packs: dict[str, Pack],
        outbox: Outbox,
        wants: Wants,
    ) -> None:
        self._clock = context.clock
        self._notifier = context.notifier
        self._outbox = outbox
        self._wants = wants
        self._pool = Pool(worker_count(config))
        self._kits = Kits()
        self._throttle = Throttle(len(os.sched_getaffinity(0)))
        self._uplink = context.uplink
        self._uplink.begin(config.uplink)
        self._commands = Commands({"replay": Replay(outbox)})
        self.streams = build_streams(
            config,
            packs,
            pool=self._pool,
            kits=self._kits,
            sink=outbox,
            clock=context.clock,
            ledger=context.ledger,
            track_ids=context.track_ids,
            uplink=context.uplink,
            throttle=self._throttle,
            observe=context.observe,
        )
        topics = Topics(config.device.site, config.device.level)
        self._board = Board(context.state_dir)
        self._report = Report(
            self.streams, outbox, self._board, context.clock, context.uplink, self._throttle,
            self._link_health,
        )  # fmt: skip
        self._status_socket = StatusSocket(context.state_dir, self._report.everything)
        encoder = build_encoder(config, packs)
        self._status = DeviceStatus(topics, encoder, outbox.boot, self._report)
        self._make_publisher: Callable[[], Publisher] = lambda: context.make_publisher(
            config,
            Identity.of(topics.site, topics.device),
            outbox,
            self._status,
            context.clock,
            self._commands.take,
        )
        self._publisher: Publisher | None = None
        now_s = context.clock.monotonic()
        self._next_health_s = now_s + self._uplink.health_every_s()
        self._next_feed_s = self._next_look_s = now_s
        self._outbox_commits = -1
        self._outbox_moved_s = now_s
        self.all_ended = True  # False: a thread hangs in a native call

    def _link_health(self) -> LinkHealth:
        publisher = self._publisher
        return publisher.health() if publisher is not None else NOT_YET

    def results_ready(self) -> None:
        """Say that the outbox has rows to send; any thread."""
        publisher = self._publisher
        if publisher is not None:
            publisher.wake()

    def run(self, try_load: Callable[[], Loaded | None]) -> Loaded | None:
        """Work until the sources end and everything is delivered, or until a signal.

        A reload asks `try_load` while this configuration goes on; returns what is to run next.
        """
        try:
            self._start()
            self._work_to_the_end(try_load)
        except EndOfSessionError as end:
            return end.loaded
        finally:
            self._stop()
        return None

    def _start(self) -> None:
        # First what takes longest: while sources and models open, the publisher is imported.
        self._pool.start()
        for stream in self.streams:
            stream.capture.start()
        self._commands.start()
        self._status_socket.start()
        self._publisher = self._make_publisher()
        self._publisher.start()
        self._notifier.ready(self._report.line())

    def _work_to_the_end(self, try_load: Callable[[], Loaded | None]) -> None:
        while not all(stream.capture.ended.is_set() for stream in self.streams):
            self._tick(try_load)
        for stream in self.streams:
            while not stream.task.finish(TICK_S):
                self._tick(try_load)
        self._outbox.flush(STOP_TIMEOUT_S)
        if left := self._outbox.pending():
            log.info("all sources have ended; %d results to deliver", left)
        while self._outbox.pending():
            self._tick(try_load)

    def _tick(self, try_load: Callable[[], Loaded | None]) -> None:
        """Look after everything once. Raises EndOfSessionError where a signal ends it."""
        want = self._wants.wait(TICK_S)
        if want == "stop":
            raise EndOfSessionError(None)
        if want == "reload" and (loaded := try_load()) is not None:
            raise EndOfSessionError(loaded)
        now_s = self._clock.monotonic()
        for stream in self.streams:
            stream.capture.check(now_s)
        self._feed_watchdog(now_s)
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            self._throttle.look(self._board.vitals())
        self._uplink.count(self._link_health().by_kind)
        if now_s >= self._next_health_s:
            self._next_health_s = now_s + self._uplink.health_every_s()
            message = self._status.health()
            assert self._publisher is not None
            self._publisher.publish_retained(message.topic, message.payload)
            self._notifier.status(self._report.line())

    def _feed_watchdog(self, now_s: float) -> None:
        if now_s < self._next_feed_s:
            return
        self._next_feed_s = now_s + max(1.0, self._notifier.watchdog_s / 4)
        pairs = [(stream.task, stream.capture) for stream in self.streams]
        still = standstill(pairs, self._outbox_idle_s(now_s), now_s)
        if still:
            log.error("standing still, the watchdog is not fed: %s", still)
        else:
            self._notifier.alive()

    def _outbox_idle_s(self, now_s: float) -> float:
        """Return how long results have waited for a commit while the disk is said to work."""
        health = self._outbox.health()
        if not health.uncommitted or health.commits != self._outbox_commits or health.reason:
            self._outbox_commits = health.commits
            self._outbox_moved_s = now_s
        return now_s - self._outbox_moved_s

    def _stop(self) -> None:
        """Stop from the source towards the broker, so that nothing that was made is lost."""
        ended = [stream.capture.stop(timeout_s=2.0) for stream in self.streams]
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
