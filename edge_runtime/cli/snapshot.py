"""`edge-runtime snapshot`: one picture of a stream, to aim a camera by or to see what it sees."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.paths import bare_state_dir_option
from edge_runtime.cli.printable import say
from edge_runtime.errors import EMPTY, EdgeError, RawText, Text, UsageError, because, row
from edge_runtime.language import N_, Code, choose

if TYPE_CHECKING:
    from edge_runtime.daemon.preview_protocol import PreviewHead, PreviewRequest

QUALITY = 90
STANDARD_OUTPUT = "-"
OUTCOMES = {
    "inferred": N_("the model saw nothing in it"),
    "still": N_("nothing moved in it, so no model looked at it"),
    "coasted": N_("it was left out to save work, so no model looked at it"),
    "not looked at": N_("no model had looked at it within a second"),
}


class Taken(msgspec.Struct):
    """What the process that acts for the folder's owner hands back: head and JPEG, or an error."""

    head: bytes = b""
    jpeg: bytes = b""
    error: bytes = b""


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Save one picture of a stream, as the running daemon gets it, with what it sees in it.\n"
        "\n"
        "For aiming a camera. The picture stays on this board. With --out - it goes to standard "
        "output.\n"
        "\n"
        "Exit status: 0 done; 1 there is no picture, and why; 2 the command line is wrong."
    ),
)
@click.argument("stream")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help=N_("The file; default: the stream's name and .jpg, in this folder."),
)
@click.option("--boxes/--no-boxes", default=True, help=N_("Draw what was seen; default: yes."))
@click.option(
    "--width",
    type=click.IntRange(16, 1280),
    default=1280,
    help=N_("At most so many pixels wide; default: 1280."),
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0.0, 60.0),
    default=10.0,
    help=N_("Seconds to wait for a picture; default: 10."),
)
@bare_state_dir_option
@lang_option
def snapshot(
    stream: str,
    out: Path | None,
    boxes: bool,
    width: int,
    wait_s: float,
    state_dir: Path,
    lang: Code | None,
) -> None:
    """Take it as the state folder's owner, write it as whoever typed the command."""
    from edge_runtime.daemon.preview_protocol import PreviewRequest, decode_head
    from edge_runtime.provision.owner import in_owners_process

    if str(out) == STANDARD_OUTPUT and sys.stdout.isatty():
        raise UsageError("a picture is no text for a terminal: name a file with --out")
    try:
        request = msgspec.convert(
            {"stream": stream, "width": width, "quality": QUALITY, "wait_s": wait_s}, PreviewRequest
        )
    except msgspec.ValidationError as error:
        raise UsageError("the stream's name is wrong: {reason}", reason=str(error)) from None
    taken = msgspec.msgpack.decode(
        in_owners_process(state_dir, lambda: take(state_dir, request, boxes=boxes)), type=Taken
    )
    if taken.error:
        raise error_from(taken.error)
    head, file = decode_head(taken.head), out or Path(f"{stream}.jpg")
    write(file, taken.jpeg)
    say(
        choose(lang).translated(describe(head, file)),
        err=str(file) == STANDARD_OUTPUT,
    )


def take(state_dir: Path, request: PreviewRequest, *, boxes: bool) -> bytes:
    """Return a picture, or why there is none, as `Taken`."""
    from edge_runtime.daemon.preview_client import previews
    from edge_runtime.text_form import encode_text

    try:
        preview = next(previews(state_dir, request))
        jpeg = preview.jpeg
        if boxes and preview.head.objects:
            from edge_runtime.jobs.drawing import draw_seen

            jpeg = draw_seen(jpeg, preview.head.objects, QUALITY)
        taken = Taken(msgspec.json.encode(preview.head, enc_hook=encode_text), jpeg)
    except EdgeError as error:
        taken = Taken(error=msgspec.json.encode(error.text, enc_hook=encode_text))
    return msgspec.msgpack.encode(taken)


def error_from(form: bytes) -> EdgeError:
    """Return the error that the owner's process met."""
    from edge_runtime.text_form import decode_text

    return EdgeError(msgspec.json.decode(form, type=Text, dec_hook=decode_text))


def write(file: Path, jpeg: bytes) -> None:
    """Write a picture, whole or not at all; to standard output for `-`. Raises UsageError."""
    from edge_runtime.durable import replace_file

    if str(file) == STANDARD_OUTPUT:
        sys.stdout.buffer.write(jpeg)
        sys.stdout.buffer.flush()
        return
    if file.exists() and not file.is_file():
        raise UsageError("{file}: this is no file; name another with --out", file=file)
    try:
        replace_file(file, jpeg, mode=0o644)
    except OSError as error:
        raise UsageError(
            "{file}: cannot be written ({reason}); name a file with --out, in a folder that you "
            "may write to",
            file=file,
            reason=because(error),
        ) from None


def describe(head: PreviewHead, file: Path) -> Text:
    """Return what the picture is, in a line."""
    taken = Text(
        "{file}: {width} x {height}, {seconds:.1f} s old",
        file=file,
        width=head.width,
        height=head.height,
        seconds=head.age_s,
    )
    seen = row([RawText(one.caption) for one in head.objects], ", ")
    nothing = Text(OUTCOMES[head.outcome]) if not head.objects else EMPTY
    return row([taken, seen or nothing])
