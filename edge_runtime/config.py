"""Reads the TOML file into `options`: what is wrong, where in the file, and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.boxes import Point
from edge_runtime.errors import ConfigError, Text, UsageError, located, row
from edge_runtime.options import (
    RESERVED_STREAM_NAMES,
    AlwaysOptions,
    BrokerOptions,
    CameraOptions,
    Config,
    ImagesOptions,
    IntervalOptions,
    LineOptions,
    RecordingOptions,
    RuleOptions,
    SensorOptions,
    SensorRecordingOptions,
    SerialOptions,
    SourceOptions,
    StreamOptions,
    ThresholdOptions,
    VideoOptions,
)
from edge_runtime.options.broker import faults, has_host
from edge_runtime.options.recorded import read_recorded
from edge_runtime.toml_file import path_fault, read_toml, typed
from edge_runtime.urls import HIDDEN, SPACE, login_doubt, shown_url


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
    config = resolve_recordings(resolve_paths(config), path)
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


def resolve_recordings(config: Config, path: Path) -> Config:
    """Find out what recordings hold: it decides what their streams may do with it."""
    streams = []
    for index, stream in enumerate(config.streams):
        source = stream.source
        if isinstance(source, RecordingOptions):
            try:
                source = opened_recording(source)
            except UsageError as error:
                raise ConfigError(located(path, f"streams[{index}].source.path", error)) from None
        streams.append(msgspec.structs.replace(stream, source=source))
    return msgspec.structs.replace(config, streams=tuple(streams))


def opened_recording(source: RecordingOptions) -> RecordingOptions:
    """Return a recording as what its manifest says that it is. Raises UsageError."""
    recorded = read_recorded(source.path)
    if recorded.holds == "pictures":
        return source
    return SensorRecordingOptions(source.path, source.realtime, source.loop, recorded=recorded)


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
        check_kind(stream, where)
        check_rate(stream, where)
        check_rules(stream, where)


def check_source(source: SourceOptions, where: str) -> None:
    """Check that the files a source reads are there (a camera may come later)."""
    if isinstance(source, VideoOptions) and (
        fault := path_fault(source.path, Path.is_file, Text("is not a file"))
    ):
        raise wrong_path(where, source.path, fault)
    if isinstance(source, ImagesOptions) and (
        fault := path_fault(source.path, Path.is_dir, Text("is not a folder"))
    ):
        raise wrong_path(where, source.path, fault)
    if isinstance(source, CameraOptions) and isinstance(source.device, str):
        check_camera(source.device, f"{where}.source.device")
    if isinstance(source, SerialOptions):
        check_place(source.url, f"{where}.source.url", Text("a path such as /dev/ttyUSB0"))


def wrong_path(where: str, path: Path, fault: Text) -> ConfigError:
    """Return the error for the file or folder of a source."""
    return ConfigError(located(f"{where}.source.path", row([path, fault], " ")))


def check_camera(device: str, where: str) -> None:
    """Check a camera's path or URL, which may hold a password and is not repeated."""
    check_place(device, where, Text("a path such as /dev/video0, an index"))
    if "://" not in device:
        return
    if not device.startswith(("rtsp://", "rtsps://")):
        raise ConfigError(
            "{at}: '{url}' is not known; give a path such as /dev/video0, an index, or an "
            "rtsp:// URL",
            at=where,
            url=shown_url(device),
        )
    if not has_host(device):
        missing = Text("no host in it; give rtsp://[user:password@]host[:port]/path")
        raise ConfigError(located(where, login_doubt(device) or missing))


def check_place(place: str, where: str, example: Text) -> None:
    """Check that a device's path or URL can be told from one another, without repeating it."""
    if "://" in place and SPACE.search(place):
        raise ConfigError("{at}: a space in a URL; write it as %20", at=where)
    if "://" not in place and shown_url(place) == HIDDEN:
        raise ConfigError(
            "{at}: neither {example} nor a URL with its scheme; correct it",
            at=where,
            example=example,
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
    if isinstance(stream.source, SensorOptions):
        pictures = {"gate": AlwaysOptions(), "track": None, "rate": "full"}
        foreign = [key for key, unset in pictures.items() if getattr(stream, key) != unset]
        foreign += ["rules"] * bool(stream.picture_rules)
        if foreign:
            raise ConfigError(
                "{at}.{key}: is about pictures; remove it from a sensor", at=where, key=foreign[0]
            )
        if not stream.has_model:
            check_channels(stream, stream.source.channels, where)
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
        for key, points in rule_points(rule):
            for x, y in points:
                if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
                    raise ConfigError(
                        "{at}.{key}: [{x}, {y}] lies outside the frame; coordinates are fractions "
                        "from 0.0 to 1.0",
                        at=at,
                        key=key,
                        x=x,
                        y=y,
                    )
        if isinstance(rule, LineOptions) and rule.start == rule.end:
            raise ConfigError("{at}.end: same point as start; a line needs two", at=at)


def rule_points(rule: RuleOptions) -> list[tuple[str, tuple[Point, ...]]]:
    """Return the points of a rule by the key that holds them."""
    if isinstance(rule, LineOptions):
        return [("start", (rule.start,)), ("end", (rule.end,))]
    if isinstance(rule, ThresholdOptions):
        return []
    return [("polygon", rule.polygon or ())]
