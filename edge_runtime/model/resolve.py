"""From a stream's `model` table to a checked pack, its label ids and its interpreters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from edge_runtime.config_checks import channel_faults
from edge_runtime.errors import ConfigError, PackError, Text, located
from edge_runtime.infer.base import Backend
from edge_runtime.infer.engines import name_fault, open_backend
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.labels import class_ids, wire_name
from edge_runtime.language import N_
from edge_runtime.manifest import Pack
from edge_runtime.model.delegate_opens import DelegateOpens
from edge_runtime.model.engine_choice import FORCED_KEY, check_engine, engine_of
from edge_runtime.model.fingerprint import fingerprint
from edge_runtime.model.runner import Model
from edge_runtime.options import (
    Config,
    DelegateOptions,
    StreamOptions,
)
from edge_runtime.packs.store import PackStore
from edge_runtime.toml_file import Fault, suggestion
from edge_runtime.window import rate_ratio

OUT_OF_REACH = {
    "above": N_("no score is above {limit:g}; give a limit in reach"),
    "below": N_("no score is below {limit:g}; give a limit in reach"),
}
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
    refuse_all(forced_faults(forced))
    packs: dict[str, Pack] = {}
    for index, stream in enumerate(config.streams, first):
        pack, faults = find_pack(stream, f"streams[{index}]", config.folder, store, forced)
        refuse_all(faults)
        if pack is not None:
            packs[stream.name] = pack
    return packs


def refuse_all(faults: list[Fault]) -> None:
    """Raise an error with all faults, where there are any."""
    if faults:
        kind = faults[0].error_type or ConfigError
        texts = [located(one.key, one.text) if one.key else one.text for one in faults]
        raise kind.of(texts)


def forced_faults(forced: str) -> list[Fault]:
    """Return what is wrong with the engine that the device forces."""
    fault = name_fault(forced)
    return [Fault(FORCED_KEY, fault)] if fault is not None else []


def engine_faults(pack: Pack, where: str, forced: str) -> list[Fault]:
    """Return where the pack's file is none that its engine takes."""
    try:
        check_engine(pack, forced)
    except PackError as error:
        return [Fault(f"{where}.model.pack", error.text, PackError)]
    except ConfigError as error:
        return [Fault("", error.text)]  # it names inference.engine
    return []


def find_pack(
    stream: StreamOptions, where: str, folder: Path, store: PackStore, forced: str
) -> tuple[Pack | None, list[Fault]]:
    """Return a stream's pack, hash checked, and all that is wrong with how it is used."""
    if not stream.has_model:
        return None, []
    pack, faults = find_labels(stream, where, folder, store)
    if pack is None:
        return None, faults
    engine = [] if forced_faults(forced) else engine_faults(pack, where, forced)
    return pack, [*faults, *engine, *input_faults(stream, where, pack)]


def find_labels(
    stream: StreamOptions, where: str, folder: Path, store: PackStore
) -> tuple[Pack | None, list[Fault]]:
    """Return a stream's pack, hash checked, and the labels that it does not know."""
    try:
        pack = store.find(stream.model_use.pack, folder)
    except PackError as error:
        at = f"{where}.model.pack"
        return None, [Fault(at, text, type(error)) for text in error.faults or (error.text,)]
    return pack, list(label_faults(stream, where, pack))


def input_faults(stream: StreamOptions, where: str, pack: Pack) -> Iterator[Fault]:
    """Yield where the pack does not take what the source gives."""
    spec = pack.manifest.input
    name = pack.manifest.pack.name
    if stream.sensor is None:
        if spec.kind != "image":
            text = Text("{name} takes a sensor's windows, not pictures", name=name)
            yield Fault(f"{where}.model.pack", text)
        return
    if spec.kind != "window" or spec.rate_hz is None or spec.size is None:
        text = Text("{name} does not take a sensor's windows", name=name)
        yield Fault(f"{where}.model.pack", text)
        return
    channels = channels_of(pack)
    if not channels:
        text = Text("{name} has no labels; name its classes in the pack", name=name)
        yield Fault(f"{where}.model.pack", text)
        return
    yield from channel_faults(with_wire_names(stream, pack), channels, where)
    yield from reach_faults(stream, channels, where)
    if SCORE in channels and not stream.thresholds:
        text = Text(
            "{name} gives a score alone; add a rule of kind threshold about its channel "
            "'{channel}'",
            name=name,
            channel=SCORE,
        )
        yield Fault(f"{where}.rules", text)
    try:
        rate_ratio(stream.sensor.sample_rate_hz, spec.rate_hz)
    except ConfigError as error:
        yield Fault(f"{where}.source.rate_hz", error.text)


def reach_faults(stream: StreamOptions, channels: tuple[str, ...], where: str) -> Iterator[Fault]:
    """Yield the limits that no score can pass, or come back from: those never clear."""
    most = math.inf if SCORE in channels else 1.0
    for index, rule in enumerate(stream.thresholds):
        at = f"{where}.rules[{index}]"
        for key, limit in (("above", rule.above), ("below", rule.below)):
            if limit is not None and not (limit < most if key == "above" else limit > 0.0):
                text = Text(OUT_OF_REACH[key], limit=limit)
                yield Fault(f"{at}.{key}", text)
        backs = (rule.above, -rule.hysteresis, ">= 0"), (rule.below, rule.hysteresis, "<= 1")
        for limit, hysteresis, needed in backs:
            if limit is not None and not 0.0 <= limit + hysteresis <= most:
                text = Text(
                    "the alarm would never clear, at a score of {score:g}; that must be {needed}",
                    score=limit + hysteresis,
                    needed=needed,
                )
                yield Fault(f"{at}.hysteresis", text)


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


def label_faults(stream: StreamOptions, where: str, pack: Pack) -> Iterator[Fault]:
    """Yield the labels that the pack does not know."""
    asked = [("model.labels", stream.model_use.labels)]
    asked += [(f"rules[{n}].labels", rule.labels) for n, rule in enumerate(stream.track_rules)]
    for key, labels in asked:
        for number, label in enumerate(labels):
            if not class_ids((label,), pack.labels):
                yield Fault(f"{where}.{key}[{number}]", no_label(label, pack))


def no_label(label: str, pack: Pack) -> Text:
    """Say that a pack does not know a label, and which is meant."""
    known = ", ".join(pack.labels[:8]) + (" …" if len(pack.labels) > 8 else "")
    name = pack.manifest.pack.name
    near = suggestion(label, pack.labels)
    if near is None:
        return Text(
            "'{label}' is not a label of {pack}; it knows {known}",
            label=label,
            pack=name,
            known=known,
        )
    return Text(
        "'{label}' is not a label of {pack}; did you mean '{near}'? It knows {known}",
        label=label,
        pack=name,
        near=near,
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
