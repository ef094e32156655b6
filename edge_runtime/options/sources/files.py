"""`source = { kind = "video" }` and `source = { kind = "images" }`: files of pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Self

import msgspec

from edge_runtime.errors import Text, row
from edge_runtime.options.sources.base import (
    FILE_HANG_LIMIT_S,
    BaseSourceOptions,
    Gives,
    Pacing,
)
from edge_runtime.toml_file import path_fault


class PictureFileOptions(BaseSourceOptions, frozen=True):
    """Root of the sources that decode pictures from a disk: strangers may have made them."""

    gives: ClassVar[Gives] = "frames"
    doctor_check: ClassVar[str] = "configuration"  # the file is opened as that is read
    is_file: ClassVar[bool] = True

    path: Path
    loop: bool = False
    realtime: bool = False

    @property
    def pacing(self) -> Pacing:
        return "realtime" if self.realtime else "lossless"

    @property
    def hang_limit_s(self) -> float:
        return FILE_HANG_LIMIT_S

    @property
    def is_foreign(self) -> bool:
        return True

    @property
    def reads(self) -> tuple[Path, ...]:
        return (self.path,)

    @property
    def place(self) -> str:
        return str(self.path)

    def path_problems(
        self, look: Callable[[Path], bool], otherwise: Text
    ) -> Iterator[tuple[str, Text]]:
        """Yield what is wrong with the path, `otherwise` where `look` finds nothing."""
        if fault := path_fault(self.path, look, otherwise):
            yield "path", row([self.path, fault], " ")

    def benchmarked(self, *, flat_out: bool, endless: bool) -> Self:
        realtime = self.realtime and not flat_out
        return msgspec.structs.replace(self, realtime=realtime, loop=endless)


class VideoOptions(PictureFileOptions, frozen=True, tag="video"):
    """A file. `realtime`: as its time stamps say, late frames dropped; else no frame is lost."""

    realtime: bool = True

    @property
    def hang_limit_s(self) -> float:
        # In real time it may rightly wait as long as nothing came when it was filmed.
        return math.inf if self.realtime else FILE_HANG_LIMIT_S

    @property
    def child_silence_limit_s(self) -> float:
        return FILE_HANG_LIMIT_S  # its process says when it waits for the next frame's moment

    @property
    def clip(self) -> Path | None:
        return self.path

    def problems(self) -> Iterator[tuple[str, Text]]:
        yield from self.path_problems(Path.is_file, Text("is not a file"))


class ImagesOptions(PictureFileOptions, frozen=True, tag="images"):
    """A folder of pictures, sorted by name, one a second of media time."""

    def problems(self) -> Iterator[tuple[str, Text]]:
        yield from self.path_problems(Path.is_dir, Text("is not a folder"))
