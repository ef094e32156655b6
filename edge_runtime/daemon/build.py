"""Wires the device's link: the encoder and the publisher that a configuration describes."""

from __future__ import annotations

import sys

from edge_runtime.clock import Clock
from edge_runtime.daemon.loading import LoadedConfig
from edge_runtime.daemon.report import DeviceMessages, HealthReport
from edge_runtime.encode import Encoder, StreamNames, Topics
from edge_runtime.enrolment.identity import IdentityFolder
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import label_ids
from edge_runtime.options import Config, StreamOptions
from edge_runtime.outbox import Outbox
from edge_runtime.publish.contract import Identity, OnCommand, Publisher, PublisherSettings
from edge_runtime.records import NO_MODEL


def build_encoder(config: Config, packs: dict[str, Pack]) -> Encoder:
    """Make the encoder that knows every stream's names."""
    return Encoder(
        Topics(config.device.site, config.device.level),
        {
            stream.name: StreamNames(
                model=packs[stream.name].ref if stream.has_model else NO_MODEL,
                kind=stream.source.kind,
                encoding=stream.publish.encoding,
                rules=stream.rule_names,
                labels=listed_labels(stream, packs.get(stream.name)),
            )
            for stream in config.streams
        },
    )


def listed_labels(stream: StreamOptions, pack: Pack | None) -> tuple[str, ...]:
    """Return the labels up to the last that the stream can name: class ids are places in them."""
    if pack is None:
        return ()
    wanted, labels = label_ids(stream.model_use.labels, pack), pack.ref.labels
    return labels if wanted is None else labels[: max(wanted) + 1]


def publisher_settings(
    loaded: LoadedConfig,
    outbox: Outbox,
    report: HealthReport,
    *,
    revision: int,
    commands: tuple[str, ...],
) -> PublisherSettings:
    """Return what the publisher works with while a configuration runs."""
    config = loaded.config
    topics = Topics(config.device.site, config.device.level)
    encoder = build_encoder(config, loaded.packs)
    return PublisherSettings(
        config.broker,
        Identity.of(topics.site, topics.device),
        outbox,
        encoder.encode,
        DeviceMessages(topics, encoder, outbox.boot, report),
        place=IdentityFolder(config.state_dir) if config.state_dir is not None else None,
        revision=revision,
        commands=commands,
    )


def build_mqtt(settings: PublisherSettings, clock: Clock, on_command: OnCommand) -> Publisher:
    """Make the publisher that `[broker]` describes."""
    from edge_runtime.publish.mqtt import MqttPublisher

    return MqttPublisher(settings, clock=clock, on_command=on_command)


def build_stdout(settings: PublisherSettings, clock: Clock, _on_command: OnCommand) -> Publisher:
    """Make the publisher that prints; nobody can send it commands."""
    from edge_runtime.publish.stdout import StdoutPublisher

    return StdoutPublisher(settings, clock, sys.stdout)
