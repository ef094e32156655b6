"""Reads the TOML file into `options`: what is wrong, where in the file, and what would be right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from edge_runtime.boxes import Point
from edge_runtime.errors import ConfigError, UsageError
from edge_runtime.options import (
    RESERVED_STREAM_NAMES,
    Always,
    Broker,
    Camera,
    Config,
    Images,
    Interval,
    Line,
    Recording,
    RuleOptions,
    SensorOptions,
    SensorRecording,
    SourceOptions,
    Stream,
    Threshold,
    Video,
)
from edge_runtime.options.recorded import read_recorded
from edge_runtime.toml_file import path_fault, read_toml, typed


def load(path: Path) -> Config:
    """Read and check a configuration file. Raises ConfigError with the path within the file."""
    try:
        raw = read_toml(path, ConfigError)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name one with --config") from None
    return parse(raw, path)


def parse(raw: dict[str, Any], path: Path) -> Config:
    """Turn a parsed file into a checked Config; `path` is for messages and relative paths."""
    for key in ("folder", "state_dir"):
        if key in raw:
            raise ConfigError(f"{path}: {key}: unknown key; remove it")
    config = typed(raw, Config, path, ConfigError)
    config = msgspec.structs.replace(config, folder=path.resolve().parent)
    config = resolve_recordings(resolve_paths(config), path)
    check_broker(config.broker, path)
    check_streams(config, path)
    return config


def stream_named(config: Config, name: str) -> tuple[int, Stream]:
    """Return a stream and its place in the file. Raises ConfigError."""
    for index, stream in enumerate(config.streams):
        if stream.name == name:
            return index, stream
    known = ", ".join(stream.name for stream in config.streams)
    raise ConfigError(f"no stream '{name}' in the configuration; there are {known}")


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


def resolve_recordings(config: Config, path: Path) -> Config:
    """Find out what recordings hold: it decides what their streams may do with it."""
    streams = []
    for index, stream in enumerate(config.streams):
        source = stream.source
        if isinstance(source, Recording):
            try:
                source = opened_recording(source)
            except UsageError as error:
                raise ConfigError(f"{path}: streams[{index}].source.path: {error}") from None
        streams.append(msgspec.structs.replace(stream, source=source))
    return msgspec.structs.replace(config, streams=tuple(streams))


def opened_recording(source: Recording) -> Recording:
    """Return a recording as what its manifest says that it is. Raises UsageError."""
    recorded = read_recorded(source.path)
    if recorded.holds == "pictures":
        return source
    return SensorRecording(source.path, source.realtime, source.loop, recorded=recorded)


def check_broker(broker: Broker, path: Path) -> None:
    """Check what the types cannot say of `[broker]`."""
    for key, wrong in (
        *wrong_trust(broker),
        *wrong_url(broker.url),
        *wrong_files(broker),
    ):
        raise ConfigError(f"{path}: broker.{key}: {wrong}")


def wrong_url(url: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the address."""
    if url == "discover":
        return
    is_broker = url.startswith(("mqtt://", "mqtts://")) and has_host(url)
    if "@" in url or (is_broker and urlsplit(url).path.strip("/")):
        yield "url", "must hold host and port alone; use username and password_file"
    elif not is_broker:
        yield "url", f"'{url}' is not mqtts://host[:port] or mqtt://host[:port]"


