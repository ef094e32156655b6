"""What every source's options answer: what a source is like before anybody has opened it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self, TypeAlias

from edge_runtime.errors import Text
from edge_runtime.options.base import Kind
from edge_runtime.options.channels import ChannelOptions
from edge_runtime.options.recorded import PICTURES, rows_of
from edge_runtime.urls import HIDDEN, SPACE, shown_url

Gives: TypeAlias = Literal["frames", "rows"]
Pacing: TypeAlias = Literal["live", "realtime", "lossless"]

FILE_HANG_LIMIT_S = 15.0  # a file on a dying card; a device's own timeouts are configured


class BaseSourceOptions(Kind, frozen=True):
    """Root of the tables of `source`. A kind fills in what has no answer here.

    `gives`: what comes of it. `doctor_check`: which of `doctor.CHECKS` looks at such a source.
    `is_file`: it is opened once at the start, as waiting would mend nothing.
    """

    gives: ClassVar[Gives]
    doctor_check: ClassVar[str]
    is_file: ClassVar[bool] = False

    @property
    def pacing(self) -> Pacing:
        """Who sets the pace: a device as things happen, a file's time stamps, or whoever reads.

        Of what is `live` or in `realtime`, samples that are late may be dropped.
        """
        raise NotImplementedError

    @property
    def is_lossless(self) -> bool:
        """Whether no sample may be dropped, so that whoever takes them makes the source wait."""
        return self.pacing == "lossless"

    @property
    def hang_limit_s(self) -> float:
        """After how long a call of the opened source, in its own process, is given up for hung."""
        raise NotImplementedError

    @property
    def child_silence_limit_s(self) -> float:
        """For how long a process that reads it for the daemon may say nothing."""
        return self.hang_limit_s

    @property
    def is_foreign(self) -> bool:
        """Whether strangers made its bytes: a process of its own decodes them."""
        return False

    @property
    def reads(self) -> tuple[Path, ...]:
        """The files and folders that it reads: nothing else of the disk is open to its process."""
        return ()

    @property
    def is_network(self) -> bool:
        """Whether it is reached over the network."""
        return False

    @property
    def is_exclusive(self) -> bool:
        """Whether a second process could not open it."""
        return False

    @property
    def shared_device(self) -> str:
        """Names the one device that several streams may share; empty: each opens its own source.

        It may hold a password.
        """
        return ""

    @property
    def comparable(self) -> dict[str, object]:
        """What two sources of one `shared_device` are compared by: all keys but its name."""
        keys = (key for key in self.__struct_fields__ if key != "device")
        return {"kind": self.kind, **{key: getattr(self, key) for key in keys}}

    @property
    def shares_port(self) -> bool:
        """Whether several streams of one process use one port, in turn."""
        return False

    @property
    def place(self) -> str:
        """Where it is, as it may be shown; empty: nowhere."""
        return ""

    @property
    def content(self) -> str:
        """What comes of it, for people, and as recordings say it."""
        return PICTURES

    def describe(self) -> tuple[str, ...]:
        """Return what it is, and what it sends, each as a few words."""
        return (f"{self.kind} {self.place}".strip(),)

    def problems(self) -> Iterator[tuple[str, Text]]:
        """Yield each key that is wrong, and what is wrong with it; devices may come later."""
        yield from ()

    def warnings(self) -> Iterator[tuple[str, Text]]:
        """Yield each key that may mean something else than it says, and what to do then."""
        yield from ()

    def with_secrets(self, folder: Path) -> Self:  # noqa: ARG002 - a kind's own
        """Return it with the secrets that it names, of the configuration's folder, filled in.

        Raises SecretError, which is about `secret_key`.
        """
        return self

    @property
    def secret_key(self) -> str:
        """The key that names a secret."""
        return "device"

    @property
    def has_inline_secret(self) -> bool:
        """Whether a password stands in it, and so in the configuration, in clear."""
        return False

    def conflict_with(self, other: BaseSourceOptions) -> tuple[str, Text] | None:  # noqa: ARG002 - a kind's own
        """Return the key that another stream's source cannot go with, and why; None: they can."""
        return None

    def resolved(self) -> BaseSourceOptions:
        """Return it as what its file says that it is. Raises UsageError."""
        return self

    def benchmarked(self, *, flat_out: bool, endless: bool) -> Self:  # noqa: ARG002 - a device's pace is its own
        """Return it as a benchmark plays it: as fast as it goes, over and over again."""
        return self

    @property
    def clip(self) -> Path | None:
        """The video file that it reads, which a program without this runtime can read as well."""
        return None


class SensorOptions(BaseSourceOptions, frozen=True):
    """Root of the sources that give rows, with names for the values in them."""

    gives: ClassVar[Gives] = "rows"

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the values in a row."""
        raise NotImplementedError

    @property
    def units(self) -> tuple[str, ...]:
        """The units of the values in a row."""
        raise NotImplementedError

    @property
    def float32_channels(self) -> frozenset[str]:
        """The channels that come as float32: further digits of them are noise."""
        raise NotImplementedError

    @property
    def sample_rate_hz(self) -> float:
        """The rate of the rows; 0: they come when they come."""
        raise NotImplementedError

    @property
    def calibration(self) -> tuple[ChannelOptions, ...]:
        """How values are made of what the sensor sends; empty where that cannot be configured."""
        return ()

    @property
    def content(self) -> str:
        return rows_of(self.channels, self.sample_rate_hz)


NOT_HOME = Text("'~' means nothing here; write the whole path")
IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?")


def serial_place_problem(url: str) -> Text | None:
    """Say what a serial port's place should be that is neither a path of /dev nor a URL."""
    if re.fullmatch(r"COM\d+", url, re.IGNORECASE):
        return Text(
            'a name of Windows; here it is a path such as "/dev/ttyUSB0" (`ls /dev/serial/by-id` '
            "shows what is plugged in)"
        )
    if re.fullmatch(r"tty\w+|serial\d+", url):
        return Text('write the whole path: "/dev/{device}"', device=url)
    if IPV4.fullmatch(url) and ":" in url:
        return Text('a serial server has a URL: "socket://{address}"', address=url)
    return relative_problem(url, "/dev/ttyUSB0")


def relative_problem(place: str, example: str) -> Text | None:
    """Say that a device is named by no whole path."""
    if place.startswith("~"):
        return NOT_HOME
    if re.fullmatch(r"[\w.-]+(/[\w.-]+)*", place):
        return Text('a device is a whole path, such as "{example}"', example=example)
    return None


def place_problems(key: str, place: str, example: Text) -> Iterator[tuple[str, Text]]:
    """Yield where a device's path and a URL cannot be told apart, without repeating either."""
    if "://" in place and SPACE.search(place):
        yield key, Text("a space in a URL; write it as %20")
    if "://" not in place and shown_url(place) == HIDDEN:
        yield key, Text("neither {example} nor a URL with its scheme; correct it", example=example)
