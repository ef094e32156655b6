"""`edge-runtime camera`: which cameras there are, and what one of them gives."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from edge_runtime.cli.camera_accept import accept
from edge_runtime.cli.localized import LocalizedCommand, LocalizedGroup, lang_option
from edge_runtime.cli.logs import set_up_silence
from edge_runtime.cli.paths import SYSTEM_CONFIG
from edge_runtime.cli.printable import say
from edge_runtime.errors import SourceError, Text, UsageError
from edge_runtime.language import N_, Code, Language, choose

if TYPE_CHECKING:
    from edge_runtime.options import CameraOptions
    from edge_runtime.sources.v4l2_formats import FrameSize, PixelFormatOffer


@click.group(
    cls=LocalizedGroup,
    help=N_("List the cameras of this board, and look at one as the daemon would."),
)
def camera() -> None:
    """List the cameras of this board, and look at one as the daemon would."""


camera.add_command(accept)


@camera.command(
    "list",
    cls=LocalizedCommand,
    help=N_("Show the cameras at this board (V4L2): their formats, sizes and frames/s."),
)
@lang_option
def list_cameras(lang: Code | None) -> None:
    """Show each node that gives pictures, and name those that do not."""
    language = choose(lang)
    nodes = sorted(Path("/dev").glob("video*"), key=number_of)
    lines = [line for node in nodes for line in describe_node(node, language)]
    say("\n".join(lines) if lines else language.text(NONE))


NONE = N_(
    "no camera is at this board: no /dev/video* is there. Plug it in; a network camera is not "
    "listed: `edge-runtime camera test rtsp://user@ADDRESS/PATH` looks at one"
)


def number_of(node: Path) -> tuple[int, str]:
    """Return what orders nodes as people count."""
    digits = node.name.removeprefix("video")
    return (int(digits) if digits.isdecimal() else 0, node.name)


def describe_node(node: Path, language: Language) -> Iterator[str]:
    """Yield what a node is, and below it what it offers."""
    from edge_runtime.sources import v4l2, v4l2_formats

    try:
        with v4l2_formats.opened(str(node)) as opened:
            about = v4l2_formats.capability(opened)
            offers = v4l2_formats.formats(opened, with_sizes=True) if about.captures else []
    except OSError as error:
        yield v4l2.explain(str(node), error).localized(language)
        return
    if not about.captures:
        yield language.text(
            "{node}  {card} ({driver}): gives no pictures",
            node=node,
            card=about.card,
            driver=about.driver,
        )
        return
    yield f"{node}  {about.card} ({about.driver}, {about.bus})"
    if (lasting := lasting_name(node)) is not None:
        yield language.text("  lasting name: {name}", name=lasting)
    fault = v4l2.unfit(str(node), about, [offer.code for offer in offers], None)
    if fault is not None:
        yield "  " + fault.localized(language)
    for offer in offers:
        yield from describe_offer(offer, language)


def lasting_name(node: Path) -> Path | None:
    """Return the name that stays a camera's, whatever is plugged in beside it."""
    links = sorted(Path("/dev/v4l/by-id").glob("*"))
    return next((link for link in links if link.resolve() == node.resolve()), None)


def describe_offer(offer: PixelFormatOffer, language: Language) -> Iterator[str]:
    """Yield a format's code and name, and its sizes."""
    yield f"  {offer.code}  {offer.description}"
    for size in offer.sizes:
        rates = ", ".join(f"{rate:g}" for rate in size.rates_fps)
        at = language.text(" at {rates} frames/s", rates=rates) if rates else ""
        yield f"    {shown_size(size, language)}{at}"


def shown_size(size: FrameSize, language: Language) -> str:
    """Return a size, or the range that it begins."""
    first = f"{size.width}x{size.height}"
    if size.up_to is None:
        return first
    last = "{}x{}".format(*size.up_to)
    return language.text("from {first} to {last}", first=first, last=last)


@camera.command(
    "test",
    cls=LocalizedCommand,
    help=N_(
        "Open a camera as the daemon would, and say what comes: size, frames/s, codec; or why "
        "nothing comes.\n"
        "\n"
        "DEVICE is a path such as /dev/video0, or a URL (rtsp://, http://). Of a URL with a user "
        "name and no password the password is asked for: it then stands in no shell's history. "
        "Without DEVICE the camera of a stream in the configuration is opened.\n"
        "\n"
        "Exit status: 0 pictures came, 1 none came, 2 wrong input."
    ),
)
@click.argument("device", required=False)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=SYSTEM_CONFIG,
    show_default=True,
    help=N_("The configuration whose stream is meant."),
)
@click.option("--stream", help=N_("The stream whose camera is meant; default: the only one."))
@click.option(
    "--transport",
    type=click.Choice(["tcp", "udp"]),
    default=None,
    help=N_("How an RTSP camera sends."),
)
@click.option("--pixel-format", default=None, help=N_("A V4L2 camera's format, such as MJPG."))
@click.option("--width", type=int, default=None, help=N_("A V4L2 camera's width in pixels."))
@click.option("--height", type=int, default=None, help=N_("A V4L2 camera's height in pixels."))
@lang_option
def test_camera(
    device: str | None,
    config_file: Path,
    stream: str | None,
    lang: Code | None,
    **wanted: Any,
) -> None:
    """Open one camera and count what it gives."""
    from edge_runtime.clock import SystemClock
    from edge_runtime.jobs.camera_trial import options_of, watched, with_password

    set_up_silence()
    language = choose(lang)

    def asked(user: str) -> str:
        question = language.text("Password of {user}", user=user)
        answer: str = click.prompt(question, hide_input=True, err=True)
        return answer

    options = (
        options_of(with_password(device, asked), wanted)
        if device is not None
        else configured(config_file, stream)
    )
    for _key, doubt in options.warnings():
        say(language.text("note: {doubt}", doubt=doubt))
    try:
        say(watched(options, SystemClock()).localized(language))
    except SourceError as error:
        say(language.text("no picture: {reason}", reason=error), err=True)
        sys.exit(1)


def configured(config_file: Path, stream: str | None) -> CameraOptions:
    """Return the camera of a stream. Raises UsageError where it is not clear which one."""
    from edge_runtime.config import load, stream_named

    config = load(config_file)
    streams = config.streams if stream is None else (stream_named(config, stream)[1],)
    cameras = [one for one in streams if one.source.doctor_check == "camera"]
    if len(cameras) != 1:
        names = ", ".join(one.name for one in cameras) or Text("none")
        raise UsageError(
            "{file}: name one camera, or a stream with one by --stream; there are: {names}",
            file=config_file,
            names=names,
        )
    return cast("CameraOptions", cameras[0].source)
