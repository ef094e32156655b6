"""How a URL may be shown: it can hold a password anywhere, and logs and health leave the board."""

from __future__ import annotations

import re

from edge_runtime.errors import Text

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
    behind = split_authority(url.partition("://")[2])[1]
    if "@" not in behind:
        return None
    return Text(
        "an '@' stands behind a '/', '?' or '#': if it ends user name and password, write %2F for "
        "'/', %3F for '?', %23 for '#' and %40 for '@' in them"
    )


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
