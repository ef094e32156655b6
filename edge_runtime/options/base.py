"""What all tables of the configuration are made of: roots, names, bounds."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_runtime.boxes import Point
from edge_runtime.language import N_
from edge_runtime.toml_file.near import plainly


def hyphenated(text: str) -> str:
    """Return the nearest name to what somebody typed: `Hà Giang` is `ha-giang`."""
    return re.sub(r"[^a-z0-9]+", "-", plainly(text))[:32].strip("-")


Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9-]{1,32}\Z",
        description=N_("1 to 32 of a-z, 0-9 and '-'"),
        extra={"mend": hyphenated},  # the nearest text that the pattern takes
    ),
]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(gt=0.0, le=31_536_000.0)]
SecondsOrZero = Annotated[float, Meta(ge=0.0, le=31_536_000.0)]
FramesPerSecond = Annotated[float, Meta(gt=0.0, le=1000.0)]
Pixels = Annotated[int, Meta(ge=16, le=16384)]
PixelsOrZero = Annotated[int, Meta(ge=0, le=16384)]
Hours = Annotated[tuple[str, ...], Meta(max_length=32)]
Polygon = Annotated[tuple[Point, ...], Meta(min_length=3, max_length=64)]
FLOAT32_MAX = 3.4028234e38


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Root of every table in the file."""


class Kind(Section, frozen=True, tag_field="kind"):
    """Root of the tables that say their `kind`."""

    @property
    def kind(self) -> str:
        """What the file calls it."""
        return str(self.__struct_config__.tag)
