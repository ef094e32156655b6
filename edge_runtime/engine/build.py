"""Wires one configuration into running parts: the only place that names concrete classes."""

from __future__ import annotations

import itertools
import math
import os
import random
import sys
from collections.abc import Callable

import cv2

from edge_runtime.backoff import Backoff
from edge_runtime.clock import Clock
from edge_runtime.encode import Encoder, StreamNames, Topics
from edge_runtime.engine.capture import Capture, Running
from edge_runtime.engine.kit import Kits
from edge_runtime.engine.models import label_ids, model_of
from edge_runtime.engine.pipeline import Pipeline, Sink
from edge_runtime.engine.report import DeviceStatus
from edge_runtime.engine.stream import StreamTask
from edge_runtime.engine.trial import TrialLedger
from edge_runtime.errors import ConfigError, SourceError
from edge_runtime.gate import open_gate
from edge_runtime.infer.pool import Pool
from edge_runtime.manifest import Pack
from edge_runtime.options import (
    Camera,
    Config,
    Count,
    Images,
    SourceOptions,
    Stream,
    Synthetic,
    Video,
)
from edge_runtime.outbox import Outbox
from edge_runtime.publish.contract import Identity, Publisher
from edge_runtime.rules.base import Rule
from edge_runtime.rules.build import open_rule, open_rules
from edge_runtime.sources import open_source
from edge_runtime.track import Tracker

NO_RULE = -1  # the interval's counts belong to no configured rule
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
FILE_HANG_LIMIT_S = 15.0  # a file on a dying card; a camera's own timeouts are configured
GRACE_S = 2.0


def worker_count(config: Config) -> int:
    """Return how many inference workers there are: as configured, or one a usable core."""
    return config.engine.workers or len(os.sched_getaffinity(0))


def build_streams(
    config: Config,
    packs: dict[str, Pack],
    *,
    pool: Pool,
    kits: Kits,
    sink: Sink,
    clock: Clock,
    ledger: TrialLedger,
    track_ids: itertools.count[int],
) -> list[Running]:
    """Make every stream's task and capture; nothing is started."""
    # One core a worker: OpenCV's own threads would take the cores from the other workers.
    cv2.setNumThreads(1)

    def build(stream: Stream) -> Running:
        pack = packs[stream.name]
        model = model_of(stream, pack, config.engine.runtime)
        task = StreamTask(
            stream.name,
            model=model,
            low_score=low_score(stream),
            gate=open_gate(stream.gate, settle_s=settle_s(stream)),
            new_pipeline=lambda: build_pipeline(stream, pack, lambda: next(track_ids)),
            kits=kits,
            sink=sink,
            clock=clock,
            wake_pool=pool.notify,
            lossless=open_source(stream.source, clock).lossless,
        )
        pool.add(task)
        capture = Capture(
            task,
            lambda: open_source(stream.source, clock),
            clock,
            Backoff(FIRST_RETRY_S, LONGEST_RETRY_S, random.Random()),  # noqa: S311 - no secret
            hang_limit_s=hang_limit_s(stream.source),
            prepare=lambda: ledger.ensure(
                pack, runtime=config.engine.runtime, delegate=stream.model.accelerator
            ),
        )
        return Running(task, capture)

    return [build(stream) for stream in config.streams]


def check_files(config: Config, clock: Clock) -> None:
    """Open each file that is a source once. Raises ConfigError: waiting would not mend it."""
    for index, stream in enumerate(config.streams):
        if isinstance(stream.source, Video | Images):
            source = open_source(stream.source, clock)
            try:
                source.open()
            except SourceError as error:
                raise ConfigError(f"streams[{index}].source.path: {error}") from None
            finally:
                source.close()


def build_pipeline(stream: Stream, pack: Pack, new_id: Callable[[], int]) -> Pipeline:
    """Make a stream's pure part."""
    options = stream.tracking
    return Pipeline(
        stream.name,
        pack.ref,
        publish=stream.publish,
        min_score=confident_score(stream),
        class_ids=label_ids(stream.model.labels, pack),
        tracker=Tracker(options, high_score=confident_score(stream), new_id=new_id)
        if options is not None
        else None,
        rules=build_rules(stream, pack.labels),
    )


def build_rules(stream: Stream, labels: tuple[str, ...]) -> tuple[Rule, ...]:
    """Make the configured rules, and those that a publish mode implies."""
    mode = stream.publish.mode
    rules = open_rules(stream.rules, labels) if stream.rules or mode == "events" else ()
    if mode == "interval":
        per_interval = Count("interval", stream.publish.every_s, labels=stream.model.labels)
        rules = (*rules, open_rule(per_interval, NO_RULE, labels))
    return rules


def confident_score(stream: Stream) -> float:
    """Return the least score that counts: the next number above `min_score`.

    Quantised scores often lie on the threshold itself, so that "above" must mean above.
    """
    return math.nextafter(stream.model.min_score, 2.0)


def low_score(stream: Stream) -> float:
    """Return the least score that is decoded: a tracker makes use of weak objects too."""
    track = stream.tracking
    return min(confident_score(stream), track.low_score) if track else confident_score(stream)


def settle_s(stream: Stream) -> float:
    """Return how long after the last motion a gate stays open, so that every track is settled."""
    track = stream.tracking
    return track.max_lost_s + 1.0 if track else 0.0


def hang_limit_s(source: SourceOptions) -> float:
    """Return after which time a call of a source is given up for hung.

    A camera's read may rightly last its timeout and the wait for the next frame that is due; an
    RTSP open up to twice its timeout (FFmpeg connects, then probes) and a look-up of the name.
    """
    if isinstance(source, Camera):
        waits_s = 2 * source.open_timeout_s + source.read_timeout_s + 1.0 / source.rate_fps
        return waits_s + GRACE_S
    if isinstance(source, Synthetic):
        return 1.0 / source.rate_fps + FILE_HANG_LIMIT_S
    return FILE_HANG_LIMIT_S


def build_encoder(config: Config, packs: dict[str, Pack]) -> Encoder:
    """Make the encoder that knows every stream's names."""
    return Encoder(
        Topics(config.device.site, config.device.level),
        {
            stream.name: StreamNames(
                model=packs[stream.name].ref,
                kind=str(stream.source.__struct_config__.tag),
                encoding=stream.publish.encoding,
                rules=tuple(rule.name for rule in stream.rules),
                labels=listed_labels(stream, packs[stream.name]),
            )
            for stream in config.streams
        },
    )


def listed_labels(stream: Stream, pack: Pack) -> tuple[str, ...]:
    """Return the labels up to the last that the stream can name: class ids are places in them."""
    wanted = label_ids(stream.model.labels, pack)
    return pack.labels if wanted is None else pack.labels[: max(wanted) + 1]


def build_mqtt(
    config: Config, identity: Identity, outbox: Outbox, status: DeviceStatus, clock: Clock
) -> Publisher:
    """Make the publisher that `[broker]` describes."""
    from edge_runtime.publish.mqtt import MqttPublisher

    return MqttPublisher(
        config.broker, identity, outbox, status.encoder.encode, status, clock=clock
    )


def build_stdout(
    _config: Config, _identity: Identity, outbox: Outbox, status: DeviceStatus, clock: Clock
) -> Publisher:
    """Make the publisher that prints."""
    from edge_runtime.publish.stdout import StdoutPublisher

    return StdoutPublisher(outbox, status.encoder.encode, status, clock, sys.stdout)
