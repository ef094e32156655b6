"""Reads the TOML file into `options`: all that is wrong, where in the file, and what is right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.config_checks import (
    beside_faults,
    name_faults,
    rule_faults,
    shared_faults,
    stream_faults,
)
from edge_runtime.errors import ConfigError, Text, UsageError
from edge_runtime.options import (
    BrokerOptions,
    Config,
    ConfigTables,
    DeviceOptions,
    InferenceOptions,
    ModelOptions,
    ModesOptions,
    RuleOptions,
    SourceOptions,
    StreamOptions,
)
from edge_runtime.options.broker import faults as broker_faults
from edge_runtime.options.modes import mode_faults, zone_faults
from edge_runtime.options.secrets import SecretError
from edge_runtime.toml_file import (
    Fault,
    part,
    read_toml,
    refuse,
    spoils,
    value_faults,
)


def load(path: Path) -> Config:
    """Read and check a configuration file. Raises ConfigError with all that is wrong in it."""
    return read_config(path).finished()


def parse(raw: dict[str, Any], path: Path) -> Config:
    """Turn a parsed file into a checked Config; `path` is for messages and relative paths."""
    return ConfigReading(raw, path).finished()


def read_config(path: Path) -> ConfigReading:
    """Read a file and check all that stands in it. Raises ConfigError where it is no TOML."""
    try:
        raw = read_toml(path, ConfigError)
    except FileNotFoundError:
        raise ConfigError("{file}: no such file; name one with --config", file=path) from None
    return ConfigReading(raw, path)


class ConfigReading:
    """A file as it was read: what is wrong in it so far, and the streams in which nothing is.

    `streams`: by their places in the file, their paths made absolute. More faults may be added, of
    what the file names, before it is `finished`.
    """

    def __init__(self, raw: dict[str, Any], path: Path, place: Path | Text | None = None) -> None:
        """Read a file's tables; `place`: what messages name in place of the file."""
        self._raw = raw
        self._place = place or path
        self.folder = path.resolve().parent
        self.faults = value_faults(raw, ConfigTables)
        self.inline_secrets: list[str] = []
        self.broker = self._broker()
        self.streams = dict(self._sound_streams())
        self.faults += self._parts_faults()
        self.faults += name_faults(self._names())
        for index, stream in self.streams.items():
            self.faults += stream_faults(stream, f"streams[{index}]")
        self.faults += shared_faults(self.streams)
        self.faults += self._device_faults()
        self.faults += beside_faults(self.streams)
        self.streams = {
            index: one
            for index, one in self.streams.items()
            if not spoils(self.faults, f"streams[{index}]")
        }

    def broken_streams(self) -> Iterator[tuple[int, StreamOptions]]:
        """Yield the other streams, made of what holds in them: of model and rules alone."""
        for index, where, table in self._tables():
            if (
                index in self.streams
                or "model" not in table
                or spoils(self.faults, f"{where}.model")
            ):
                continue
            # All rules or none: what is said of a rule names its place among them.
            sound = () if spoils(self.faults, f"{where}.rules") else table.get("rules", ())
            rules = tuple(part(rule, RuleOptions) for rule in sound)
            model = part(table["model"], ModelOptions)
            yield index, StreamOptions(name=where, model=model, rules=rules)

    @property
    def forced_engine(self) -> str:
        """The engine that the device forces; where its table is wrong, none."""
        table = self._raw.get("inference", {})
        if spoils(self.faults, "inference"):
            table = {}
        options: InferenceOptions = part(table, InferenceOptions)
        return options.engine

    @property
    def config(self) -> Config | None:
        """The configuration; None where anything in it is wrong."""
        if self.faults or self.broker is None:
            return None
        tables = part(self._raw, ConfigTables)
        fields = {name: getattr(tables, name) for name in tables.__struct_fields__}
        streams = tuple(self.streams.values())
        return Config(
            **(fields | {"broker": self.broker, "streams": streams, "folder": self.folder}),
            inline_secrets=tuple(dict.fromkeys(self.inline_secrets)),
        )

    def finished(self) -> Config:
        """Return the configuration. Raises ConfigError, or what a fault names, with all faults."""
        config = self.config
        if config is None:
            refuse(self.faults, self._raw, self._place, ConfigError)
        return config

    def _broker(self) -> BrokerOptions | None:
        table = self._raw.get("broker")
        if table is None or spoils(self.faults, "broker"):
            return None
        broker: BrokerOptions = resolved(part(table, BrokerOptions), self.folder)
        self.faults += [Fault(f"broker.{key}", wrong) for key, wrong in broker_faults(broker)]
        return broker

    def _device_faults(self) -> list[Fault]:
        """Return what is wrong with the device's time zone, and with modes and who names them."""
        found: list[Fault] = []
        if "device" in self._raw and not spoils(self.faults, "device"):
            device: DeviceOptions = part(self._raw["device"], DeviceOptions)
            found += zone_faults(device)
        is_whole = len(self.streams) == len(self._tables())
        if not spoils(self.faults, "modes"):
            modes: ModesOptions = part(self._raw.get("modes", {}), ModesOptions)
            found += mode_faults(modes, self.streams, is_whole=is_whole)
        return found

    def _tables(self) -> list[tuple[int, str, dict[str, Any]]]:
        """Return the streams' tables, each with its index and its place."""
        tables = self._raw.get("streams")
        found = enumerate(tables) if isinstance(tables, list) else ()
        return [(index, f"streams[{index}]", one) for index, one in found if isinstance(one, dict)]

    def _sound_streams(self) -> Iterator[tuple[int, StreamOptions]]:
        """Yield the streams in which every value is one that may stand there."""
        for index, where, table in self._tables():
            if spoils(self.faults, where):
                continue
            stream: StreamOptions = part(table, StreamOptions)
            source = self._source(stream.source, where)
            if source is not None:
                yield index, msgspec.structs.replace(stream, source=source)

    def _source(self, source: SourceOptions, where: str) -> Any:
        """Return source options as their file says that they are; None where something is wrong."""
        placed: SourceOptions = resolved(source, self.folder)
        faults = [Fault(f"{where}.source.{key}", wrong) for key, wrong in placed.problems()]
        found: Any = placed
        try:
            found = placed.with_secrets(self.folder).resolved()
        except SecretError as error:
            faults.append(Fault(f"{where}.source.{placed.secret_key}", error.text))
        except UsageError as error:
            faults.append(Fault(f"{where}.source.path", error.text))
        if placed.has_inline_secret:
            self.inline_secrets.append(f"{where}.source.device")
        self.faults += faults
        return None if faults else found

    def _parts_faults(self) -> list[Fault]:
        """Return what is wrong with rules and, in streams that do not hold, with their sources."""
        found: list[Fault] = []
        for _, where, table in self._tables():
            at = f"{where}.source"
            is_broken = spoils(self.faults, where)
            if is_broken and "source" in table and not spoils(self.faults, at):
                self._source(part(table["source"], SourceOptions), where)
            rules = table.get("rules")
            for number, rule in enumerate(rules if isinstance(rules, list) else ()):
                at = f"{where}.rules[{number}]"
                if not spoils(self.faults, at):
                    found += rule_faults(part(rule, RuleOptions), at)
        return found

    def _names(self) -> list[tuple[str, str]]:
        """Return the keys and names of the streams, those of which the name may stand there."""
        return [
            (f"{where}.name", table["name"])
            for _, where, table in self._tables()
            if isinstance(table.get("name"), str) and not spoils(self.faults, f"{where}.name")
        ]


