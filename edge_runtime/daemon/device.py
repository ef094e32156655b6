"""What runs on the device: streams, workers, outbox and link; and how it comes to run otherwise."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable

import msgspec

from edge_runtime.board.throttle import Throttle
from edge_runtime.camera_health.reference_file import ReferenceFiles
from edge_runtime.daemon.build import publisher_settings
from edge_runtime.daemon.commands import Commands, ReplayCommand
from edge_runtime.daemon.context import DaemonContext
from edge_runtime.daemon.decision_states import note_device, note_stream
from edge_runtime.daemon.difference import Plan
from edge_runtime.daemon.loading import LoadedConfig
from edge_runtime.daemon.mode import ModeCommand, ModeSwitch
from edge_runtime.daemon.reopenable import ReopenableOutbox
from edge_runtime.daemon.report import HealthReport
from edge_runtime.daemon.why_command import WhyCommand
from edge_runtime.decision_log.log import DecisionLog
from edge_runtime.errors import Text
from edge_runtime.infer.pool import Pool
from edge_runtime.model.runner import RunnerCache
from edge_runtime.publish.contract import LinkHealth, Publisher, PublisherSettings
from edge_runtime.stream.build import worker_count
from edge_runtime.stream.builder import RunningStream, StreamBuilder
from edge_runtime.stream.camera_watch import CameraMemory
from edge_runtime.stream.frame_tap import FrameTaps
from edge_runtime.stream.setup import StreamSetup, alarm_names
from edge_runtime.stream.words import describe_stream

log = logging.getLogger("edge_runtime.daemon")

NOT_YET = LinkHealth("connecting", Text("not connected yet"), 0.0)
STOP_TIMEOUT_S = 10.0
CAPTURE_STOP_S = 2.0
CONCLUDE_S = 2.0  # for what was captured of a stream that ends
PATIENCE_S = 3.0  # with an inference that is under way at the end


class RunningDevice:
    """The parts at work. One thread, the supervisor's; `outbox`, link and `taps` outlive changes.

    `all_ended` False, once it was stopped: a thread was left behind that hangs in a native call.
    """

    def __init__(
        self, context: DaemonContext, loaded: LoadedConfig, outbox: ReopenableOutbox
    ) -> None:
        self._clock = context.clock
        self._crashes = context.crashes
        self._children = context.children
        self._loaded = loaded
        self.outbox = outbox
        self.uplink = context.uplink
        self.uplink.limit(loaded.config.uplink)
        self.taps = FrameTaps()
        self.decisions = DecisionLog(context.state_dir, context.clock)
        self.mode = ModeSwitch(context.state_dir)
        self.mode.allow(loaded.config.modes.names)
        self.cameras = ReferenceFiles(context.state_dir)
        self.throttle = Throttle(len(os.sched_getaffinity(0)))
        self._runners = RunnerCache()
        self._pool = Pool(worker_count(loaded.config), on_retired=self._runners.retire)
        self._builder = StreamBuilder(
            pool=self._pool,
            runners=self._runners,
            sink=outbox,
            clock=context.clock,
            ledger=context.ledger,
            track_ids=itertools.count(1),
            publish_modes=context.uplink,
            throttle=self.throttle,
            observe=context.observe,
            open_alarms=outbox.open_alarms,
            children=context.children,
            works_for=context.crashes.works_for,
            taps=self.taps,
            mode=self.mode.current,
            decisions=self.decisions.stream,
            cameras=CameraMemory(self.cameras, outbox.camera_fault),
        )
        self.streams = {setup.name: self._builder.build(setup) for setup in loaded.setups}
        self._commands = Commands(
            {
                "replay": ReplayCommand(outbox),
                "mode": ModeCommand(self.mode),
                "why": WhyCommand(
                    self.decisions, context.clock, lambda: self._loaded.config.device.time_zone
                ),
            }
        )
        self._make_publisher = context.make_publisher
        self._publisher: Publisher | None = None
        self._finished: set[str] = set()  # streams whose source has ended, concluded
        self._lingering: list[RunningStream] = []  # taken down, with a thread that still ends
        self.revision = 0
        self.all_ended = True

    def start(self, report: HealthReport) -> None:
        """Start all parts; `report` is what births and health are made of."""
        self._report = report
        self._clear_gone_alarms()
        # First what takes longest: while sources and models open, the publisher is imported.
        self.decisions.start()
        self._pool.start()
        for stream in self.streams.values():
            self._start(stream)
        self._commands.start()
        self._published = self._settings()
        self._publisher = self._make_publisher(self._published, self._clock, self._commands.take)
        self._publisher.start()

    def link(self) -> LinkHealth:
        """Return the state of the link; any thread."""
        publisher = self._publisher
        return publisher.health() if publisher is not None else NOT_YET

    def note_states(self) -> None:
        """Tell the decision log how all parts are."""
        now = self._clock.now()
        note_device(self.decisions, now, self.link(), self.uplink, self.throttle, self.mode)
        for name, stream in self.streams.items():
            note_stream(self.decisions, name, stream.task.health, stream.task.doubt)

    def results_ready(self) -> None:
        """Say that the outbox has rows to send; any thread."""
        publisher = self._publisher
        if publisher is not None:
            publisher.wake()

    def publish_health(self) -> None:
        """Publish how all parts are."""
        assert self._publisher is not None
        message = self._published.status.health()
        self._publisher.publish_retained(message.topic, message.payload)

    def announce(self) -> None:
        """Publish a birth, and how all parts are."""
        assert self._publisher is not None
        self.revision += 1
        self._published = self._settings()
        self._publisher.change(self._published)

    @property
    def loaded(self) -> LoadedConfig:
        """What runs: of the streams those that are there."""
        setups = tuple(stream.setup for stream in self.streams.values())
        return msgspec.structs.replace(self._loaded, setups=setups)

    def has_ended(self) -> bool:
        """Say whether every source has ended, and all that was captured is concluded."""
        if not self.streams or not all(one.capture.ended.is_set() for one in self.streams.values()):
            return False
        for name, stream in self.streams.items():
            if name not in self._finished and stream.task.finish(0.0):
                self._finished.add(name)
                health = stream.task.health
                counts = health.captured, health.inferred, health.results
                log.info("stream %s: ended: %d captured, %d inferred, %d results", name, *counts)
        return self._finished >= self.streams.keys()

    def apply(self, plan: Plan, loaded: LoadedConfig) -> None:
        """Come to run what a plan leads to. Raises OutboxError: nothing has changed then.

        Streams end from the source towards the broker, so that nothing that was made is lost.
        """
        assert self._publisher is not None
        reopens = plan.outbox == "reopen" or self.outbox.is_closed
        reconnects = plan.link == "reconnect" or reopens
        if reconnects:
            self._publisher.stop(STOP_TIMEOUT_S)
        try:
            if reopens:
                self.outbox.reopen(loaded.config.outbox)
            self._loaded = loaded
            self.uplink.limit(loaded.config.uplink)
            self.mode.allow(loaded.config.modes.names)
            self._change_streams(plan)
        finally:
            self.announce()
            if reconnects:
                self._publisher.start()

    def _change_streams(self, plan: Plan) -> None:
        if plan.pool == "resize":
            self._pool.resize(worker_count(self._loaded.config))
        opens = {name: one.task.health.opens for name, one in self.streams.items()}
        self._take_down(plan.named("restart", "stop"))
        steps = {step.name: step for step in plan.streams}
        for name in plan.named("exchange"):
            if not self._exchange(steps[name].setup):
                self._take_down({name})
        self._settle_alarms(plan)
        for step in plan.streams:
            if step.action != "stop" and step.name not in self.streams:
                stream = self._builder.build(step.setup)
                stream.task.health.opens = opens.get(step.name, 0)
                self.streams = {**self.streams, step.name: stream}  # others read it meanwhile
                self._start(stream)
        order = [step.name for step in plan.streams if step.name in self.streams]
        self.streams = {name: self.streams[name] for name in order}

    def _exchange(self, setup: StreamSetup) -> bool:
        """Let a stream go on by another setup; False where it has to be restarted for that."""
        stream = self.streams[setup.name]
        if setup.name in self._finished:
            return True  # a file that was worked off is not played again
        changed = self._builder.exchange(stream, setup)
        if changed is None:
            log.warning("stream %s: does not take the change up; it is restarted", setup.name)
            return False
        self.streams = {**self.streams, setup.name: changed}
        return True

    def _settle_alarms(self, plan: Plan) -> None:
        """End the alarms of rules that are gone, once all that was said of them is on disk."""
        if plan.named("exchange", "restart", "stop"):
            self.outbox.flush(STOP_TIMEOUT_S)
            self._clear_gone_alarms()

    def _clear_gone_alarms(self) -> None:
        """End the alarms of rules, and the faults of cameras, that nobody looks after any more."""
        self.outbox.clear_gone_alarms(
            {one.name: alarm_names(one) for one in self._loaded.config.streams}
        )

    def _start(self, stream: RunningStream) -> None:
        if reason := self._crashes.reason(stream.task.name):
            stream.capture.leave_off(reason)
        else:
            setup = stream.setup
            log.info("stream %s: %s", setup.name, describe_stream(setup.options, setup.pack))
            stream.capture.start()

    def _take_down(self, names: Iterable[str]) -> None:
        """End streams and give back what they hold; what was captured is concluded before."""
        ending = [self.streams[name] for name in names]
        for stream in ending:
            stream.capture.begin_stop()
        # Of all together: many that hang must not cost the watchdog's patience.
        ends_at_s = self._clock.monotonic() + CAPTURE_STOP_S
        for stream in ending:
            stream.capture.stop(max(0.0, ends_at_s - self._clock.monotonic()))
        ends_at_s = self._clock.monotonic() + CONCLUDE_S
        for stream in ending:
            has_ended = stream.capture.stop(0.0)
            if has_ended and stream.task.name not in self._finished:
                stream.task.finish(max(0.0, ends_at_s - self._clock.monotonic()))
            self._finished.discard(stream.task.name)
        self._lingering += ending
        self.sweep()
        gone = {stream.task.name for stream in ending}
        self.streams = {name: one for name, one in self.streams.items() if name not in gone}

    def sweep(self) -> None:
        """Give back what streams hold that were taken down, once their threads have ended."""
        ended = [stream for stream in self._lingering if stream.capture.stop(0.0)]
        self._lingering = [stream for stream in self._lingering if stream not in ended]
        for stream in ended:
            self._builder.release(stream)

    def _settings(self) -> PublisherSettings:
        return publisher_settings(
            self._loaded,
            self.outbox.current,
            self._report,
            revision=self.revision,
            commands=self._commands.names,
        )

    def stop(self) -> None:
        """Stop from the source towards the broker, so that nothing that was made is lost."""
        streams = list(self.streams.values())
        for stream in streams:
            stream.capture.begin_stop()
        ended = [stream.capture.stop(CAPTURE_STOP_S) for stream in streams]
        if not self._pool.stop(PATIENCE_S) and self._children is not None:
            self._children.end_children()  # a model that hangs goes with its process
        if self._pool.stop(STOP_TIMEOUT_S):
            self._runners.close()
        else:
            ended.append(False)
        self.sweep()
        self.all_ended = all(ended) and not self._lingering
        self.outbox.flush(STOP_TIMEOUT_S)
        self._commands.stop()
        if self._publisher is not None:
            self._publisher.stop(STOP_TIMEOUT_S)
        self.uplink.count(self.link().by_kind)
        self.uplink.save()
        self.decisions.close()
