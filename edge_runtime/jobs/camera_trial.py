"""A camera that somebody names: its options, its password asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edge_runtime.clock import Clock
from edge_runtime.errors import Text, UsageError, located, row
from edge_runtime.options import CameraOptions
from edge_runtime.sources.as_daemon import opened_as_daemon, size_of
from edge_runtime.toml_file import typed

WATCHED_S = 3.0
MOST_FRAMES = 1000


def with_password(device: str, ask: Callable[[str], str]) -> str:
    """Return a URL with the password that `ask` returns for its user, encoded."""
    scheme, is_url, rest = device.partition("://")
    login, at, place = rest.partition("@")
    if not (is_url and at and login and ":" not in login and "/" not in login):
        return device
    return f"{scheme}://{login}:{quote(ask(login), safe='')}@{place}"


def options_of(device: str, wanted: dict[str, Any]) -> CameraOptions:
    """Return a camera's options as the configuration would have them. Raises UsageError."""
    given = {key: value for key, value in wanted.items() if value is not None}
    raw = {"kind": "camera", "device": device, "rate_fps": 1000.0, **given}
    options = typed(raw, CameraOptions, Path("camera"), UsageError)
    for key, wrong in options.problems():
        raise UsageError(located(key, wrong))
    return options


def watched(options: CameraOptions, clock: Clock) -> Text:
    """Watch a camera for a few seconds and return what it gave. Raises SourceError."""
    begun_s = clock.monotonic()
    with opened_as_daemon(options, clock) as source:
        frame = source.read()
        width, height = size_of(frame)
        first_s = clock.monotonic()
        stamps: list[float] = []
        while frame is not None and len(stamps) < MOST_FRAMES:
            stamps.append(frame.stamp.monotonic_s)
            if clock.monotonic() - first_s > WATCHED_S:
                break
            frame = source.read()
        codec, notice = source.codec, source.notice
    return Text(
        "{camera} gives {width}x{height} pixels as {codec}, {rate:.1f} frames/s, the first picture "
        "after {seconds:.1f} s{notice}",
        camera=options.place,
        width=width,
        height=height,
        codec=codec or Text("an unknown format"),
        rate=(len(stamps) - 1) / max(1e-3, stamps[-1] - stamps[0]),
        seconds=first_s - begun_s,
        notice=row(["", notice]) if notice else "",
    )