def config_faults(config: Config) -> Iterator[Fault]:
    """Yield what the types cannot say of a configuration that comes from elsewhere than a file."""
    yield from (Fault(f"broker.{key}", wrong) for key, wrong in broker_faults(config.broker))
    streams = dict(enumerate(config.streams))
    yield from zone_faults(config.device)
    yield from mode_faults(config.modes, streams)
    yield from name_faults((f"streams[{at}].name", one.name) for at, one in streams.items())
    for index, stream in streams.items():
        where = f"streams[{index}]"
        for key, wrong in stream.source.problems():
            yield Fault(f"{where}.source.{key}", wrong)
        for number, rule in enumerate(stream.rules):
            yield from rule_faults(rule, f"{where}.rules[{number}]")
        yield from stream_faults(stream, where)
    yield from shared_faults(streams)
    yield from beside_faults(streams)


def stream_named(config: Config, name: str) -> tuple[int, StreamOptions]:
    """Return a stream and its place in the file. Raises ConfigError."""
    for index, stream in enumerate(config.streams):
        if stream.name == name:
            return index, stream
    known = ", ".join(stream.name for stream in config.streams)
    raise ConfigError(
        "no stream '{name}' in the configuration; there are {known}", name=name, known=known
    )


def resolved(section: Any, folder: Path) -> Any:
    """Make a table's relative paths absolute, from the file's folder."""
    changes = {
        field: (folder / value)
        for field in section.__struct_fields__
        if isinstance(value := getattr(section, field), Path)
    }
    return msgspec.structs.replace(section, **changes) if changes else section
