"""What a recording says of itself: `recording.json` in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.errors import Text, UsageError, because

FORMAT = 1
MANIFEST = "recording.json"
DATA = "samples.bin"
PICTURES = "pictures"
NO_RECORDING = Text("show those of this device with `edge-runtime record --list`")


class Recorded(msgspec.Struct, frozen=True):
    """The manifest: written with the first sample, and again at the end.

    `holds` says what the source gave; `source` is its kind. `float32_channels` are those that
    came as float32. `ended` says why the recording ended; empty: it was cut short, or is going
    on. `samples` (frames, or rows), `size_bytes` and `last` are known once it has ended.
    """

    format: int
    version: str
    stream: str
    source: str
    holds: Literal["pictures", "rows"]
    begun: Stamp
    width: int = 0
    height: int = 0
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    float32_channels: tuple[str, ...] = ()
    rate_hz: float = 0.0
    ended: str = ""
    samples: int = 0
    size_bytes: int = 0
    last: Stamp | None = None

    @property
    def length_s(self) -> float:
        """Seconds from the first sample to the last; 0 where the end is not known."""
        return self.last.monotonic_s - self.begun.monotonic_s if self.last is not None else 0.0

    @property
    def what(self) -> str:
        """What it holds, for people."""
        if self.holds == "pictures":
            return f"{PICTURES} {self.width}x{self.height}"
        return self.content

    @property
    def content(self) -> str:
        """What a stream must take to be fed with it: see `BaseSourceOptions.content`."""
        return PICTURES if self.holds == "pictures" else rows_of(self.channels, self.rate_hz)


def rows_of(channels: tuple[str, ...], rate_hz: float) -> str:
    """Say which values come, and how often where that is fixed."""
    rate = f" at {rate_hz:g} Hz" if rate_hz else ""
    return f"rows of {', '.join(channels)}{rate}"


def read_recorded(folder: Path) -> Recorded:
    """Return a recording's manifest. Raises UsageError where there is none that can be read."""
    try:
        recorded = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Recorded)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            "{folder} is not a recording; {advice}", folder=folder, advice=NO_RECORDING
        ) from None
    except OSError as error:
        raise UsageError(
            "{folder}: the recording cannot be read ({reason}); its owner alone may",
            folder=folder,
            reason=because(error),
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            "{file}: damaged ({fault}); record again", file=folder / MANIFEST, fault=error
        ) from None
    if recorded.format != FORMAT:
        raise UsageError(
            "{file}: format {found} is not known here, {known} is; replay it with the version "
            "that recorded it",
            file=folder / MANIFEST,
            found=recorded.format,
            known=FORMAT,
        )
    return recorded
