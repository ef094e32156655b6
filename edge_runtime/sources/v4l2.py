"""What a device file is, before OpenCV opens it: OpenCV says no more than "can't open"."""

from __future__ import annotations

import errno
import stat
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.errors import SourceError, Text, because
from edge_runtime.sources import v4l2_formats
from edge_runtime.sources.v4l2_formats import Capability

# What OpenCV makes pictures of (modules/videoio/src/cap_v4l.cpp); raw Bayer of 8 bits as well, in
# wrong colours and without exposure control: a sensor without its image processor.
CONVERTIBLE = {
    "MJPG", "JPEG", "YUYV", "UYVY", "YVYU", "NV12", "NV21", "YU12", "YV12", "GREY", "Y16", "BGR3",
    "RGB3", "BGR4", "RGB4", "XR24", "AR24",
}  # fmt: skip
# Drivers of a board's camera port (CSI): what they give is the sensor's own, to be developed by
# libcamera or by the maker's own programs.
CSI_DRIVERS = {
    "unicam", "rp1-cfe", "tegra-video", "rkcif", "rkisp1", "rkisp_v4l2", "sun6i-csi", "sun4i_csi",
    "imx-media", "mtk-cam", "qcom-camss",
}  # fmt: skip

LIST_CAMERAS = Text("name one that `edge-runtime camera list` shows")


def check_camera(path: str, pixel_format: str | None = None) -> None:
    """Raise SourceError, with what to do, where a path does not name a camera we may use."""
    try:
        if not stat.S_ISCHR(Path(path).stat().st_mode):
            raise SourceError(
                "{path} is not a camera but a file or folder; {advice}",
                path=path,
                advice=LIST_CAMERAS,
            )
        with v4l2_formats.opened(path) as node:
            capability = v4l2_formats.capability(node)
            offered = [one.code for one in v4l2_formats.formats(node)]
    except OSError as error:
        raise SourceError(explain(path, error)) from error
    if (fault := unfit(path, capability, offered, pixel_format)) is not None:
        raise SourceError(fault)


def unfit(
    path: str, capability: Capability, offered: Sequence[str], pixel_format: str | None
) -> Text | None:
    """Say why a V4L2 node gives no pictures that can be used; None where it may.

    `offered`: its pixel formats; empty: it does not tell.
    """
    if not capability.captures:
        return Text(
            "{path} gives no pictures (driver {driver}; many cameras have a second node for "
            "metadata, many boards one for a codec); {advice}",
            path=path,
            driver=capability.driver,
            advice=LIST_CAMERAS,
        )
    if offered and CONVERTIBLE.isdisjoint(offered):
        return raw_only(path, capability, offered)
    if pixel_format is not None and offered and pixel_format not in offered:
        return Text(
            "{path} has no pixel format {wanted}; it has {offered}",
            path=path,
            wanted=pixel_format,
            offered=", ".join(offered),
        )
    return None


def raw_only(path: str, capability: Capability, offered: Sequence[str]) -> Text:
    """Say that a node gives what its sensor measured, and no pictures yet."""
    formats = ", ".join(offered)
    if capability.driver in CSI_DRIVERS:
        return Text(
            "{path} is a camera on the board's camera port (CSI, driver {driver}) and gives raw "
            "data of its sensor alone ({formats}), which libcamera has to develop: have rpicam-vid "
            "or MediaMTX send it on, and name that as rtsp:// or as a v4l2loopback device; see "
            '"Cameras on the ribbon cable" in the guide',
            path=path,
            driver=capability.driver,
            formats=formats,
        )
    return Text(
        "{path} (driver {driver}) gives only {formats}, of which no pictures can be made here; "
        "{advice}",
        path=path,
        driver=capability.driver,
        formats=formats,
        advice=LIST_CAMERAS,
    )


def explain(path: str, error: OSError) -> Text:
    """Say what the kernel's answer means and what to do about it."""
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO | errno.ENOTDIR:
            return Text(
                "{path}: no such camera; check its cable and power, and {advice}",
                path=path,
                advice=LIST_CAMERAS,
            )
        case errno.EACCES | errno.EPERM:
            return Text(
                "{path}: permission denied; add the user to the group video and log in again",
                path=path,
            )
        case errno.EBUSY:
            return busy(path)
        case errno.ENOTTY | errno.EINVAL:
            return Text("{path} is not a camera; {advice}", path=path, advice=LIST_CAMERAS)
    return Text(
        "{path}: cannot be opened ({reason}); check the camera's cable and power",
        path=path,
        reason=because(error),
    )


def why_not_started(path: str) -> Text:
    """Say why a camera that is there does not start, as far as its driver tells."""
    try:
        with v4l2_formats.opened(path) as node:
            v4l2_formats.set_same_format(node)
    except OSError as error:
        return explain(path, error)
    return Text(
        "{path}: the camera does not start, and its driver does not say why; set another "
        "pixel_format, width and height ({list} shows which there are), then unplug it and plug "
        "it in again",
        path=path,
        list="`edge-runtime camera list`",
    )


def why_lost(path: str) -> Text:
    """Say why a camera at this board gives no more pictures, as far as its driver tells."""
    try:
        with v4l2_formats.opened(path) as node:
            v4l2_formats.capability(node)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            return Text(
                "{path}: the camera is gone: it was unplugged, or lost its power; check its cable "
                "and the power supply",
                path=path,
            )
        return explain(path, error)
    return Text(
        "{path}: the camera is still there, but its driver broke off; `sudo dmesg` tells why; try "
        "another port or cable, or a smaller size",
        path=path,
    )


def busy(path: str) -> Text:
    """Say that somebody else has a camera."""
    return Text("{path}: another program uses the camera (`fuser -v {path}`); stop it", path=path)
