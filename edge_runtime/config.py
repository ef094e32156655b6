"""Reads the TOML file into `options`: what is wrong, where in the file, and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.errors import ConfigError, Text, UsageError, located
from edge_runtime.options import (
    RESERVED_STREAM_NAMES,
    AlwaysOptions,
    BrokerOptions,
    Config,
    IntervalOptions,
    SourceOptions,
    StreamOptions,
)
from edge_runtime.options.broker import faults
from edge_runtime.toml_file import read_toml, typed


def load(path: Path) -> Config:
    """Read and check a configuration file. Raises ConfigError with the path within the file."""
    try:
        raw = read_toml(path, ConfigError)
    except FileNotFoundError:
        raise ConfigError("{file}: no such file; name one with --config", file=path) from None
    return parse(raw, path)


def parse(raw: dict[str, Any], path: Path) -> Config:
    """Turn a parsed file into a checked Config; `path` is for messages and relative paths."""
    for key in ("folder", "state_dir"):
        if key in raw:
            raise ConfigError("{file}: {key}: unknown key; remove it", file=path, key=key)
    config = typed(raw, Config, path, ConfigError)
    config = msgspec.structs.replace(config, folder=path.resolve().parent)
    config = resolve_sources(resolve_paths(config), path)
    check_broker(config.broker, path)
    check_streams(config, path)
    return config


def stream_named(config: Config, name: str) -> tuple[int, StreamOptions]:
    """Return a stream and its place in the file. Raises ConfigError."""
    for index, stream in enumerate(config.streams):
        if stream.name == name:
            return index, stream
    known = ", ".join(stream.name for stream in config.streams)
    raise ConfigError(
        "no stream '{name}' in the configuration; there are {known}", name=name, known=known
    )


def resolve_paths(config: Config) -> Config:
    """Make relative paths absolute, from the file's folder."""

    def resolved(section: Any) -> Any:
        changes = {
            field: (config.folder / value)
            for field in section.__struct_fields__
            if isinstance(value := getattr(section, field), Path)
        }
        return msgspec.structs.replace(section, **changes) if changes else section

    return msgspec.structs.replace(
        config,
        broker=resolved(config.broker),
        streams=tuple(
            msgspec.structs.replace(stream, source=resolved(stream.source))
            for stream in config.streams
        ),
    )


def resolve_sources(config: Config, path: Path) -> Config:
    """Find out what recordings hold: it decides what their streams may do with it."""
    streams = []
    for index, stream in enumerate(config.streams):
        try:
            source = stream.source.resolved()
        except UsageError as error:
            raise ConfigError(located(path, f"streams[{index}].source.path", error)) from None
        streams.append(msgspec.structs.replace(stream, source=source))
    return msgspec.structs.replace(config, streams=tuple(streams))


def check_broker(broker: BrokerOptions, path: Path) -> None:
    """Check what the types cannot say of `[broker]`."""
    for key, wrong in faults(broker):
        raise ConfigError(located(path, f"broker.{key}", wrong))


def check_streams(config: Config, path: Path) -> None:
    """Check what the types cannot say of `[[streams]]`."""
    seen: dict[str, int] = {}
    for index, stream in enumerate(config.streams):
        where = f"{path}: streams[{index}]"
        if stream.name in RESERVED_STREAM_NAMES:
            raise ConfigError(
                "{at}.name: '{name}' is reserved; choose another name", at=where, name=stream.name
            )
        if stream.name in seen:
            raise ConfigError(
                "{at}.name: '{name}' is also streams[{other}].name; names must differ",
                at=where,
                name=stream.name,
                other=seen[stream.name],
            )
        seen[stream.name] = index
        check_source(stream.source, where)
        check_shared(config, index, where)
        check_beside(config.streams[:index], stream.source, where)
        check_kind(stream, where)
        check_rate(stream, where)
        check_rules(stream, where)


def check_source(source: SourceOptions, where: str) -> None:
    """Check that the files a source reads are there (a camera may come later)."""
    for key, wrong in source.problems():
        raise ConfigError(located(f"{where}.source.{key}", wrong))


