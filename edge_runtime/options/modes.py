"""Modes and the time zone: what a device's own tables say about when rules are on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from edge_runtime.errors import Text
from edge_runtime.options import DeviceOptions, ModesOptions, StreamOptions
from edge_runtime.toml_file import Fault, suggestion


def zone_faults(device: DeviceOptions) -> Iterator[Fault]:
    """Yield that the time zone is none that this machine knows."""
    zone = device.time_zone
    if zone and not is_zone(zone):
        from zoneinfo import available_timezones

        yield Fault("device.time_zone", no_zone(zone, available_timezones()))


def is_zone(name: str) -> bool:
    """Say whether this machine knows a time zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def no_zone(zone: str, known: Collection[str]) -> Text:
    """Say that there is no such time zone, and which is meant."""
    if not known:
        return Text(
            "this machine has no table of time zones, so that '{zone}' cannot be found; install it "
            "with {code}",
            zone=zone,
            code="sudo apt install tzdata",
        )
    # People know their city better than its continent.
    cities = {one.rpartition("/")[2]: one for one in sorted(known)}
    city = suggestion(zone.rpartition("/")[2], cities)
    near = suggestion(zone, known) or cities.get(city or "")
    if near is not None:
        return Text("no time zone '{zone}'; did you mean '{near}'?", zone=zone, near=near)
    return Text(
        "no time zone '{zone}'; they are named by continent and city, such as '{example}'",
        zone=zone,
        example="Asia/Ho_Chi_Minh",
    )


def mode_faults(
    modes: ModesOptions, streams: Mapping[int, StreamOptions], *, is_whole: bool = True
) -> Iterator[Fault]:
    """Yield the modes that are none, and, where all streams are known, those that do nothing."""
    names = modes.names
    for at, name in enumerate(names):
        if name in names[:at]:
            text = Text("'{name}' is used twice; names must differ", name=name)
            yield Fault(f"modes.names[{at}]", text)
    used: set[str] = set()
    for index, stream in streams.items():
        for number, rule in enumerate(stream.rules):
            used.update(rule.modes)
            for at, name in enumerate(rule.modes):
                if name not in names:
                    where = f"streams[{index}].rules[{number}].modes[{at}]"
                    yield Fault(where, no_mode(name, names))
    for at, name in enumerate(names[1:], start=1):  # the first may be the one without
        if is_whole and name not in used and name not in names[:at]:
            yield Fault(
                f"modes.names[{at}]",
                Text(
                    "no rule lists '{name}' among its modes, so that it would change nothing; add "
                    "{code} to a rule, or remove the name",
                    name=name,
                    code=f'modes = ["{name}"]',
                ),
            )


def no_mode(name: str, names: tuple[str, ...]) -> Text:
    """Say that a mode is none of the device's, and which is meant."""
    if not names:
        return Text(
            "there is no mode '{name}'; add a table {table} with {code}",
            name=name,
            table="[modes]",
            code=f'names = ["normal", "{name}"]',
        )
    known = ", ".join(names)
    near = suggestion(name, names)
    if near is None:
        return Text("there is no mode '{name}'; there are {known}", name=name, known=known)
    return Text(
        "there is no mode '{name}'; did you mean '{near}'? There are {known}",
        name=name,
        near=near,
        known=known,
    )
