"""Each stream's serial port: is it there, may we use it, can what comes be read?"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from edge_runtime.doctor.access import held, holders
from edge_runtime.doctor.base import Finding, Surroundings
from edge_runtime.doctor.daemon import of_each_stream
from edge_runtime.errors import SourceError, Text, located, row
from edge_runtime.framing.quality import BEARABLE, shown
from edge_runtime.framing.rows import MOST_SAID, FramingCounts
from edge_runtime.options import SerialOptions
from edge_runtime.sources.serial_port import SerialSource
from edge_runtime.urls import shown_url

LISTEN_S = 3.0  # so long a sensor that sends is listened to
ENOUGH_ROWS = 20
LONGEST_SILENCE_S = 60.0


def check_serial_ports(around: Surroundings) -> Iterator[Finding]:
    """Look at each stream's port; without a configuration, at what is plugged in."""
    yield from of_each_stream(
        around,
        "serial",
        none=around.text("no stream uses a serial port"),
        plugged_in=plugged_in,
        device=device_of,
        look_at=look_at,
        advice=lambda _why: look_after(around),
    )


def device_of(options: SerialOptions) -> str:
    """Return a port's path, or its URL."""
    return options.url


def look_at(around: Surroundings, check: str, options: SerialOptions) -> Finding:
    """Look at one port, from its plug to its rows."""
    trouble = None if "://" in options.url else unusable(around, check, Path(options.url))
    return trouble or listen(around, check, options)


def unusable(around: Surroundings, check: str, path: Path) -> Finding | None:
    """Say what keeps a port from being opened."""
    if not path.exists():
        here = ", ".join(names_of_ports(around)) or around.text("none")
        return Finding(
            check,
            "failed",
            around.text("{device}: no such port", device=path),
            around.text(
                "Plug the adapter in. The ports that are there: {ports}. Name one of them as the "
                "stream's source.url.",
                ports=here,
            ),
        )
    if not stat.S_ISCHR(path.stat().st_mode):
        text = around.text("{device} is not a serial port", device=path)
        return Finding(check, "failed", text, around.text("Correct the stream's source.url."))
    return held(around, check, str(path)) if holders(path) else None


def listen(around: Surroundings, check: str, options: SerialOptions) -> Finding:
    """Open the port as the daemon does, and read rows for a few seconds."""
    bounded = msgspec.structs.replace(
        options, stale_after_s=min(options.stale_after_s, LONGEST_SILENCE_S)
    )
    source = SerialSource(bounded, around.clock)
    missing: dict[str, Text] = {}
    try:
        source.open()
        until_s = None
        while source.tally.good < ENOUGH_ROWS:
            block = source.read()
            missing.update(block.missing if block is not None else {})
            now_s = around.clock.monotonic()
            until_s = now_s + LISTEN_S if until_s is None else until_s
            if now_s >= until_s:
                break
    except SourceError as error:
        return Finding(check, "failed", silence(around, source.tally, error), look_after(around))
    finally:
        source.close()
    return judge(around, check, shown_url(options.url), source.tally, source.notice, missing)


def silence(around: Surroundings, tally: FramingCounts, error: SourceError) -> str:
    """Say what an endless wait for rows was about."""
    if tally.bad and set(tally.bad) <= {"unanswered", "late"}:
        return around.text("the sensor does not answer ({reason})", reason=error)
    if tally.bad or tally.skipped:
        return around.text("what comes cannot be read ({reason})", reason=error)
    return around.text("no row comes ({reason})", reason=error)


def judge(
    around: Surroundings,
    check: str,
    url: str,
    tally: FramingCounts,
    notice: Text,
    missing: Mapping[str, Text],
) -> Finding:
    """Say how much of what came could be read, and which channels lacked a value."""
    bad = tally.bad.total()
    text = around.text(
        "{device}: {good} rows were read, {bad} refused", device=url, good=tally.good, bad=bad
    )
    told = row([located(*one) for one in missing.items()][:MOST_SAID])
    if why := [one for one in (notice, told) if one]:
        advice = around.text(
            "Look at the probe, or the register, of each channel that has no value; the others are "
            "at work."
        )
        said = row(why).localized(around.language)
        return Finding(check, "warning", f"{text}: {said}", advice if told else look_after(around))
    if bad <= max(1, BEARABLE * (tally.good + bad)):  # the first may begin in its middle
        return Finding(check, "ok", text)
    return Finding(
        check,
        "warning",
        f"{text} ({shown(tally.bad).localized(around.language)})",
        around.text(
            "Hold baud, parity and framing of the stream's source against the sensor's manual. Lay "
            "the cable away from motors and mains, and connect its shield to earth."
        ),
    )


def look_after(around: Surroundings) -> str:
    """Return what to do about a sensor that sends nothing that can be read."""
    return around.text(
        "Check the sensor's power; its TX must be on our RX (RS-485: A on A, B on B). Hold baud, "
        "parity and framing of the stream's source against its manual."
    )


def plugged_in(around: Surroundings) -> Finding:
    """Name the ports of a board that has no configuration yet."""
    found = names_of_ports(around)
    if not found:
        text = around.text("no serial adapter is plugged in")
        return Finding("serial", "skipped", text)
    return Finding("serial", "ok", around.text("found: {devices}", devices=", ".join(found)))


def names_of_ports(around: Surroundings) -> list[str]:
    """Return the ports by the names that stay the same, else as the kernel numbers them."""
    dev = around.root / "dev"
    stable = sorted(map(str, (dev / "serial/by-id").glob("*")))
    return stable or sorted(str(p) for kind in ("ttyUSB*", "ttyACM*") for p in dev.glob(kind))
