"""Units as instruments write them behind a number, and what they are of each other."""

from __future__ import annotations

import math

from edge_runtime.errors import EMPTY, Text
from edge_runtime.options import ChannelOptions

# As written, case and all (mW is no MW): what is measured, and how much of its base unit it is.
UNITS: dict[str, tuple[str, float]] = {
    "kg": ("mass", 1.0), "g": ("mass", 1e-3), "mg": ("mass", 1e-6), "t": ("mass", 1e3),
    "lb": ("mass", 0.45359237), "lbs": ("mass", 0.45359237), "oz": ("mass", 0.028349523125),
    "m": ("length", 1.0), "cm": ("length", 1e-2), "mm": ("length", 1e-3), "um": ("length", 1e-6),
    "µm": ("length", 1e-6), "km": ("length", 1e3), "ft": ("length", 0.3048),
    "in": ("length", 0.0254),
    "C": ("Celsius", 1.0), "°C": ("Celsius", 1.0), "Cel": ("Celsius", 1.0),
    "degC": ("Celsius", 1.0), "deg C": ("Celsius", 1.0), "oC": ("Celsius", 1.0),
    "F": ("Fahrenheit", 1.0), "°F": ("Fahrenheit", 1.0), "degF": ("Fahrenheit", 1.0),
    "K": ("Kelvin", 1.0),
    "%": ("share", 1.0), "%RH": ("share", 1.0), "%rH": ("share", 1.0), "RH%": ("share", 1.0),
    "Pa": ("pressure", 1.0), "hPa": ("pressure", 100.0), "kPa": ("pressure", 1e3),
    "MPa": ("pressure", 1e6), "mbar": ("pressure", 100.0), "bar": ("pressure", 1e5),
    "psi": ("pressure", 6894.757293168),
    "V": ("voltage", 1.0), "mV": ("voltage", 1e-3), "kV": ("voltage", 1e3),
    "A": ("current", 1.0), "mA": ("current", 1e-3),
    "W": ("power", 1.0), "kW": ("power", 1e3), "MW": ("power", 1e6),
    "Wh": ("energy", 1.0), "kWh": ("energy", 1e3), "MWh": ("energy", 1e6),
    "Hz": ("frequency", 1.0), "kHz": ("frequency", 1e3), "rpm": ("rotation", 1.0),
    "s": ("time", 1.0), "ms": ("time", 1e-3), "min": ("time", 60.0), "h": ("time", 3600.0),
    "L": ("volume", 1e-3), "l": ("volume", 1e-3), "mL": ("volume", 1e-6), "ml": ("volume", 1e-6),
    "m3": ("volume", 1.0), "m³": ("volume", 1.0),
    "L/min": ("flow", 1e-3 / 60), "l/min": ("flow", 1e-3 / 60), "L/s": ("flow", 1e-3),
    "l/s": ("flow", 1e-3), "m3/h": ("flow", 1 / 3600), "m³/h": ("flow", 1 / 3600),
    "m3/s": ("flow", 1.0),
    "m/s": ("speed", 1.0), "km/h": ("speed", 1 / 3.6), "kn": ("speed", 1852 / 3600),
    "m/s2": ("acceleration", 1.0), "mm/s": ("speed", 1e-3),
    "ppm": ("parts", 1.0), "ppb": ("parts", 1e-3), "pH": ("pH", 1.0),
    "lx": ("light", 1.0), "lux": ("light", 1.0), "dB": ("level", 1.0), "dBA": ("level", 1.0),
    "deg": ("angle", 1.0), "°": ("angle", 1.0), "rad": ("angle", 180.0 / math.pi),
    "ohm": ("resistance", 1.0), "Ohm": ("resistance", 1.0), "kohm": ("resistance", 1e3),
    "N": ("force", 1.0), "kN": ("force", 1e3), "NTU": ("turbidity", 1.0),
    "uS/cm": ("conductivity", 1.0), "µS/cm": ("conductivity", 1.0), "mS/cm": ("conductivity", 1e3),
    "mg/L": ("concentration", 1.0), "mg/l": ("concentration", 1.0), "ug/m3": ("dust", 1.0),
    "µg/m3": ("dust", 1.0), "µg/m³": ("dust", 1.0),
}  # fmt: skip
SCALE_TOLERANCE = 1e-3


def is_unit(text: str, channel: ChannelOptions) -> bool:
    """Say whether a text is a unit: one that is known, or the channel's own."""
    return text in UNITS or text == channel.unit


def other_unit(channel: ChannelOptions, sent: str) -> Text:
    """Return what is wrong where a sensor writes a unit; empty: it is what the channel says."""
    unit = channel.unit
    if not unit or sent == unit:
        return EMPTY
    kind, size = UNITS.get(sent, (sent, 1.0))
    own_kind, own_size = UNITS.get(unit, (unit, 1.0))
    if kind == own_kind:
        scale = size / own_size
        if math.isclose(channel.scale, scale, rel_tol=SCALE_TOLERANCE):
            return EMPTY
        return Text(
            "{name}: sent in {sent}, told as {unit} with scale {scale:g}; correct unit, or set "
            "scale to {right:g}",
            name=channel.name,
            sent=sent,
            unit=unit,
            scale=channel.scale,
            right=scale,
        )
    if channel.scale != 1.0 or channel.offset != 0.0:
        return EMPTY  # it is calculated over: into what, only the person knows
    return Text(
        "{name}: sent in {sent}, told as {unit}; correct unit, or set scale and offset",
        name=channel.name,
        sent=sent,
        unit=unit,
    )
