"""Each stream's camera: is it there, may we use it, does it give pictures?"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from edge_runtime.doctor.access import held, holders, not_allowed
from edge_runtime.doctor.base import Finding, Surroundings
from edge_runtime.doctor.daemon import of_each_stream
from edge_runtime.errors import SourceError
from edge_runtime.options import CameraOptions
from edge_runtime.sources import v4l2
from edge_runtime.sources.camera import CameraSource, probe
from edge_runtime.urls import login_doubt, shown_url

CAPTURES = v4l2.CAN_CAPTURE | v4l2.CAN_CAPTURE_PLANES


def check_cameras(around: Surroundings) -> Iterator[Finding]:
    """Look at each stream's camera; without a configuration, at what is plugged in."""
    yield from of_each_stream(
        around,
        "camera",
        none=around.text("no stream uses a camera"),
        plugged_in=plugged_in,
        device=device_of,
        look_at=look_at,
        advice=look_after(around),
    )


def device_of(options: CameraOptions) -> str:
    """Return a camera's path, or its URL."""
    return options.url


def look_at(around: Surroundings, check: str, options: CameraOptions) -> Finding:
    """Look at one camera, from its plug to its first picture."""
    device = options.url
    shown = options.place
    trouble = (
        unreachable(around, check, device, options.open_timeout_s)
        if options.is_network
        else unusable(around, check, device)
    )
    return trouble or first_picture(around, check, shown, options)


def unusable(around: Surroundings, check: str, device: str) -> Finding | None:
    """Say what keeps a V4L2 camera from being opened."""
    others = around.text(
        "Check the cable. `ls -l /dev/v4l/by-id` shows the cameras that are there: name one of "
        "them in the stream's source."
    )
    try:
        if not v4l2.query_flags(device) & CAPTURES:
            text = around.text(
                "{device} gives no pictures: many cameras have a second node", device=device
            )
            return Finding(check, "failed", text, others)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return held(around, check, device)
        if error.errno in (errno.EACCES, errno.EPERM):
            return not_allowed(around, check, Path(device))
        text = (
            around.text("{device} is not a camera", device=device)
            if error.errno in (errno.ENOTTY, errno.EINVAL, errno.EISDIR)
            else around.text("{device}: no such camera", device=device)
        )
        return Finding(check, "failed", text, others)
    return None


def unreachable(around: Surroundings, check: str, url: str, timeout_s: float) -> Finding | None:
    """Say what keeps a network camera from being reached."""
    shown = shown_url(url)
    try:
        probe(url, timeout_s)
    except socket.gaierror:
        text = around.text("{url}: the name is not known", url=shown)
        advice = around.text("Give the camera's address in place of its name, or correct the DNS.")
    except OSError:
        text = around.text("{url}: the camera cannot be reached", url=shown)
        advice = around.text(
            "Check the camera's power and network cable; `ping {host}` must answer.",
            host=urlsplit(shown).hostname,
        )
    else:
        return None
    doubt = login_doubt(url)
    return Finding(check, "failed", text, doubt.localized(around.language) if doubt else advice)


def first_picture(around: Surroundings, check: str, shown: str, options: CameraOptions) -> Finding:
    """Open the camera as the daemon does, and wait for one picture."""
    source = CameraSource(options, around.clock)
    started_s = around.clock.monotonic()
    try:
        source.open()
        frame = source.read()
    except SourceError as error:
        if "://" not in shown and holders(Path(shown)):
            return held(around, check, shown)
        return Finding(
            check,
            "failed",
            around.text("{device} gives no picture: {reason}", device=shown, reason=error),
            look_after(around),
        )
    finally:
        source.close()
    assert frame is not None
    height, width = frame.image.shape[:2]
    text = around.text(
        "{device} gives {width}x{height} pixels, the first picture after {seconds:.1f} s",
        device=shown,
        width=width,
        height=height,
        seconds=around.clock.monotonic() - started_s,
    )
    return judge(around, check, text, options, (width, height))


def judge(
    around: Surroundings, check: str, text: str, options: CameraOptions, size: tuple[int, int]
) -> Finding:
    """Hold a picture's size against the one asked for (0: as it comes)."""
    wanted = (options.width, options.height)
    if not all(wanted) or size == wanted:
        return Finding(check, "ok", text)
    return Finding(
        check,
        "warning",
        around.text(
            "{camera}; asked for were {width}x{height}",
            camera=text,
            width=options.width,
            height=options.height,
        ),
        around.text(
            "Set width and height of the stream's source to a size that the camera has: "
            "`v4l2-ctl --list-formats-ext`."
        ),
    )


def look_after(around: Surroundings) -> str:
    """Return what to do about a camera that is there and gives nothing."""
    return around.text(
        "Unplug the camera and plug it in again; try another port, cable and power supply."
    )


def plugged_in(around: Surroundings) -> Finding:
    """Name the cameras of a board that has no configuration yet."""
    nodes = sorted((around.root / "dev").glob("video*"))
    found = [str(node) for node in nodes if is_camera(node)]
    if found:
        text = around.text("found: {devices}", devices=", ".join(found))
        return Finding("camera", "ok", text)
    return Finding(
        "camera",
        "warning",
        around.text("no camera is plugged in"),
        around.text("Plug it in, if this board is to have one, and look again."),
    )


def is_camera(node: Path) -> bool:
    """Say whether a node gives pictures."""
    try:
        return bool(v4l2.query_flags(str(node)) & CAPTURES)
    except OSError:
        return False
