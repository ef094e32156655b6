"""What the types cannot say of a configuration: what does not go together, and with what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from edge_runtime.errors import Text
from edge_runtime.options import (
    RESERVED_STREAM_NAMES,
    AlwaysOptions,
    IntervalOptions,
    RuleOptions,
    SourceOptions,
    StreamOptions,
)
from edge_runtime.toml_file import Fault, suggestion


def name_faults(names: Iterable[tuple[str, str]]) -> Iterator[Fault]:
    """Yield which streams' names are none, or are another's."""
    seen: dict[str, str] = {}
    for key, name in names:
        if name in RESERVED_STREAM_NAMES:
            yield Fault(key, Text("'{name}' is reserved; choose another name", name=name))
        elif name in seen:
            text = Text("'{name}' is also {other}; names must differ", name=name, other=seen[name])
            yield Fault(key, text)
        seen.setdefault(name, key)


def stream_faults(stream: StreamOptions, where: str) -> Iterator[Fault]:
    """Yield what the types cannot say of a stream as a whole."""
    yield from kind_faults(stream, where)
    yield from rate_faults(stream, where)
    yield from (Fault(f"{where}.{key}", wrong) for key, wrong in stream.problems())
    names: set[str] = set()
    for number, rule in enumerate(stream.rules):
        if rule.name in names:
            text = Text("'{name}' is used twice; names must differ", name=rule.name)
            yield Fault(f"{where}.rules[{number}].name", text)
        names.add(rule.name)


def rule_faults(rule: RuleOptions, where: str) -> Iterator[Fault]:
    """Yield what is wrong with a rule's coordinates."""
    return (Fault(f"{where}.{key}", wrong) for key, wrong in rule.problems())


def shared_faults(streams: dict[int, StreamOptions]) -> Iterator[Fault]:
    """Yield where streams of one camera, which is opened once for all, ask not the same of it."""
    first: dict[str, tuple[int, SourceOptions]] = {}
    for index, stream in streams.items():
        source = stream.source
        if not source.shared_device:
            continue
        other, shared = first.setdefault(source.shared_device, (index, source))
        if differing := differences(source, shared):
            text = Text(
                "the same camera as streams[{other}].source, but with another {keys}; streams that "
                "share a camera get the same pictures: write the same in both",
                other=other,
                keys=", ".join(differing),
            )
            yield Fault(f"streams[{index}].source", text)


def differences(one: SourceOptions, other: SourceOptions) -> list[str]:
    """Return the keys in which two sources of one device differ, but for the device's name."""
    if type(one) is not type(other):
        return ["kind"]
    wanted = other.comparable
    return [key for key, value in one.comparable.items() if wanted[key] != value]


def beside_faults(streams: dict[int, StreamOptions]) -> Iterator[Fault]:
    """Yield the sources that cannot be open beside those of the streams before them."""
    for (other, before), (index, stream) in combinations(streams.items(), 2):
        source = stream.source
        if (wrong := source.conflict_with(before.source)) is not None:
            text = Text(
                "streams[{other}] ('{name}') has the same {place}: {wrong}",
                other=other,
                name=before.name,
                place=source.place,
                wrong=wrong[1],
            )
            yield Fault(f"streams[{index}].source.{wrong[0]}", text)


def rate_faults(stream: StreamOptions, where: str) -> Iterator[Fault]:
    """Yield where a gate lets frames through too rarely for the tracker to see a thing twice."""
    track = stream.tracking
    if stream.rate == "adaptive" and (track is None or isinstance(stream.gate, IntervalOptions)):
        needs = (
            Text("a tracker; add {code}", code="`track = {}`")
            if track is None
            else Text('a gate "always" or "motion"')
        )
        yield Fault(f"{where}.rate", Text("adaptive needs {needs}", needs=needs))
    if (
        isinstance(stream.gate, IntervalOptions)
        and track
        and stream.gate.every_s > track.max_lost_s
    ):
        text = Text(
            "{every:g} s is longer than track.max_lost_s ({most:g} s), so that no track could be "
            "followed; raise max_lost_s",
            every=stream.gate.every_s,
            most=track.max_lost_s,
        )
        yield Fault(f"{where}.gate.every_s", text)


def kind_faults(stream: StreamOptions, where: str) -> Iterator[Fault]:
    """Yield what is a picture's alone beside a sensor, and the other way round."""
    if stream.sensor is not None:
        pictures = {
            "gate": AlwaysOptions(), "track": None, "rate": "full", "mask": (),
            "camera_health": None,
        }  # fmt: skip
        foreign = [key for key, unset in pictures.items() if getattr(stream, key) != unset]
        foreign += ["rules"] * bool(stream.track_rules)
        for key in foreign:
            yield Fault(f"{where}.{key}", Text("is about pictures; remove it from a sensor"))
        if not stream.has_model and not foreign:
            yield from channel_faults(stream, stream.sensor.channels, where)
    else:
        foreign = ["rules"] * bool(stream.thresholds)
        foreign += ["publish.dead_band"] * bool(stream.publish.dead_band)
        for key in foreign:
            yield Fault(f"{where}.{key}", Text("is for sensors; remove it beside pictures"))


def channel_faults(stream: StreamOptions, channels: tuple[str, ...], where: str) -> Iterator[Fault]:
    """Yield the rules and dead bands that are about channels that there are not."""
    named = [(f"rules[{i}].channel", rule.channel) for i, rule in enumerate(stream.thresholds)]
    named += [("publish.dead_band", name) for name in stream.publish.dead_band]
    for key, name in named:
        if name not in channels:
            yield Fault(f"{where}.{key}", no_channel(name, channels))


def no_channel(name: str, channels: tuple[str, ...]) -> Text:
    """Say that a channel is none of a sensor's, and which is meant."""
    known = ", ".join(channels[:8]) + (" …" if len(channels) > 8 else "")
    near = suggestion(name, channels)
    if near is None:
        return Text("'{name}' is no channel here; there are {known}", name=name, known=known)
    return Text(
        "'{name}' is no channel here; did you mean '{near}'? There are {known}",
        name=name,
        near=near,
        known=known,
    )
