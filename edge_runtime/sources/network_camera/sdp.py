"""What a camera says that it sends: a session description (RFC 8866), as far as it matters here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import msgspec

MAX_TRACKS = 32
# RFC 3551, table 5: payload types that need no `a=rtpmap`.
STATIC = {
    "0": "PCMU", "8": "PCMA", "26": "JPEG", "31": "H261", "32": "MPV", "33": "MP2T", "34": "H263",
}  # fmt: skip
# What FFmpeg takes out of RTP packets as pictures (libavformat/rtpdec.c), but for the two codecs
# whose decoders builds of it may lack.
DECODABLE = {
    "JPEG", "MPV", "MP2T", "MP4V-ES", "H261", "H263", "H263-1998", "H263-2000", "VP8", "VP9",
    "THEORA", "DV", "RAW", "VC2",
}  # fmt: skip
CODEC_NAMES = {"H264": "H.264", "H265": "H.265", "H266": "H.266", "JPEG": "MJPEG"}
CODEC = re.compile(r"[A-Z0-9.+-]{1,20}")


class Track(msgspec.Struct, frozen=True):
    """One medium of a session: `media` is video, audio or application, `codec` its encoding."""

    media: str
    codec: str
    control: str

    @property
    def name(self) -> str:
        """The codec as people write it."""
        return CODEC_NAMES.get(self.codec, self.codec)


def tracks(description: str) -> list[Track]:
    """Return the media of a session description, in its order; it is a stranger's text."""
    sections = re.split(r"^m=", description, flags=re.MULTILINE)[1 : MAX_TRACKS + 1]
    return [track_of(section) for section in sections]


def track_of(section: str) -> Track:
    lines = section.splitlines()
    words = lines[0].split() if lines else []
    media = words[0] if words and re.fullmatch(r"[a-z]{1,20}", words[0]) else ""
    payload = words[3] if len(words) > 3 else ""
    codec = STATIC.get(payload, "")
    for value in attributes(lines, "rtpmap"):
        number, _, encoding = value.partition(" ")
        if number == payload:
            codec = encoding.partition("/")[0].strip().upper()
    known = CODEC.fullmatch(codec)
    return Track(media, codec if known else "", next(attributes(lines, "control"), ""))


def attributes(lines: list[str], name: str) -> Iterator[str]:
    """Yield the values of an attribute: `a=name:value`."""
    for line in lines:
        if line.startswith(f"a={name}:"):
            yield line.partition(":")[2].strip()


def control_url(base: str, control: str) -> str:
    """Return where a track is asked for (RFC 2326, C.1.1), with FFmpeg's way of joining."""
    if not control or control == "*":
        return base
    if re.match(r"(?i)rtsps?://", control):
        return control
    if not control.startswith("/"):
        return f"{base.rstrip('/')}/{control}"
    try:
        return urljoin(base, control)
    except ValueError:  # a base that is no URL: a stranger wrote it
        return base
