"""How a URL may be shown: it can hold a password anywhere, and logs and health leave the board."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from edge_runtime.errors import Text, row

HIDDEN = "…"
SPACE = re.compile(r"\s")

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}")
AUTHORITY_END = re.compile(r"[/?#]")
HOST = r"(?:[\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}(?:%[\w.-]{1,32})?\])"
HOST_AND_PORT = re.compile(rf"{HOST}(?::\d{{1,5}})?")
# A path, or a host somebody wrote without a scheme. udev puts '@', '=' and '#' into names of its
# own (SYMLINK, "udev(7)"); elsewhere they may belong to a login whose scheme is missing.
NO_URL = re.compile(r"/dev/.*|/(?!/)[^@?#&=;]*|[\w./+-]+(?::\d{1,5})?")
URL_IN_TEXT = re.compile(r"(\S*?)((?:[A-Za-z][A-Za-z0-9+.-]*)?://\S*)")
RESERVED = re.compile(r"[/?#]|%(?![0-9A-Fa-f]{2})|@")
BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
MAX_PLACES = 6
PATH_PART = re.compile(r"[a-z]+|\d+|.", re.DOTALL)
PLAIN_PART = re.compile(r"\d{1,3}|[/_.-]")
PATH_WORDS = {
    "av", "axis", "bin", "cam", "camera", "cgi", "ch", "channel", "channels", "depth", "first",
    "h", "hevc", "high", "image", "images", "img", "index", "jpeg", "jpg", "live", "low", "main",
    "major", "media", "medium", "minor", "mjpeg", "mjpg", "mp", "mpeg", "onvif", "preview",
    "primary", "profile", "raw", "realmonitor", "sdp", "second", "snap", "snapshot", "stream",
    "streaming", "streams", "sub", "track", "trackid", "unicast", "video", "videomain",
    "videostream", "videosub",
}  # fmt: skip
OPENING, CLOSING = "([{<'\"`=", ".,:;!?'\"`)]}>"


def shown_url(url: str) -> str:
    """Return what may be told of a URL: scheme, host and port; a path alone as it is.

    A password may stand in the login, the path, the query or the fragment, and a login may hold
    '/', '?' or '#' that should have been encoded. Whatever cannot be told apart beyond doubt is
    "…". Any text may be given; it is never changed where it is shown already.
    """
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        return url if NO_URL.fullmatch(url) else HIDDEN
    if not SCHEME.fullmatch(scheme):
        return HIDDEN
    if not rest:
        return url
    if scheme.lower() == "file" and rest.startswith("/"):  # a file of this board is no secret
        return f"{scheme}://{re.split('[?#]', rest)[0]}"
    authority, behind = split_authority(rest)
    place = authority.rpartition("@")[2]
    is_certain = "@" not in behind and HOST_AND_PORT.fullmatch(place)
    return f"{scheme}://{place if is_certain else HIDDEN}"


def split_authority(rest: str) -> tuple[str, str]:
    """Return `login@host:port` and what is behind it, as RFC 3986 (and FFmpeg) tell them apart."""
    end = AUTHORITY_END.search(rest)
    return (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])


def login_doubt(url: str) -> Text | None:
    """Say how to write a URL whose login may be meant to end behind its first '/', '?' or '#'."""
    rest = url.partition("://")[2]
    if "@" not in split_authority(rest)[1]:
        return None
    return Text(
        "an '@' stands behind a '/', '?' or '#': if it ends user name and password, write these "
        "in them otherwise: {places}",
        places=encoded_places(url, len(url) - len(rest), url.rindex("@"), RESERVED),
    )


def percent_doubt(url: str) -> Text | None:
    """Say where a login holds a '%' that begins no %XX: each reader takes it in its own way."""
    rest = url.partition("://")[2]
    start, end = len(url) - len(rest), url.rfind("@")
    if start == 0 or not BARE_PERCENT.search(url, start, max(start, end)):
        return None
    places = encoded_places(url, start, end, BARE_PERCENT)
    return Text("a '%' in user name or password begins no %XX: {places}", places=places)


def encoded_places(url: str, start: int, end: int, unsafe: re.Pattern[str]) -> Text:
    """Say how to write the characters that a login between two places must not hold as they are."""
    found = list(unsafe.finditer(url, start, end))[:MAX_PLACES]
    return row(
        [
            Text(
                "%{code:02X} for the '{character}' at character {place}",
                code=ord(one[0]),
                character=one[0],
                place=one.start() + 1,
            )
            for one in found
        ],
        ", ",
    )


def shown_path(url: str) -> str:
    """Return the path that a URL asks for where it is beyond doubt that no secret stands in it.

    Cameras take passwords and tokens in their paths: one is shown where each of its words is one
    that makers of cameras use, and each number short. Else it is "…".
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    found = PATH_PART.findall(parts.path.lower())
    is_plain = all(part in PATH_WORDS or PLAIN_PART.fullmatch(part) for part in found)
    has_more = parts.query or parts.fragment
    return (parts.path or "/") if is_plain and not has_more else HIDDEN


def lower_scheme(url: str) -> str:
    """Return a URL with its scheme in small letters, as libraries expect it."""
    scheme, is_url, rest = url.partition("://")
    return f"{scheme.lower()}://{rest}" if is_url and SCHEME.fullmatch(scheme) else url


def without_urls(text: str) -> str:
    """Return a text of a library's, each URL in it as it may be shown."""
    return URL_IN_TEXT.sub(lambda found: shown_within(found[1], found[2]), text)


def shown_within(before: str, url: str) -> str:
    """Show a URL that stands in a text, with what touches it.

    Punctuation stays where it cannot be the end of a secret. What stands before may be a login.
    """
    bare = url.rstrip(CLOSING)
    shown = shown_url(bare)
    kept = url[len(bare) :] if shown == bare else ""
    return (before if not before.strip(OPENING) else HIDDEN) + shown + kept


def error_text(error: BaseException) -> str:
    """Return an error of a library's, or a defect, as a few words: its type and its text."""
    return without_urls(f"{type(error).__name__}: {error}")
