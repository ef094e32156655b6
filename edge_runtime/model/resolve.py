"""From a stream's `model` table to a checked pack, its label ids and its interpreters."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np

from edge_runtime.config import check_channels
from edge_runtime.errors import ConfigError, PackError, located
from edge_runtime.infer.base import Backend
from edge_runtime.infer.engines import open_backend
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.labels import class_ids, wire_name
from edge_runtime.manifest import Pack
from edge_runtime.model.delegate_opens import DelegateOpens
from edge_runtime.model.engine_choice import check_engine, check_forced, engine_of
from edge_runtime.model.fingerprint import fingerprint
from edge_runtime.model.runner import Model
from edge_runtime.options import (
    Config,
    DelegateOptions,
    StreamOptions,
)
from edge_runtime.packs.store import PackStore
from edge_runtime.window import rate_ratio

SCORE = "score"  # the one channel of a model that says how far from healthy a window is


def open_pack_backend(
    forced: str, opens: DelegateOpens | None = None, children: ChildFactory | None = None
) -> Callable[[Pack, DelegateOptions | None], Backend]:
    """Return what opens a pack's weights on its engine, in a process of its own or in this one.

    `forced`: the device's `inference.engine`. `opens`, the daemon's: remembers that an accelerator
    is being opened, in case that takes the board's power. What is returned raises as `engine_of`,
    and BackendError.
    """

    def open_here(pack: Pack, delegate: DelegateOptions | None) -> Backend:
        engine = engine_of(pack, forced)
        if children is None:
            return open_backend(pack.weights, engine=engine.name, delegate=delegate)
        from edge_runtime.infer.isolated import open_isolated

        return open_isolated(children, pack.weights, engine=engine.name, delegate=delegate)

    def open_one(pack: Pack, delegate: DelegateOptions | None) -> Backend:
        if delegate is None or opens is None:
            return open_here(pack, delegate)
        key = fingerprint(pack, forced, delegate)
        with opens.under_way(key, library=delegate.library, pack=pack.ref.full_name):
            backend = open_here(pack, delegate)
            # Some prepare the model only now, and crash only now.
            backend.infer(np.zeros(backend.input.shape, backend.input.dtype))
        return backend

    return open_one


def find_packs(config: Config, store: PackStore, *, first: int = 0) -> dict[str, Pack]:
    """Return the pack of each stream that has a model, hash checked. Raises UsageError.

    `first`: the place in the file of the first stream, where `config` holds not all of them.
    """
    forced = config.inference.engine
    check_forced(forced)
    packs: dict[str, Pack] = {}
    for index, stream in enumerate(config.streams, first):
        if not stream.has_model:
            continue
        try:
            pack = store.find(stream.model_use.pack, config.folder)
        except PackError as error:
            raise PackError(located(f"streams[{index}].model.pack", error)) from None
        check_engine(pack, forced)
        check_labels(stream, index, pack)
        check_input(stream, f"streams[{index}]", pack)
        packs[stream.name] = pack
    return packs


def check_input(stream: StreamOptions, where: str, pack: Pack) -> None:
    """Raise ConfigError where the pack does not take what the source gives."""
    spec = pack.manifest.input
    name = pack.manifest.pack.name
    if stream.sensor is None:
        if spec.kind != "image":
            raise ConfigError(
                "{at}.model.pack: {name} takes a sensor's windows, not pictures",
                at=where,
                name=name,
            )
        return
    if spec.kind != "window" or spec.rate_hz is None or spec.size is None:
        raise ConfigError(
            "{at}.model.pack: {name} does not take a sensor's windows", at=where, name=name
        )
    channels = channels_of(pack)
    if not channels:
        raise ConfigError(
            "{at}.model.pack: {name} has no labels; name its classes in the pack",
            at=where,
            name=name,
        )
    check_channels(with_wire_names(stream, pack), channels, where)
    check_reach(stream, channels, where)
    if SCORE in channels and not stream.thresholds:
        raise ConfigError(
            "{at}.rules: {name} gives a score alone; add a rule of kind threshold about its "
            "channel '{channel}'",
            at=where,
            name=name,
            channel=SCORE,
        )
    try:
        rate_ratio(stream.sensor.sample_rate_hz, spec.rate_hz)
    except ConfigError as error:
        raise ConfigError(located(f"{where}.source.rate_hz", error)) from None


def check_reach(stream: StreamOptions, channels: tuple[str, ...], where: str) -> None:
    """Check that a score can pass a rule's limits, and can come back: else it never clears."""
    most = math.inf if SCORE in channels else 1.0
    for index, rule in enumerate(stream.thresholds):
        at = f"{where}.rules[{index}]"
        for key, limit in (("above", rule.above), ("below", rule.below)):
            if limit is not None and not (limit < most if key == "above" else limit > 0.0):
                raise ConfigError(
                    "{at}.{key}: no score is {key} {limit:g}; give a limit in reach",
                    at=at,
                    key=key,
                    limit=limit,
                )
        backs = (rule.above, -rule.hysteresis, ">= 0"), (rule.below, rule.hysteresis, "<= 1")
        for limit, hysteresis, needed in backs:
            if limit is not None and not 0.0 <= limit + hysteresis <= most:
                raise ConfigError(
                    "{at}.hysteresis: the alarm would never clear, at a score of {score:g}; that "
                    "must be {needed}",
                    at=at,
                    score=limit + hysteresis,
                    needed=needed,
                )


def channels_of(pack: Pack) -> tuple[str, ...]:
    """Return what rules can be about, of a model that takes windows, as it goes on the wire."""
    return (SCORE,) if pack.manifest.output.decoder == "reconstruction" else pack.ref.labels


def with_wire_names(stream: StreamOptions, pack: Pack) -> StreamOptions:
    """Return a stream whose thresholds and dead bands name a model's labels as the wire does."""
    bands = stream.publish.dead_band
    rules = tuple(  # of a sensor there are no others
        msgspec.structs.replace(rule, channel=wire_name(rule.channel, pack.labels))
        for rule in stream.thresholds
    )
    publish = msgspec.structs.replace(
        stream.publish,
        dead_band={wire_name(name, pack.labels): band for name, band in bands.items()},
    )
    return msgspec.structs.replace(stream, rules=rules, publish=publish)


def check_labels(stream: StreamOptions, index: int, pack: Pack) -> None:
    """Raise ConfigError for a label that the pack does not know."""
    asked = [("model.labels", stream.model_use.labels)]
    asked += [(f"rules[{n}].labels", rule.labels) for n, rule in enumerate(stream.track_rules)]
    for key, labels in asked:
        for label in labels:
            if not class_ids((label,), pack.labels):
                known = ", ".join(pack.labels[:8]) + (" …" if len(pack.labels) > 8 else "")
                raise ConfigError(
                    "streams[{index}].{key}: '{label}' is not a label of {pack}; it knows {known}",
                    index=index,
                    key=key,
                    label=label,
                    pack=pack.manifest.pack.name,
                    known=known,
                )


def model_of(
    stream: StreamOptions,
    pack: Pack,
    forced: str,
    opens: DelegateOpens | None = None,
    children: ChildFactory | None = None,
) -> Model:
    """Return how a stream's model is run; `forced`: the device's `inference.engine`."""
    use = stream.model_use
    return Model(pack, use.iou, use.accelerator, open_pack_backend(forced, opens, children))


def label_ids(labels: tuple[str, ...], pack: Pack) -> frozenset[int] | None:
    """Return the class ids of a filter; None where there is none."""
    if not labels:
        return None
    return class_ids(labels, pack.labels)
