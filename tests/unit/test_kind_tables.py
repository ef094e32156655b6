"""Every kind of source, framing and rule is in every table: what is missing is named."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from msgspec import UNSET, convert

from edge_runtime import framing, sources
from edge_runtime.clock import Stamp, SystemClock
from edge_runtime.doctor import CHECKS
from edge_runtime.options import (
    BaseFramingOptions,
    BaseSourceOptions,
    BinaryOptions,
    CobsOptions,
    ColumnOptions,
    FieldOptions,
    FramingOptions,
    LinesOptions,
    ModbusOptions,
    NmeaOptions,
    Recorded,
    RegisterOptions,
    RuleOptions,
    SensorOptions,
    SensorRecordingOptions,
    SerialOptions,
    SlipOptions,
    SourceOptions,
    ThresholdOptions,
    TrackRuleOptions,
)
from edge_runtime.rules.build import CHANNEL_RULES, TRACK_RULES
from edge_runtime.sources.serial_port import SerialSource
from support.paths import ROOT
from support.sources import CASES

SOURCES: dict[str, type[BaseSourceOptions]] = {
    str(one.__struct_config__.tag): one for one in get_args(SourceOptions)
}
FRAMINGS: tuple[type[BaseFramingOptions], ...] = get_args(FramingOptions)
EXAMPLE = re.compile(r"^(?:# )?source = (\{.*?\})(?: +#.*)?$", re.MULTILINE)

NUMBER = FieldOptions("x", type="float32")
FRAMING_EXAMPLES: tuple[BaseFramingOptions, ...] = (
    LinesOptions((ColumnOptions("x", "m"),)),
    BinaryOptions(sync="AA55", fields=(NUMBER,)),
    SlipOptions((NUMBER,)),
    CobsOptions((NUMBER,)),
    NmeaOptions(),
    ModbusOptions((RegisterOptions(name="x", address=1, type="float32"),)),
)


def example_lines() -> dict[str, BaseSourceOptions]:
    """Return the sources that the file to start from shows, by their kind."""
    text = (ROOT / "systemd" / "edge-runtime.toml").read_text()
    found: dict[str, BaseSourceOptions] = {}
    for line in EXAMPLE.findall(text):
        table = tomllib.loads(f"source = {line}")["source"]
        source: BaseSourceOptions = convert(
            table, SourceOptions, dec_hook=lambda kind, value: kind(value)
        )
        found.setdefault(source.kind, source)
    return found


def sensor_recording() -> SensorRecordingOptions:
    recorded = Recorded(
        1, "0", "pump", "vibration", "rows", Stamp(0.0, 0.0, True), channels=("x",), units=("m",)
    )
    return SensorRecordingOptions(Path("pump"), recorded=recorded)


@pytest.fixture(params=[*SOURCES, "recording of a sensor"])
def source(request: pytest.FixtureRequest) -> BaseSourceOptions:
    if request.param not in SOURCES:
        return sensor_recording()
    return example_lines()[request.param]


def test_each_source_kind_can_be_opened_and_no_other() -> None:
    assert sources.KINDS.keys() == SOURCES.keys()


def test_each_source_kind_has_a_row_of_the_conformance_suite() -> None:
    assert {case.kind for case in CASES.values()} == SOURCES.keys()


def test_each_source_kind_has_an_example_line_to_start_from() -> None:
    assert example_lines().keys() == SOURCES.keys()


def test_each_source_kind_answers_for_itself(source: BaseSourceOptions) -> None:
    assert source.hang_limit_s > 0.0
    assert source.child_silence_limit_s > 0.0
    assert source.pacing in ("live", "realtime", "lossless")
    assert source.is_lossless == (source.pacing == "lossless")
    assert source.describe()[0].startswith(source.kind)
    assert source.content
    assert isinstance(list(source.problems()), list)
    assert isinstance(list(source.warnings()), list)
    assert type(source.benchmarked(flat_out=True, endless=True)) is type(source)


def test_each_source_kind_names_a_check_of_doctor(source: BaseSourceOptions) -> None:
    assert source.doctor_check in CHECKS


def test_what_gives_rows_names_its_channels_and_their_units(source: BaseSourceOptions) -> None:
    assert source.gives == ("rows" if isinstance(source, SensorOptions) else "frames")
    if isinstance(source, SensorOptions):
        assert len(source.channels) == len(source.units) > 0
        assert source.float32_channels <= set(source.channels)
        assert source.sample_rate_hz >= 0.0


def test_a_source_that_strangers_feed_can_be_asked_of_a_process_of_its_own(
    source: BaseSourceOptions,
) -> None:
    from edge_runtime.sources.capture_messages import (
        CaptureRequest,
        decode_request,
        encode_request,
    )

    if source.is_foreign:
        request = CaptureRequest(source, 4)  # type: ignore[arg-type]
        assert decode_request(encode_request(request)) == request


def test_each_framing_kind_is_listened_to_or_asked() -> None:
    assert {type(one) for one in FRAMING_EXAMPLES} == set(FRAMINGS), "an example of each"
    listened = {kind for kind in FRAMINGS if kind is not ModbusOptions}
    assert framing.KINDS.keys() == listened


@pytest.mark.parametrize("options", FRAMING_EXAMPLES, ids=lambda one: one.kind)
def test_a_source_opens_each_framing_with_the_channels_that_it_names(
    options: FramingOptions,
) -> None:
    port = SerialOptions("loop://", options)
    source = SerialSource(port, SystemClock())
    assert (source.channels, source.units) == (port.channels, port.units)
    assert options.longest_take_s >= options.poll_interval_s >= 0.0
    assert port.describe()[1].startswith(options.kind)
    typed = [getattr(one, "type", UNSET) for one in options.channel_options]
    assert len(options.float32_channels) == typed.count("float32")


def test_each_rule_kind_has_its_class() -> None:
    assert TRACK_RULES.keys() == set(get_args(TrackRuleOptions))
    assert CHANNEL_RULES.keys() == {ThresholdOptions}
    assert TRACK_RULES.keys() | CHANNEL_RULES.keys() == set(get_args(RuleOptions))


# Where code may ask of which kind a source is: its own options and module.
AT_HOME = ("options/sources/", "options/__init__.py", "options/framing.py", "options/modbus.py")
OWN = {
    "sources/recording.py": {"SensorRecordingOptions"},
    # A match over all kinds, which mypy finds incomplete where one is missing.
    "sources/serial_port.py": {one.__name__ for one in FRAMINGS},
    "framing/packets.py": {"SlipOptions", "CobsOptions"},
}
CONCRETE = {one.__name__ for one in (*SOURCES.values(), *FRAMINGS, SensorRecordingOptions)}


def kinds_asked_for(tree: ast.AST) -> Iterator[str]:
    """Yield the names that `isinstance` or a `case` ask for in a module."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "issubclass")
        ):
            yield from (n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name))
        if isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Name):
            yield node.cls.id


def test_nobody_but_its_own_module_asks_of_which_kind_a_source_is() -> None:
    package = ROOT / "edge_runtime"
    asked: dict[str, set[str]] = {}
    for file in sorted(package.rglob("*.py")):
        name = str(file.relative_to(package))
        found = CONCRETE & set(kinds_asked_for(ast.parse(file.read_text())))
        if found and not name.startswith(AT_HOME):
            asked[name] = found
    assert asked == OWN, "let the options answer (options/sources/base.py)"
