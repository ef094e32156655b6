"""Runs a recording through a stream's pipeline and prints what comes of it; nothing is sent."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TextIO

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.config import stream_named
from edge_runtime.daemon.build import build_encoder
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.daemon.mode import check_mode
from edge_runtime.daemon.uplink import Uplink
from edge_runtime.encode import Encoder
from edge_runtime.errors import EdgeError, UsageError
from edge_runtime.infer.pool import Pool
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import find_packs
from edge_runtime.model.runner import RunnerCache
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import Config, RecordingOptions, StreamOptions
from edge_runtime.options.recorded import Recorded, read_recorded
from edge_runtime.packs.store import PackStore
from edge_runtime.publish.stdout import line_of
from edge_runtime.records import Result, Stored
from edge_runtime.stream.baseline import Baselines
from edge_runtime.stream.build import worker_count
from edge_runtime.stream.builder import StreamBuilder, build_streams
from edge_runtime.stream.pipeline import Sink

TICK_S = 0.25
STOP_TIMEOUT_S = 10.0
BOOT = 1  # boots and seqs of a replay are its own: the device's counters stay as they are


class Printer:
    """Prints results as JSON lines, in the order in which they were made. One caller at a time.

    There is no outbox: what is late or mended depends on a link and a clock, not on the recording.
    """

    def __init__(self, encoder: Encoder, out: TextIO) -> None:
        self._encoder = encoder
        self._out = out
        self._seq = 0

    def append(self, result: Result) -> None:
        self._seq += 1
        stored = Stored(
            self._seq, BOOT, self._seq, result.stream, result.stamp, result.body, result.model,
            rules=result.rules,
        )  # fmt: skip
        self._out.write(line_of(self._encoder.encode(stored)))
        self._out.flush()


class RecordingReplay:
    """One stream at work on a recording; of the state it writes which trials passed, no more."""

    def __init__(
        self,
        config: Config,
        packs: dict[str, Pack],
        feed: RecordingOptions,
        *,
        sink: Sink,
        clock: Clock,
        state_dir: Path,
        mode: str,
    ) -> None:
        self._clock = clock
        self._pool = Pool(worker_count(config))
        self._runners = RunnerCache()
        # The day's bytes are not the recording's: its folder holds no ledger, and none is saved.
        uplink = Uplink(feed.path, clock)
        uplink.limit(config.uplink)
        builder = StreamBuilder(
            pool=self._pool,
            runners=self._runners,
            sink=sink,
            clock=clock,
            ledger=TrialLedger(state_dir),
            track_ids=itertools.count(1),
            publish_modes=uplink,
            feed=feed,
            mode=lambda: mode,
        )
        (self._stream,) = build_streams(config, packs, builder, Baselines(state_dir))

    def run(self, wants: ControlRequests) -> bool:
        """Play to the end, or until somebody wants it to stop. Raises EdgeError where a part fails.

        Returns False where a thread was left behind that hangs in a native call.
        """
        self._pool.start()
        self._stream.capture.start()
        try:
            self._work(wants)
        finally:
            ended = self._stream.capture.stop(STOP_TIMEOUT_S)
            if self._pool.stop(STOP_TIMEOUT_S):
                self._runners.close()
            else:
                ended = False
        return ended

    def _work(self, wants: ControlRequests) -> None:
        task, capture = self._stream.task, self._stream.capture
        while not capture.ended.is_set():
            if self._is_over(wants):
                return
        while not task.finish(TICK_S):
            if self._is_over(wants):
                return
        self._check()

    def _is_over(self, wants: ControlRequests) -> bool:
        """Look after the stream once; say whether it is to stop."""
        if wants.wait(TICK_S) == "stop":
            return True
        self._stream.capture.check(self._clock.monotonic())
        self._check()
        return False

    def _check(self) -> None:
        task = self._stream.task
        if task.health.state == "degraded" or task.failed():
            # The daemon tries again; here it would be another result than that of the recording.
            raise EdgeError(
                "stream {stream}: {reason}", stream=task.name, reason=task.health.reason
            )


def replay(
    config: Config,
    name: str,
    recording: RecordingOptions,
    *,
    store: PackStore,
    state_dir: Path,
    clock: Clock,
    out: TextIO,
    wants: ControlRequests,
    mode: str | None = None,
) -> bool:
    """Run a recording through stream `name` of a configuration, as in a mode (None: the first).

    Raises and returns what `RecordingReplay.run` does; UsageError where there is no such mode.
    """
    if mode is not None:
        check_mode(mode, config.modes.names)
    index, stream = stream_named(config, name)
    check_fit(stream, recording.path, read_recorded(recording.path))
    readable = msgspec.structs.replace(stream.publish, encoding="json")
    alone = (msgspec.structs.replace(stream, publish=readable),)
    config = msgspec.structs.replace(config, streams=alone)
    packs = find_packs(config, store, first=index)
    feed = recording.resolved()
    sink = Printer(build_encoder(config, packs), out)
    holds = mode or next(iter(config.modes.names), "")
    return RecordingReplay(
        config, packs, feed, sink=sink, clock=clock, state_dir=state_dir, mode=holds
    ).run(wants)


def check_fit(stream: StreamOptions, folder: Path, recorded: Recorded) -> None:
    """Raise UsageError where a recording holds other things than a stream takes."""
    wanted = stream.source.content
    if wanted != recorded.content:
        raise UsageError(
            "{folder}: holds {what}, and stream '{stream}' takes {wanted}; name another recording "
            "or another stream",
            folder=folder,
            what=recorded.what,
            stream=stream.name,
            wanted=wanted,
        )
