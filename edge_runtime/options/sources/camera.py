"""`source = { kind = "camera" }`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from msgspec import Meta

from edge_runtime.errors import Text
from edge_runtime.options.base import FramesPerSecond, PixelsOrZero, Seconds
from edge_runtime.options.broker import has_host
from edge_runtime.options.sources.base import BaseSourceOptions, Gives, Pacing, place_problems
from edge_runtime.urls import login_doubt, shown_url

GRACE_S = 2.0


class CameraOptions(BaseSourceOptions, frozen=True, tag="camera"):
    """A V4L2 camera by path or index, or an rtsp:// URL. Width and height 0: as it comes."""

    gives: ClassVar[Gives] = "frames"
    doctor_check: ClassVar[str] = "camera"

    device: Annotated[str, Meta(min_length=1)] | Annotated[int, Meta(ge=0, le=63)] = "/dev/video0"
    width: PixelsOrZero = 0
    height: PixelsOrZero = 0
    rate_fps: FramesPerSecond = 10.0
    open_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 5.0

    def __post_init__(self) -> None:
        if any(0 < side < 16 for side in (self.width, self.height)):
            raise ValueError("width and height must be 16 or more, or 0: as it comes")

    @property
    def url(self) -> str:
        """The device's path, also of an index, or its URL; a URL may hold a password."""
        return f"/dev/video{self.device}" if isinstance(self.device, int) else self.device

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
        return 2 * self.open_timeout_s + self.read_timeout_s + 1.0 / self.rate_fps + GRACE_S

    @property
    def is_foreign(self) -> bool:
        # A local camera is read by the daemon itself: its frames come raw, or as JPEG from its own
        # chip, through a device that systemd lets this service open by number.
        return self.is_network

    @property
    def is_exclusive(self) -> bool:
        return not self.is_network

    @property
    def place(self) -> str:
        return shown_url(self.url)

    def problems(self) -> Iterator[tuple[str, Text]]:
        yield from place_problems("device", self.url, Text("a path such as /dev/video0, an index"))
        if not self.is_network:
            return
        if not self.url.startswith(("rtsp://", "rtsps://")):
            wrong = Text(
                "'{url}' is not known; give a path such as /dev/video0, an index, or an rtsp:// "
                "URL",
                url=self.place,
            )
            yield "device", wrong
        elif not has_host(self.url):
            missing = Text("no host in it; give rtsp://[user:password@]host[:port]/path")
            yield "device", login_doubt(self.url) or missing

    def warnings(self) -> Iterator[tuple[str, Text]]:
        if (doubt := login_doubt(self.url)) is not None:
            yield "device", doubt
