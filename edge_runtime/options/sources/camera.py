"""`source = { kind = "camera" }`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import Meta

from edge_runtime.errors import Text
from edge_runtime.options.base import FramesPerSecond, PixelsOrZero, Seconds
from edge_runtime.options.broker import has_host
from edge_runtime.options.secrets import PLACEHOLDER, filled, secret_in
from edge_runtime.options.sources.base import BaseSourceOptions, Gives, Pacing, place_problems
from edge_runtime.options.sources.camera_names import unlike_a_device
from edge_runtime.urls import login_doubt, lower_scheme, percent_doubt, shown_url

GRACE_S = 2.0
DIAGNOSIS_S = 8.0  # what asking a network camera why it gave no video may take

# Recorders take the login in the path or the query: /user=admin&password=…&channel=1
PASSWORD_WORD = re.compile(r"(?:password|passwd|pwd|pass)=[^&{]", re.IGNORECASE)
RTSP = ("rtsp", "rtsps")
HTTP = ("http", "https")

# What OpenCV turns into pictures, by the codes of <linux/videodev2.h>.
PixelFormat: TypeAlias = Literal[
    "MJPG", "JPEG", "YUYV", "UYVY", "NV12", "NV21", "YU12", "YV12", "GREY", "BGR3", "RGB3"
]
Transport: TypeAlias = Literal["tcp", "udp"]


class CameraOptions(BaseSourceOptions, frozen=True, tag="camera"):
    """A V4L2 camera by path or index, or an rtsp:// or http:// (MJPEG) URL.

    Width and height 0: as it comes. `pixel_format` is a V4L2 camera's; None: the driver's own.
    `transport`: how an RTSP camera sends; over UDP a lost packet smears the picture. A login stands
    in `username` and `password_file`, or in the URL, where {secret:NAME} is one of `secret set`.
    """

    gives: ClassVar[Gives] = "frames"
    doctor_check: ClassVar[str] = "camera"

    device: Annotated[str, Meta(min_length=1)] | Annotated[int, Meta(ge=0, le=63)] = "/dev/video0"
    width: PixelsOrZero = 0
    height: PixelsOrZero = 0
    rate_fps: FramesPerSecond = 10.0
    open_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 5.0
    pixel_format: PixelFormat | None = None
    transport: Transport = "tcp"
    username: str | None = None
    password_file: Path | None = None

    def __post_init__(self) -> None:
        if any(0 < side < 16 for side in (self.width, self.height)):
            raise ValueError(Text("width and height must be 16 or more, or 0: as it comes"))

    @property
    def url(self) -> str:
        """The device's path, also of an index, or its URL; a URL may hold a password."""
        if isinstance(self.device, int):
            return f"/dev/video{self.device}"
        return lower_scheme(self.device)

    @property
    def scheme(self) -> str:
        """The URL's scheme in small letters; empty of a device's path."""
        return self.url.partition("://")[0] if self.is_network else ""

    @property
    def is_network(self) -> bool:
        return "://" in self.url

    @property
    def pacing(self) -> Pacing:
        return "live"

    @property
    def hang_limit_s(self) -> float:
        # A read may rightly last its timeout and the wait for the next frame that is due; an RTSP
        # open up to twice its timeout (FFmpeg connects, then probes) and a look-up of the name.
        # Where it gave nothing, the camera is asked why.
        opening_s = 2 * self.open_timeout_s + (DIAGNOSIS_S if self.is_network else 0.0)
        return opening_s + self.read_timeout_s + 1.0 / self.rate_fps + GRACE_S

    @property
    def is_foreign(self) -> bool:
        # A local camera is read by the daemon itself: its frames come raw, or as JPEG from its own
        # chip, through a device that systemd lets this service open by number.
        return self.is_network

    @property
    def is_exclusive(self) -> bool:
        return not self.is_network

    @property
    def shared_device(self) -> str:
        # A camera has several names below /dev: by number, by id, by path, by udev rule.
        return self.url if self.is_network else os.path.realpath(self.url)

    @property
    def place(self) -> str:
        return shown_url(self.url)

    def with_secrets(self, folder: Path) -> Self:
        if not self.is_network:
            return self
        url = filled(self.url, folder)
        if self.username is not None:
            password = "" if self.password_file is None else secret_in(self.password_file)
            login = ":".join(quote(one, safe="") for one in (self.username, password) if one)
            url = url.replace("://", f"://{login}@", 1)
        return msgspec.structs.replace(self, device=url, username=None, password_file=None)

    @property
    def secret_key(self) -> str:
        return "device" if self.password_file is None else "password_file"

    @property
    def has_inline_secret(self) -> bool:
        written = PLACEHOLDER.sub("", str(self.device))
        login, is_login, _ = written.partition("://")[2].rpartition("@")
        return bool(is_login and login.partition(":")[2]) or bool(PASSWORD_WORD.search(written))

    def problems(self) -> Iterator[tuple[str, Text]]:
        if (wrong := unlike_a_device(self.url)) is not None:
            yield "device", wrong
            return
        yield from place_problems("device", self.url, Text("a path such as /dev/video0, an index"))
        if self.is_network:
            yield from self._problems_of_url()
        else:
            if self.transport != "tcp":
                yield "transport", Text("remove it: it is for rtsp:// cameras")
            for key in ("username", "password_file"):
                if getattr(self, key) is not None:
                    yield key, Text("remove it: it is for network cameras")

    def _problems_of_url(self) -> Iterator[tuple[str, Text]]:
        if self.scheme not in (*RTSP, *HTTP):
            wrong = Text(
                "'{url}' is not known; give a path such as /dev/video0, an index, an rtsp:// URL, "
                "or an http:// URL that gives MJPEG",
                url=self.place,
            )
            yield "device", wrong
        elif not has_host(self.url):
            missing = Text(
                "no host in it; give {scheme}://[user:password@]host[:port]/path",
                scheme=self.scheme,
            )
            yield "device", login_doubt(self.url) or missing
        if self.username is None and self.password_file is not None:
            yield "username", Text("missing beside password_file; add it")
        if self.username is not None and "@" in self.url:
            wrong = Text("the URL has a login as well; write it in one of them")
            yield "username", wrong
        if self.pixel_format is not None:
            yield "pixel_format", Text("remove it: it is for cameras at this board (V4L2)")
        if self.transport != "tcp" and self.scheme != "rtsp":
            yield "transport", Text("remove it: it is for rtsp:// cameras")

    def warnings(self) -> Iterator[tuple[str, Text]]:
        for doubt in (login_doubt(self.url), percent_doubt(self.url)):
            if doubt is not None:
                yield "device", doubt
