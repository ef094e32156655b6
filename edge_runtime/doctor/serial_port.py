"""Each stream's serial port: is it there, may we use it, can what comes be read?"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from edge_runtime.doctor.access import held, holders
from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.doctor.daemon import of_each_stream
from edge_runtime.errors import Text, located, row
from edge_runtime.framing.causes import Cause
from edge_runtime.framing.quality import BEARABLE, shown
from edge_runtime.framing.rows import MAX_REASONS, FramingCounts
from edge_runtime.options import SerialOptions
from edge_runtime.sources.ports import PortError, names_of_ports, not_there
from edge_runtime.sources.serial_port import SerialSource
from edge_runtime.urls import shown_url

LISTEN_S = 3.0  # so long a sensor that sends is listened to
ENOUGH_ROWS = 20
LONGEST_SILENCE_S = 60.0


def check_serial_ports(context: CheckContext) -> Iterator[Finding]:
    """Look at each stream's port; without a configuration, at what is plugged in."""
    yield from of_each_stream(
        context,
        "serial",
        none=context.text("no stream uses a serial port"),
        plugged_in=plugged_in,
        device=device_of,
        look_at=look_at,
        advice=lambda _why: context.text(
            "Do what the line says; the stream goes on by itself then."
        ),
    )


def device_of(options: SerialOptions) -> str:
    """Return a port's path, or its URL."""
    return options.url


def look_at(context: CheckContext, check: str, options: SerialOptions) -> Finding:
    """Look at one port, from its plug to its rows."""
    trouble = None if "://" in options.url else unusable(context, check, Path(options.url))
    return trouble or listen(context, check, options)


def unusable(context: CheckContext, check: str, path: Path) -> Finding | None:
    """Say what keeps a port from being used, before it is opened."""
    if not path.exists():
        return broken(context, check, str(path), not_there(context.root))
    if not stat.S_ISCHR(path.stat().st_mode):
        text = context.text("{device} is not a serial port", device=path)
        return Finding(check, "failed", text, context.text("Correct the stream's source.url."))
    # Not every program locks the port that it reads: opened beside it, each gets half of the bytes.
    return held(context, check, str(path)) if holders(path) else None


def listen(context: CheckContext, check: str, options: SerialOptions) -> Finding:
    """Open the port as the daemon does, and read rows for a few seconds."""
    bounded = msgspec.structs.replace(
        options, stale_after_s=min(options.stale_after_s, LONGEST_SILENCE_S)
    )
    source = SerialSource(bounded, context.clock)
    missing: dict[str, Text] = {}
    try:
        source.open()
        until_s = None
        while source.tally.good < ENOUGH_ROWS:
            block = source.read()
            missing.update(block.missing if block is not None else {})
            now_s = context.clock.monotonic()
            until_s = now_s + LISTEN_S if until_s is None else until_s
            if now_s >= until_s:
                break
    except PortError as error:
        return broken(context, check, error.place, error.cause)
    finally:
        source.close()
    return judge(context, check, shown_url(options.url), source.tally, source.notice, missing)


def broken(context: CheckContext, check: str, place: str, cause: Cause) -> Finding:
    """Say why no rows come, in the words that the running daemon has for it."""
    language = context.language
    return Finding(
        check,
        "failed",
        located(place, cause.what).localized(language),
        as_sentence(cause.advice.localized(language)),
    )


def as_sentence(text: str) -> str:
    """Return a text as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:]}."


def judge(
    context: CheckContext,
    check: str,
    url: str,
    tally: FramingCounts,
    notice: Text,
    missing: Mapping[str, Text],
) -> Finding:
    """Say how much of what came could be read, and which channels lacked a value."""
    bad = tally.bad.total()
    text = context.text(
        "{device}: {good} rows were read, {bad} refused", device=url, good=tally.good, bad=bad
    )
    told = row([located(*one) for one in missing.items()][:MAX_REASONS])
    if why := [one for one in (notice, told) if one]:
        advice = context.text(
            "Look at the probe, or the register, of each channel that has no value; the others are "
            "at work."
        )
        said = row(why).localized(context.language)
        return Finding(check, "warning", f"{text}: {said}", advice if told else "")
    if bad <= max(1, BEARABLE * (tally.good + bad)):  # the first may begin in its middle
        return Finding(check, "ok", text)
    return Finding(
        check,
        "warning",
        f"{text} ({shown(tally.bad).localized(context.language)})",
        context.text(
            "The settings are right, as rows were read. Lay the cable away from motors and mains, "
            "and connect its shield to earth; on RS-485 check the resistors at both ends."
        ),
    )


def plugged_in(context: CheckContext) -> Finding:
    """Name the ports of a board that has no configuration yet."""
    found = names_of_ports(context.root)
    if not found:
        text = context.text("no serial adapter is plugged in")
        return Finding("serial", "skipped", text)
    return Finding("serial", "ok", context.text("found: {devices}", devices=", ".join(found)))
