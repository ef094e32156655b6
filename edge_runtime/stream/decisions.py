"""What of a stream is written into the decision log: how it runs, what became of its samples."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.decision_log.entries import StreamFacts
from edge_runtime.decision_log.recorder import ChannelLevels, StreamDecisions
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import channels_of
from edge_runtime.options import StreamOptions
from edge_runtime.records import Result
from edge_runtime.stream.pipeline import Pipeline
from edge_runtime.stream.reorder import Slot
from edge_runtime.stream.setup import StreamSetup
from edge_runtime.stream.wanted import objects_of


def facts_of(setup: StreamSetup) -> StreamFacts:
    """Return what of a stream's setup decides."""
    stream, pack = setup.options, setup.pack
    return StreamFacts(
        names=pack.ref.labels if pack is not None else (),
        labels=stream.model_use.labels if stream.has_model else (),
        min_score=stream.model_use.min_score,
        gate=stream.gate.kind,
        active=stream.active,
        time_zone=setup.time_zone,
        mask=stream.mask,
        rules=setup.limits.rules if setup.limits is not None else stream.rules,
        channels=channel_names(stream, pack),
        is_tracked=stream.tracking is not None,
    )


def note_sample(
    decisions: StreamDecisions, slot: Slot, pipeline: Pipeline, results: Sequence[Result]
) -> None:
    """Note a sample that was concluded, and what was told of it."""
    decisions.frame(slot.stamp, slot.outcome)
    if slot.decoded is not None:
        decisions.seen(slot.stamp, objects_of(slot.decoded, 0.0), pipeline.min_score)
    decisions.tracks(slot.stamp, pipeline.live)
    decisions.told(results, pipeline.label)


def channel_names(stream: StreamOptions, pack: Pack | None) -> tuple[str, ...]:
    """Return what a sensor's rules can be about: its own channels, or what a model says."""
    if stream.sensor is None:
        return ()
    return stream.sensor.channels if pack is None else tuple(channels_of(pack))


def levels_said(values: Sequence[float]) -> list[ChannelLevels]:
    """Return what a model says of one window, by channel."""
    return [ChannelLevels(1, 0, value, value) for value in values]
