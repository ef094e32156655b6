"""One configuration at work: starts the parts, watches over them, stops them in order."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from edge_runtime.board.notify import Notifier
from edge_runtime.board.vitals import Board
from edge_runtime.clock import Clock
from edge_runtime.encode import Topics
from edge_runtime.engine.build import build_encoder, build_streams, worker_count
from edge_runtime.engine.kit import Kits
from edge_runtime.engine.report import DeviceStatus, Report
from edge_runtime.engine.trial import TrialLedger
from edge_runtime.engine.watchdog import standstill
from edge_runtime.infer.pool import Pool
from edge_runtime.manifest import Pack
from edge_runtime.options import Config
from edge_runtime.outbox import Outbox
from edge_runtime.publish.contract import Identity, LinkHealth, Publisher

log = logging.getLogger("edge_runtime.engine")

TICK_S = 0.25
HEALTH_INTERVAL_S = 60.0
STOP_TIMEOUT_S = 10.0

Want: TypeAlias = Literal["", "stop", "reload"]
Loaded: TypeAlias = tuple[Config, dict[str, Pack]]
MakePublisher: TypeAlias = Callable[[Config, Identity, Outbox, DeviceStatus, Clock], Publisher]


class Context(msgspec.Struct, frozen=True):
    """What outlives a configuration."""

    clock: Clock
    state_dir: Path
    notifier: Notifier
    ledger: TrialLedger
    track_ids: itertools.count[int]
    make_publisher: MakePublisher


class Wants:
    """What signals ask for, from their handlers to the supervisor."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._want: Want = ""

    def ask(self, want: Literal["stop", "reload"]) -> None:
        """Note a wish; a stop is never overtaken by a reload."""
        if self._want != "stop":
            self._want = want
        self._asked.set()

    def wait(self, timeout_s: float) -> Want:
        """Wait for a wish and take it."""
        self._asked.wait(timeout_s)
        self._asked.clear()
        want, self._want = self._want, ""
        return want


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
        self._streams = build_streams(
            config,
            packs,
            pool=self._pool,
            kits=self._kits,
            sink=outbox,
            clock=context.clock,
            ledger=context.ledger,
            track_ids=context.track_ids,
        )
        topics = Topics(config.device.site, config.device.level)
        board = Board(context.state_dir)
        self._report = Report(self._streams, outbox, board, context.clock, self._link_health)
        encoder = build_encoder(config, packs)
        self._status = DeviceStatus(topics, encoder, outbox.boot, self._report)
        self.publisher = context.make_publisher(
            config, Identity.of(topics.site, topics.device), outbox, self._status, context.clock
        )
        now_s = context.clock.monotonic()
        self._next_health_s = now_s + HEALTH_INTERVAL_S
        self._next_feed_s = now_s
        self._outbox_commits = -1
        self._outbox_moved_s = now_s

    def _link_health(self) -> LinkHealth:
        return self.publisher.health()

    def run(self, try_load: Callable[[], Loaded | None]) -> Loaded | None:
        """Work until the sources end and everything is delivered, or until a signal.

        A reload asks `try_load` while this configuration goes on; returns what is to run next.
        """
        self.publisher.start()
        self._pool.start()
        for stream in self._streams:
            stream.capture.start()
        self._notifier.ready(self._report.line())
        try:
            self._work_to_the_end(try_load)
        except EndOfSessionError as end:
            return end.loaded
        finally:
            self._stop()
        return None

    def _work_to_the_end(self, try_load: Callable[[], Loaded | None]) -> None:
        while not all(stream.capture.ended.is_set() for stream in self._streams):
            self._tick(try_load)
        for stream in self._streams:
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
        for stream in self._streams:
            stream.capture.check(now_s)
        self._feed_watchdog(now_s)
        if now_s >= self._next_health_s:
            self._next_health_s = now_s + HEALTH_INTERVAL_S
            message = self._status.health()
            self.publisher.publish_retained(message.topic, message.payload)
            self._notifier.status(self._report.line())

    def _feed_watchdog(self, now_s: float) -> None:
        if now_s < self._next_feed_s:
            return
        self._next_feed_s = now_s + max(1.0, self._notifier.watchdog_s / 4)
        pairs = [(stream.task, stream.capture) for stream in self._streams]
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
        for stream in self._streams:
            stream.capture.stop(timeout_s=2.0)
        if self._pool.stop(STOP_TIMEOUT_S):
            self._kits.close()
        self._outbox.flush(STOP_TIMEOUT_S)
        self.publisher.stop(STOP_TIMEOUT_S)
