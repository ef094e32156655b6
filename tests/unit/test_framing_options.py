"""The serial source's tables: what is taken, and what is said of what is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edge_runtime.config import load
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
        (
            'kind = "line"',
            "framing.kind: 'line' is not known; did you mean 'lines'? One of lines, binary",
        ),
        ('kind = "lines"', "framing.columns: missing; add it"),
        ('kind = "lines", columns = []', "framing.columns: 0 values; at least 1 are wanted"),
        (
            'kind = "lines", columns = [{ name = "a b" }]',
            "framing.columns[0].name: expected a name of letters",
        ),
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
            "'int24' is not known; did you mean",
        ),
        ('kind = "slip", rows = 1024, fields = [{ name = "a", skip = 9 }]', "at most 4096: lower"),
        ('kind = "nmea", values = ["height"]', "did you mean 'altitude'? One of latitude"),
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
        ("baud = 10", "baud: 10 is out of bounds; from 50 to"),
        ("bytesize = 9", "bytesize"),
        ('parity = "E"', "parity: 'E' is not known; one of none, even, odd, mark, space"),
        ("stopbits = 3", "stopbits"),
        ("rate_hz = 10.0", "rate_hz is for sampled signals; remove it beside this framing"),
        ("stale_after_s = 0.0", "stale_after_s: 0 is out of bounds; more than 0.0"),
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


def test_what_modbus_tcp_opens() -> None:
    registers = (
        'framing = { kind = "modbus", device = 255, registers = [{ name = "a", address = 1 }] }'
    )
    for url, opened in (
        ("modbus-tcp://192.0.2.9", "socket://192.0.2.9:502"),
        ("modbus-tcp://meter.example:1502/", "socket://meter.example:1502"),
        ("modbus-tcp://[2001:db8::9]", "socket://[2001:db8::9]:502"),
        ("modbus-tcp://[2001:db8::9]:503", "socket://[2001:db8::9]:503"),
    ):
        options = parse(f'url = "{url}"\n{registers}')
        assert (options.pyserial_url, options.place) == (opened, url.rstrip("/"))
    with pytest.raises(ConfigError, match="is for framing of kind"):
        parse(f'url = "modbus-tcp://192.0.2.9"\n{EXAMPLES[LinesOptions]}')
    (wrong,) = parse(f'url = "modbus-tcp://"\n{registers}').problems()
    assert wrong[0] == "url"


METER = """
[[streams]]
name = "meter-{number}"
[streams.source]
kind = "serial"
url = "{url}"
{settings}
framing = {{ kind = "modbus", device = {device}, timeout_s = {timeout}, registers = [
  {{ name = "v", address = 0 }}] }}
"""


def two_streams(tmp_path: Path, second: str, **given: object) -> Path:
    """Return the file of two streams; the second differs from the first by what is given."""
    first: dict[str, object] = {
        "number": 1, "url": "/dev/ttyUSB0", "settings": "", "device": 1, "timeout": 0.5,
    }  # fmt: skip
    file = tmp_path / "edge.toml"
    file.write_text(
        '[device]\nsite = "s"\n[broker]\nurl = "mqtt://127.0.0.1"\n'
        + METER.format_map(first)
        + second.format_map(first | {"number": 2, "device": 2} | given)
    )
    return file


LISTENING = """
[[streams]]
name = "gps"
source = {{ kind = "serial", url = "{url}", framing = {{ kind = "nmea" }} }}
"""


@pytest.mark.parametrize(
    ("second", "given", "wrong"),
    [
        (METER, {"settings": "baud = 9600"}, "baud: {first}9600 here and 115200 there; devices on"),
        (METER, {"settings": 'parity = "even"'}, "parity: {first}even here and none there; devic"),
        (
            METER,
            {"device": 1, "timeout": 1.0},
            "framing.timeout_s: {first}1 s here and 0.5 s",
        ),
        (
            LISTENING,
            {},
            "url: {first}one port gives one stream, but for Modbus",
        ),
    ],
)
def test_streams_that_cannot_share_a_port_are_refused_with_both_places(
    tmp_path: Path, second: str, given: dict[str, object], wrong: str
) -> None:
    with pytest.raises(ConfigError) as told:
        load(two_streams(tmp_path, second, **given))
    first = "streams[0] ('meter-1') has the same /dev/ttyUSB0: "
    assert f"streams[1].source.{wrong.format(first=first)}" in str(told.value)


def test_modbus_devices_may_share_a_port_and_links_lead_to_one(tmp_path: Path) -> None:
    assert len(load(two_streams(tmp_path, METER)).streams) == 2
    assert len(load(two_streams(tmp_path, METER, device=1)).streams) == 2
    (tmp_path / "usb-rs485").symlink_to("/dev/ttyUSB0")
    with pytest.raises(ConfigError, match="baud: streams"):
        load(two_streams(tmp_path, METER, url=tmp_path / "usb-rs485", settings="baud = 9600"))
    assert len(
        load(two_streams(tmp_path, METER, url="/dev/ttyUSB1", settings="baud = 9600")).streams
    )
