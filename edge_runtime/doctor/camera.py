"""Each stream's camera: is it there, may we use it, does it give pictures?"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.doctor.access import held, holders, not_allowed
from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.doctor.daemon import of_each_stream
from edge_runtime.errors import SourceError
from edge_runtime.options import CameraOptions
from edge_runtime.sources import v4l2, v4l2_formats
from edge_runtime.sources.as_daemon import opened_as_daemon, read_size

GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO)


def check_cameras(context: CheckContext) -> Iterator[Finding]:
    """Look at each stream's camera; without a configuration, at what is plugged in."""
    yield from of_each_stream(
        context,
        "camera",
        none=context.text("no stream uses a camera"),
        plugged_in=plugged_in,
        device=device_of,
        look_at=look_at,
        advice=lambda why: look_after(context, why),
    )


def device_of(options: CameraOptions) -> str:
    """Return a camera's path, or its URL."""
    return options.url


def look_at(context: CheckContext, check: str, options: CameraOptions) -> Finding:
    """Look at one camera, from its plug to its first picture."""
    trouble = None if options.is_network else unusable(context, check, options)
    return trouble or first_picture(context, check, options)


def unusable(context: CheckContext, check: str, options: CameraOptions) -> Finding | None:
    """Say what keeps a camera at this board from being opened."""
    device = options.url
    try:
        v4l2.check_camera(device, options.pixel_format)
    except SourceError as error:
        cause = error.__cause__
        number = cause.errno if isinstance(cause, OSError) else None
        if number == errno.EBUSY:
            return held(context, check, device)
        if number in (errno.EACCES, errno.EPERM):
            return not_allowed(context, check, Path(device))
        if number in GONE:
            advice = context.text(
                "Check the cable. `edge-runtime camera list` shows the cameras that are there: "
                "name one of them in the stream's source."
            )
        else:
            advice = look_after(context, str(error))
        return Finding(check, "failed", error.localized(context.language), advice)
    return None


def first_picture(context: CheckContext, check: str, options: CameraOptions) -> Finding:
    """Open the camera as the daemon does, and wait for one picture."""
    shown = options.place
    started_s = context.clock.monotonic()
    try:
        with opened_as_daemon(options, context.clock) as source:
            width, height = read_size(source)
    except SourceError as error:
        if not options.is_network and holders(Path(shown)):
            return held(context, check, shown)
        text = (
            error.localized(context.language)
            if str(error).startswith(shown)
            else context.text("{device} gives no picture: {reason}", device=shown, reason=error)
        )
        return Finding(check, "failed", text, look_after(context, str(error)))
    text = context.text(
        "{device} gives {width}x{height} pixels, the first picture after {seconds:.1f} s",
        device=shown,
        width=width,
        height=height,
        seconds=context.clock.monotonic() - started_s,
    )
    return judge(context, check, text, options, (width, height))


def judge(
    context: CheckContext, check: str, text: str, options: CameraOptions, size: tuple[int, int]
) -> Finding:
    """Hold a picture's size against the one asked for (0: as it comes)."""
    wanted = (options.width, options.height)
    if not all(wanted) or size == wanted:
        return Finding(check, "ok", text)
    return Finding(
        check,
        "warning",
        context.text(
            "{camera}; asked for were {width}x{height}",
            camera=text,
            width=options.width,
            height=options.height,
        ),
        context.text(
            "Set width and height of the stream's source to a size that the camera has: "
            "`edge-runtime camera list`."
        ),
    )


def look_after(context: CheckContext, why: str) -> str:
    """Return what to do about a camera that gives nothing, or of which this is known."""
    if why:
        return context.text(
            "Do what is said there, and look again; `edge-runtime camera test` looks at the camera "
            "alone."
        )
    return context.text(
        "Unplug the camera and plug it in again; try another port, cable and power supply."
    )


def plugged_in(context: CheckContext) -> Finding:
    """Name the cameras of a board that has no configuration yet."""
    nodes = sorted((context.root / "dev").glob("video*"))
    found = [str(node) for node in nodes if is_camera(node)]
    if found:
        text = context.text("found: {devices}", devices=", ".join(found))
        return Finding("camera", "ok", text)
    return Finding(
        "camera",
        "warning",
        context.text("no camera is plugged in"),
        context.text("Plug it in, if this board is to have one, and look again."),
    )


def is_camera(node: Path) -> bool:
    """Say whether a node gives pictures."""
    try:
        with v4l2_formats.opened(str(node)) as opened:
            return v4l2_formats.capability(opened).captures
    except OSError:
        return False
