"""The serial source's tables: what is taken, and what is said of what is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edge_runtime.errors import ConfigError
from edge_runtime.options import (
    BinaryOptions,
    CobsOptions,
    FieldOptions,
    LinesOptions,
    ModbusOptions,
    NmeaOptions,
    SerialOptions,
    SlipOptions,
)
from edge_runtime.toml_file import typed


def parse(text: str) -> SerialOptions:
    return typed(tomllib.loads(text), SerialOptions, Path("edge.toml"), ConfigError)


EXAMPLES = {
    LinesOptions: 'framing = { kind = "lines", columns = [{ name = "t", scale = 0.1 }] }',
    BinaryOptions: """
rate_hz = 3200.0
framing = { kind = "binary", sync = "AA55", check = "crc16-ccitt-false", rows = 32, fields = [
  { name = "x", unit = "m/s2", scale = 0.000598 }, { name = "y", skip = 2, type = "float32" },
] }""",
    SlipOptions: 'framing = { kind = "slip", fields = [{ name = "x", type = "uint8" }] }',
    CobsOptions: 'framing = { kind = "cobs", endian = "big", fields = [{ name = "x" }] }',
    NmeaOptions: 'baud = 9600\nframing = { kind = "nmea", values = ["latitude", "longitude"] }',
    ModbusOptions: """
parity = "even"
framing = { kind = "modbus", device = 7, every_s = 2.0, registers = [
  { name = "power", unit = "W", address = 12, type = "float32", table = "input" },
] }""",
}


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_every_framing_can_be_configured(kind: type) -> None:
    assert isinstance(parse(f'url = "/dev/ttyUSB0"\n{EXAMPLES[kind]}').framing, kind)


@pytest.mark.parametrize(
    ("framing", "text"),
    [
        ('kind = "line"', "framing.kind: 'line' is not known; one of lines, binary, slip, cobs"),
        ('kind = "lines"', "framing.columns: missing; add it"),
        ('kind = "lines", columns = []', "framing.columns: expected 'array' of length >= 1"),
        (
            'kind = "lines", columns = [{ name = "a b" }]',
            "framing.columns[0].name: expected a name of letters",
        ),
        ('kind = "lines", columns = [{ name = "a", at = "k" }]', "at must be a number in a CSV"),
        ('kind = "lines", format = "json", columns = [{ name = "a", at = 1 }]', "a key in a JSON"),
        ('kind = "lines", columns = [{ name = "a" }], decimal = ","', "separator and decimal must"),
        ('kind = "lines", columns = [{ name = "a" }], separator = "1"', "framing.separator: expe"),
        ('kind = "lines", columns = [{ name = "a", scale = nan }]', "must be finite numbers"),
        ('kind = "lines", columns = [{ name = "a", scale = 0.0 }]', "and scale not 0"),
        ('kind = "lines", columns = [{ name = "a", min = 2.0, max = 1.0 }]', "min must be less"),
        ('kind = "lines", columns = [{ name = "a", min = nan }]', "min must be less"),
        ('kind = "binary", fields = [{ name = "a" }]', "framing.sync: missing; add it"),
        ('kind = "binary", fields = [{ name = "a" }], sync = "xyz"', "framing.sync: expected"),
        (
            'kind = "slip", fields = [{ name = "a", type = "int24" }]',
            "'int24' is not known; one of",
        ),
        ('kind = "slip", rows = 1024, fields = [{ name = "a", skip = 9 }]', "at most 4096: lower"),
        ('kind = "nmea", values = ["height"]', "one of altitude, hdop, latitude"),
        ('kind = "modbus", registers = [{ name = "a" }]', "framing.registers[0].address: missing"),
        (
            'kind = "modbus", registers = [{ name = "a", address = 65535, type = "int32" }]',
            "address 65535 leaves no room",
        ),
        (
            'kind = "modbus", registers = [{ name = "a", address = 0, scale = 0.0 }]',
            "scale not 0",
        ),
        (
            'kind = "modbus", every_s = 10.0, registers = [{ name = "a", address = 1 }]',
            "stale_after_s must be longer than framing.every_s",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_path(framing: str, text: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse(f'url = "/dev/ttyUSB0"\nframing = {{ {framing} }}')
    assert text in str(told.value)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("baud = 10", "baud: expected 'int' >= 50"),
        ("bytesize = 9", "bytesize"),
        ('parity = "E"', "parity: 'E' is not known; one of even, mark, none, odd, space"),
        ("stopbits = 3", "stopbits"),
        ("rate_hz = 10.0", "rate_hz is for sampled signals; remove it beside this framing"),
        ("stale_after_s = 0.0", "stale_after_s: expected 'float' > 0.0"),
        ("boud = 9600", "boud: unknown key"),
    ],
)
def test_what_is_wrong_of_the_port_is_said(line: str, text: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse(f'url = "/dev/ttyUSB0"\n{line}\n{EXAMPLES[NmeaOptions].splitlines()[1]}')
    assert text in str(told.value)


def test_a_byte_takes_its_time_on_the_wire() -> None:
    port = parse('url = "x"\nbaud = 9600\nparity = "even"\n' + EXAMPLES[SlipOptions])
    assert port.byte_s == pytest.approx(11 / 9600)


def test_a_row_is_as_long_as_its_fields() -> None:
    fields = (
        FieldOptions("a", type="uint8", skip=3),
        FieldOptions("b", type="float64"),
        FieldOptions("c"),
    )
    layout = SlipOptions(fields=fields, rows=3, header_bytes=2, trailer_bytes=1)
    assert layout.row_bytes == 14
    assert layout.payload_bytes == 45
