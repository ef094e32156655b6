"""Parts of boards' configurations that exercises share, as a technician meets them."""

from __future__ import annotations


def head(
    device: str = "well-1",
    *,
    url: str = "mqtt://127.0.0.1:$broker_port",
    broker: str = "",
    commit_interval_s: float = 0.5,
    more: str = "",
) -> str:
    """Return all but the streams; `broker` and `more` are further lines."""
    return f"""\
[device]
site = "practice"
name = "{device}"

[broker]
url = "{url}"
connect_timeout_s = 2.0
retry_max_s = 2.0
{broker}
[outbox]
commit_interval_s = {commit_interval_s:g}
{more}
"""


def well(
    *,
    port: str = "level-probe",
    baud: int = 9600,
    framing: str = 'separator = ";"',
    level: str = "",
    dead_band: float = 0.02,
    heartbeat_s: float = 2.0,
    rules: str = "",
) -> str:
    """Return the stream of a level probe that sends `level;temperature`."""
    band = f"dead_band = {{ level = {dead_band:g} }}"
    return f"""\
[[streams]]
name = "well"
publish = {{ mode = "events", {band}, heartbeat_s = {heartbeat_s:g} }}
{rules}
[streams.source]
kind = "serial"
url = "$ports/{port}"
baud = {baud}
stale_after_s = 5

[streams.source.framing]
kind = "lines"
{framing}
columns = [{{ name = "level", unit = "m"{level} }}, {{ name = "temperature", unit = "Cel" }}]
"""


def flood(above: float) -> str:
    """Return the rule of a well that raises an alarm."""
    return (
        'rules = [{ kind = "threshold", name = "flood", channel = "level", '
        f"above = {above:g}, hysteresis = 0.1 }}]"
    )


def yard(
    polygon: str = "[[0.0, 0.3], [1.0, 0.3], [1.0, 1.0], [0.0, 1.0]]", *, more: str = ""
) -> str:
    """Return the rule of a camera that reports who enters a zone; `more`: further options."""
    return f'rules = [{{ kind = "zone", name = "yard", polygon = {polygon}{more} }}]'


def meter(*, number: int = 1, words: str = "") -> str:
    """Return the stream of a power meter, asked over Modbus RTU."""
    return f"""\
[[streams]]
name = "meter"
publish = {{ mode = "events", dead_band = {{ voltage = 1 }}, heartbeat_s = 2 }}

[streams.source]
kind = "serial"
url = "$ports/rs485"
baud = 9600
stale_after_s = 5

[streams.source.framing]
kind = "modbus"
device = {number}
every_s = 0.5
timeout_s = 0.3
registers = [
  {{ name = "voltage", unit = "V", table = "input", address = 0, type = "float32"{words} }},
  {{ name = "current", unit = "A", table = "input", address = 6, type = "float32"{words} }},
]
"""


def position() -> str:
    """Return the stream of a GNSS receiver."""
    return """\
[[streams]]
name = "position"
publish = { mode = "events", heartbeat_s = 2 }

[streams.source]
kind = "serial"
url = "$ports/gnss"
baud = 9600
stale_after_s = 5

[streams.source.framing]
kind = "nmea"
values = ["latitude", "longitude", "satellites"]
"""


def camera(address: str) -> str:
    """Return a network camera as a source; `address` is what stands behind rtsp://."""
    return f'{{ kind = "camera", device = "rtsp://{address}", open_timeout_s = 3 }}'


def road(
    *,
    source: str = '{ kind = "synthetic", seed = 3, rate_fps = 8 }',
    model: str = 'pack = "village-road"',
    rules: str = "",
    mode: str = "every_inference",
    more: str = "",
) -> str:
    """Return the stream of a camera over a road; `more` are further lines."""
    return f"""\
[[streams]]
name = "road"
source = {source}
model = {{ {model} }}
{rules}
{more}
publish = {{ mode = "{mode}" }}
"""