def check_shared(config: Config, index: int, where: str) -> None:
    """Check that streams of one camera, which is opened once for all, ask the same of it."""
    source = config.streams[index].source
    for other, stream in enumerate(config.streams[:index]):
        if not source.shared_device or stream.source.shared_device != source.shared_device:
            continue
        if differing := differences(source, stream.source):
            raise ConfigError(
                "{at}.source: the same camera as streams[{other}].source, but with another "
                "{keys}; streams that share a camera get the same pictures: write the same in both",
                at=where,
                other=other,
                keys=", ".join(differing),
            )


def differences(one: SourceOptions, other: SourceOptions) -> list[str]:
    """Return the keys in which two sources of one device differ, but for the device's name."""
    if type(one) is not type(other):
        return ["kind"]
    return [
        key
        for key in one.__struct_fields__
        if key != "device" and getattr(one, key) != getattr(other, key)
    ]


def check_beside(others: tuple[StreamOptions, ...], source: SourceOptions, where: str) -> None:
    """Check that a source can be open beside those of the streams before it."""
    for number, other in enumerate(others):
        if (wrong := source.conflict_with(other.source)) is not None:
            raise ConfigError(
                "{at}.source.{key}: streams[{other}] ('{name}') has the same {place}: {wrong}",
                at=where,
                key=wrong[0],
                other=number,
                name=other.name,
                place=source.place,
                wrong=wrong[1],
            )


def check_rate(stream: StreamOptions, where: str) -> None:
    """Check that a gate lets frames through often enough for the tracker to see a thing twice."""
    track = stream.tracking
    if stream.rate == "adaptive" and (track is None or isinstance(stream.gate, IntervalOptions)):
        needs = (
            Text("a tracker; add {code}", code="`track = {}`")
            if track is None
            else Text('a gate "always" or "motion"')
        )
        raise ConfigError("{at}.rate: adaptive needs {needs}", at=where, needs=needs)
    if (
        isinstance(stream.gate, IntervalOptions)
        and track
        and stream.gate.every_s > track.max_lost_s
    ):
        raise ConfigError(
            "{at}.gate.every_s: {every:g} s is longer than track.max_lost_s ({most:g} s), so that "
            "no track could be followed; raise max_lost_s",
            at=where,
            every=stream.gate.every_s,
            most=track.max_lost_s,
        )


def check_kind(stream: StreamOptions, where: str) -> None:
    """Check that pictures and sensors have what is theirs alone."""
    if stream.sensor is not None:
        pictures = {"gate": AlwaysOptions(), "track": None, "rate": "full"}
        foreign = [key for key, unset in pictures.items() if getattr(stream, key) != unset]
        foreign += ["rules"] * bool(stream.track_rules)
        if foreign:
            raise ConfigError(
                "{at}.{key}: is about pictures; remove it from a sensor", at=where, key=foreign[0]
            )
        if not stream.has_model:
            check_channels(stream, stream.sensor.channels, where)
    elif stream.thresholds or stream.publish.dead_band:
        key = "rules" if stream.thresholds else "publish.dead_band"
        raise ConfigError(
            "{at}.{key}: is for sensors; remove it beside pictures", at=where, key=key
        )


def check_channels(stream: StreamOptions, channels: tuple[str, ...], where: str) -> None:
    """Check that rules and dead bands are about channels that there are."""
    named = [(f"rules[{i}].channel", rule.channel) for i, rule in enumerate(stream.thresholds)]
    named += [("publish.dead_band", name) for name in stream.publish.dead_band]
    for key, name in named:
        if name not in channels:
            known = ", ".join(channels[:8]) + (" …" if len(channels) > 8 else "")
            raise ConfigError(
                "{at}.{key}: '{name}' is no channel here; there are {known}",
                at=where,
                key=key,
                name=name,
                known=known,
            )


def check_rules(stream: StreamOptions, where: str) -> None:
    """Check names and coordinates of the rules."""
    names: set[str] = set()
    for number, rule in enumerate(stream.rules):
        at = f"{where}.rules[{number}]"
        if rule.name in names:
            raise ConfigError(
                "{at}.name: '{name}' is used twice; names must differ", at=at, name=rule.name
            )
        names.add(rule.name)
        for key, wrong in rule.problems():
            raise ConfigError(located(f"{at}.{key}", wrong))