def has_host(url: str) -> bool:
    """Say whether a URL names a host, and a port that can be one if any."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket or a port that is none
        return False


def wrong_trust(broker: Broker) -> Iterator[tuple[str, str]]:
    """Yield what would leave it open who the broker is, or who we are."""
    found = broker.url == "discover"
    is_provisioned = broker.identity is not None
    if is_provisioned:
        for key in ("ca_file", "cert_file", "key_file"):
            if getattr(broker, key) is not None:
                yield key, 'remove it beside identity = "provisioned", which has its own'
    elif found and broker.ca_file is None:
        yield (
            "ca_file",
            'missing beside url = "discover"; a broker found on the local network must prove who '
            "it is: give the CA that signed its certificate",
        )
    if broker.server_name is None and (found or is_provisioned):
        beside = 'url = "discover"' if found else 'identity = "provisioned"'
        yield (
            "server_name",
            f"missing beside {beside}; give the name that the broker's certificate must bear",
        )
    if broker.url.startswith("mqtt://") and (is_provisioned or broker.server_name is not None):
        yield "url", "without TLS nobody proves who he is; write mqtts://"


def wrong_files(broker: Broker) -> Iterator[tuple[str, str]]:
    """Yield what is missing: a file, or the one that goes with it."""
    for key in ("ca_file", "cert_file", "key_file", "password_file"):
        file = getattr(broker, key)
        if file is not None and (fault := path_fault(file, Path.is_file, "is not there")):
            yield key, f"{file} {fault}"
    if (broker.cert_file is None) != (broker.key_file is None):
        yield "cert_file", "cert_file and key_file go together; give both or neither"
    if broker.password_file is not None and broker.username is None:
        yield "username", "missing beside password_file; add it"


def check_streams(config: Config, path: Path) -> None:
    """Check what the types cannot say of `[[streams]]`."""
    seen: dict[str, int] = {}
    for index, stream in enumerate(config.streams):
        where = f"{path}: streams[{index}]"
        if stream.name in RESERVED_STREAM_NAMES:
            raise ConfigError(f"{where}.name: '{stream.name}' is reserved; choose another name")
        if stream.name in seen:
            raise ConfigError(
                f"{where}.name: '{stream.name}' is also streams[{seen[stream.name]}].name; "
                "names must differ"
            )
        seen[stream.name] = index
        check_source(stream.source, where)
        check_kind(stream, where)
        check_rate(stream, where)
        check_rules(stream, where)


def check_source(source: SourceOptions, where: str) -> None:
    """Check that the files a source reads are there (a camera may come later)."""
    if isinstance(source, Video) and (
        fault := path_fault(source.path, Path.is_file, "is not a file")
    ):
        raise ConfigError(f"{where}.source.path: {source.path} {fault}")
    if isinstance(source, Images) and (
        fault := path_fault(source.path, Path.is_dir, "is not a folder")
    ):
        raise ConfigError(f"{where}.source.path: {source.path} {fault}")
    if isinstance(source, Camera) and "://" in str(source.device):
        check_stream_url(str(source.device), f"{where}.source.device")


def check_stream_url(url: str, where: str) -> None:
    """Check a network camera's URL; it may hold a password, and is not repeated."""
    scheme = url.partition("://")[0].rpartition("@")[2]
    if not url.startswith(("rtsp://", "rtsps://")):
        raise ConfigError(
            f"{where}: '{scheme}://' is not known; give a path such as /dev/video0, an index, or "
            "an rtsp:// URL"
        )
    if not has_host(url):
        raise ConfigError(f"{where}: no host in it; give rtsp://[user:password@]host[:port]/path")


def check_rate(stream: Stream, where: str) -> None:
    """Check that a gate lets frames through often enough for the tracker to see a thing twice."""
    track = stream.tracking
    if stream.rate == "adaptive" and (track is None or isinstance(stream.gate, Interval)):
        needs = "a tracker; add `track = {}`" if track is None else 'a gate "always" or "motion"'
        raise ConfigError(f"{where}.rate: adaptive needs {needs}")
    if isinstance(stream.gate, Interval) and track and stream.gate.every_s > track.max_lost_s:
        raise ConfigError(
            f"{where}.gate.every_s: {stream.gate.every_s:g} s is longer than track.max_lost_s "
            f"({track.max_lost_s:g} s), so that no track could be followed; raise max_lost_s"
        )


def check_kind(stream: Stream, where: str) -> None:
    """Check that pictures and sensors have what is theirs alone."""
    if isinstance(stream.source, SensorOptions):
        pictures = {"gate": Always(), "track": None, "rate": "full"}
        foreign = [key for key, unset in pictures.items() if getattr(stream, key) != unset]
        foreign += ["rules"] * bool(stream.picture_rules)
        if foreign:
            raise ConfigError(f"{where}.{foreign[0]}: is about pictures; remove it from a sensor")
        if not stream.has_model:
            check_channels(stream, stream.source.channels, where)
    elif stream.thresholds or stream.publish.dead_band:
        key = "rules" if stream.thresholds else "publish.dead_band"
        raise ConfigError(f"{where}.{key}: is for sensors; remove it beside pictures")


def check_channels(stream: Stream, channels: tuple[str, ...], where: str) -> None:
    """Check that rules and dead bands are about channels that there are."""
    named = [(f"rules[{i}].channel", rule.channel) for i, rule in enumerate(stream.thresholds)]
    named += [("publish.dead_band", name) for name in stream.publish.dead_band]
    for key, name in named:
        if name not in channels:
            known = ", ".join(channels[:8]) + (" …" if len(channels) > 8 else "")
            raise ConfigError(f"{where}.{key}: '{name}' is no channel here; there are {known}")


def check_rules(stream: Stream, where: str) -> None:
    """Check names and coordinates of the rules."""
    names: set[str] = set()
    for number, rule in enumerate(stream.rules):
        at = f"{where}.rules[{number}]"
        if rule.name in names:
            raise ConfigError(f"{at}.name: '{rule.name}' is used twice; names must differ")
        names.add(rule.name)
        for key, points in rule_points(rule):
            for x, y in points:
                if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
                    raise ConfigError(
                        f"{at}.{key}: [{x}, {y}] lies outside the frame; "
                        "coordinates are fractions from 0.0 to 1.0"
                    )
        if isinstance(rule, Line) and rule.start == rule.end:
            raise ConfigError(f"{at}.end: same point as start; a line needs two")


def rule_points(rule: RuleOptions) -> list[tuple[str, tuple[Point, ...]]]:
    """Return the points of a rule by the key that holds them."""
    if isinstance(rule, Line):
        return [("start", (rule.start,)), ("end", (rule.end,))]
    if isinstance(rule, Threshold):
        return []
    return [("polygon", rule.polygon or ())]
