"""`edge-runtime status`: how the daemon on this board is, and what it has sent today."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import click

from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.paths import state_dir_option
from edge_runtime.cli.printable import printable_json, say
from edge_runtime.cli.status_texts import (
    link_text,
    megabytes,
    outbox_left,
    outbox_text,
    stream_text,
    word,
)
from edge_runtime.errors import EMPTY, RawText, Text, located
from edge_runtime.language import N_, Code, Language, choose

Line: TypeAlias = tuple[str, Text]
"""What a line is about (empty: it goes on with the line above), and its text."""


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Show streams, link, outbox and the day's bytes of the running daemon.\n"
        "\n"
        "Exit status: 0 a daemon runs and has answered; 1 none runs, and what lies on disk is "
        "shown."
    ),
)
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help=N_("One JSON object, for programs."))
@lang_option
def status(state_dir: Path, as_json: bool, lang: Code | None) -> None:
    """Show streams, link, outbox and the day's bytes of the running daemon."""
    import msgspec

    from edge_runtime.daemon.status_socket import ask
    from edge_runtime.text_form import encode_english

    answer = ask(state_dir)
    facts = {"running": True, **answer} if answer is not None else at_rest(state_dir)
    if damage := damaged_identity(state_dir):
        facts["identity"] = damage
    if as_json:
        say(printable_json(msgspec.json.encode(facts, enc_hook=encode_english).decode()))
    else:
        lines = running(facts) if answer is not None else offline(facts, state_dir)
        print_lines(list(lines), choose(lang))
    sys.exit(0 if answer is not None else 1)


def print_lines(lines: list[Line], language: Language) -> None:
    """Print what is known, a line each, in the reader's language."""
    labels = [language.text(label) for label, _ in lines]
    width = max(9, *map(len, labels))
    for label, (_, text) in zip(labels, lines, strict=True):
        say(f"{label:<{width}} {language.translated(text)}")


def damaged_identity(state_dir: Path) -> Text:
    """Say which file of the device's identity is damaged and what to do; empty where none is."""
    from edge_runtime.enrolment.identity import IdentityFolder
    from edge_runtime.errors import IdentityError

    folder = IdentityFolder(state_dir)
    damage: Text | None
    try:
        damage = folder.damage() if folder.is_enrolled else None
    except IdentityError as error:
        damage = error.text
    if not damage:
        return EMPTY
    return Text(
        "{damage}; ask the office for a new claim, then run `sudo edge-runtime provision`",
        damage=damage,
    )


def at_rest(state_dir: Path) -> dict[str, Any]:
    """Return what lies in the state folder of a daemon that does not run."""
    import msgspec

    from edge_runtime.daemon.crash_loop import boot_id, short_starts
    from edge_runtime.daemon.uplink import FILE, load
    from edge_runtime.outbox.glance import glance

    day = load(state_dir / FILE)
    return {
        "running": False,
        "short_starts": short_starts(state_dir, boot_id()),
        "outbox": msgspec.structs.asdict(glance(state_dir / "outbox")),
        "uplink": {"day": day.date, "bytes": sum(day.bytes.values()), "by_kind": day.bytes},
    }


def running(facts: dict[str, Any]) -> Iterator[Line]:
    """Yield the lines on a daemon at work."""
    yield (
        N_("daemon"),
        Text(
            "{state} (pid {pid}, version {version}, boot {boot}); clock {clock}",
            state=word(facts["state"]),
            pid=facts["pid"],
            version=facts["version"],
            boot=facts["boot"],
            clock=word(facts["clock"]),
        ),
    )
    if "config" in facts:
        yield N_("config"), located(word(facts["config"]["state"]), facts["config"]["reason"])
    if facts.get("mode"):
        known = ", ".join(facts["modes"])
        yield N_("mode"), Text("{mode}; there are {known}", mode=facts["mode"], known=known)
    yield from starts_lines(facts.get("short_starts", 0))
    if facts.get("sandbox") == "":
        from edge_runtime.isolation.sandbox import NO_SANDBOX

        yield N_("isolation"), NO_SANDBOX
    for name, stream in facts["streams"].items():
        yield N_("stream"), located(name, stream_text(stream))
    yield N_("link"), link_text(facts["link"])
    yield N_("outbox"), outbox_text(facts["outbox"])
    yield from uplink_lines(facts["uplink"])
    yield from preview_lines(facts.get("preview", {}))
    yield from identity_lines(facts)


def offline(facts: dict[str, Any], state_dir: Path) -> Iterator[Line]:
    """Yield the lines where no daemon runs."""
    yield N_("daemon"), Text("none runs with the state folder {folder}", folder=state_dir)
    yield from starts_lines(facts["short_starts"])
    yield N_("outbox"), facts["outbox"]["note"] or outbox_left(facts["outbox"])
    yield from uplink_lines(facts["uplink"])
    yield from identity_lines(facts)


def identity_lines(facts: dict[str, Any]) -> Iterator[Line]:
    """Yield a line where the device's identity is damaged."""
    if "identity" in facts:
        yield N_("identity"), facts["identity"]


def starts_lines(short: int) -> Iterator[Line]:
    """Yield a line where starts did not last."""
    if short:
        yield (
            N_("starts"),
            Text("{count} in a row did not last five minutes; see the daemon's log", count=short),
        )


def uplink_lines(uplink: dict[str, Any]) -> Iterator[Line]:
    """Yield the day's ledger."""
    sent = Text(
        "{size} sent on {day}",
        size=megabytes(uplink["bytes"]),
        day=uplink["day"] or Text("a day not known yet"),
    )
    if "limit" in uplink:
        sent = Text(
            "{sent}, {part:.0%} of {limit}; publishing {step}",
            sent=sent,
            part=uplink["bytes"] / uplink["limit"],
            limit=megabytes(uplink["limit"]),
            step=uplink["step"],
        )
    yield N_("uplink"), sent
    if "reason" in uplink:
        yield "", uplink["reason"]
    for kind, size in sorted(uplink["by_kind"].items(), key=lambda item: -item[1]):
        yield "", RawText(f"{kind:<15} {size:>12,} B")


def preview_lines(preview: dict[str, Any]) -> Iterator[Line]:
    """Yield a line where somebody looks at pictures on the board, or has looked."""
    if preview.get("viewers") or preview.get("pictures"):
        yield (
            N_("preview"),
            Text(
                "{viewers} looking; {pictures} pictures in {seconds:.1f} s of CPU",
                viewers=preview["viewers"],
                pictures=preview["pictures"],
                seconds=preview["encode_s"],
            ),
        )
