"""`edge-runtime status`: how the daemon on this board is, and what it has sent today."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import click

from edge_runtime.cli.paths import state_dir_option
from edge_runtime.cli.printable import printable_json, say
from edge_runtime.errors import EMPTY, RawText, Text, located, row
from edge_runtime.language import N_, Language, choose

Line: TypeAlias = tuple[str, Text]
"""What a line is about (empty: it goes on with the line above), and its text."""

# The states of the daemon and its parts, as it says them.
STATES = frozenset(
    {
        N_("degraded"),
        N_("starting"),
        N_("running"),
        N_("ended"),
        N_("connecting"),
        N_("connected"),
        N_("waiting"),
        N_("stopped"),
        N_("synced"),
        N_("unsynced"),
        N_("fallback"),
    }
)
STREAM_COUNTERS = {
    "captured": N_("{count} captured"),
    "still": N_("{count} still"),
    "coasted": N_("{count} coasted"),
    "inferred": N_("{count} inferred"),
    "dropped": N_("{count} dropped"),
    "results": N_("{count} results"),
    "restarts": N_("{count} restarts"),
}
STREAM_TEXTS = ("reason", "notice", "tracking", "schedule", "activity")
OUTBOX_COUNTERS = {
    "dropped": N_("{count} dropped"),
    "summarised": N_("{count} summarised"),
    "rejected": N_("{count} rejected"),
}


@click.command()
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def status(state_dir: Path, as_json: bool) -> None:
    """Show streams, link, outbox and the day's bytes of the running daemon.

    Exit status: 0 a daemon runs and has answered; 1 none runs, and what lies on disk is shown.
    """
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
        print_lines(list(lines), choose(None))
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


def word(state: str) -> Text:
    """Return a state; what a newer daemon says is shown as it is."""
    return Text(state) if state in STATES else RawText(state)


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


def stream_text(stream: dict[str, Any]) -> Text:
    """Return a stream as a few words."""
    counted = [
        Text(text, count=stream[name]) for name, text in STREAM_COUNTERS.items() if stream.get(name)
    ]
    reasons = [stream[name] for name in STREAM_TEXTS if stream.get(name)]
    if "baseline" in stream:
        reasons.append(Text("baseline {summary}", summary=stream["baseline"]))
    if "engine" in stream:
        reasons.append(Text("run by {engine}", engine=stream["engine"]))
    if "accelerator" in stream:
        reasons.append(accelerator_text(stream["accelerator"]))
    if "last_fault" in stream:
        reasons.append(last_fault_text(stream["last_fault"]))
    reasons += [located(*one) for one in stream.get("channels", {}).items()]
    return row([row([word(stream.get("state", "starting")), *counted], ", "), *reasons])


def last_fault_text(fault: dict[str, Any]) -> Text:
    """Return the fault that a stream has come back from."""
    return Text(
        "back from a fault {seconds:.0f} s ago: {reason}",
        seconds=max(0.0, time.time() - fault["ts"]),
        reason=fault["reason"],
    )


def accelerator_text(answer: dict[str, Any]) -> Text:
    """Return what an accelerator does of a model's work, in its own words."""
    import msgspec

    from edge_runtime.infer.placement import DelegatePlacement

    return msgspec.convert(answer, DelegatePlacement).describe()


def link_text(link: dict[str, Any]) -> Text:
    """Return the link as a few words."""
    return Text(
        "{state} for {seconds:.0f} s: {reason}; {sent} messages sent, {waiting} in flight",
        state=word(link["state"]),
        seconds=link["since_s"],
        reason=link["reason"],
        sent=link["sent"],
        waiting=link["in_flight"],
    )


def outbox_text(outbox: dict[str, Any]) -> Text:
    """Return a running outbox as a few words."""
    waiting = Text("{count} to deliver", count=outbox["pending"])
    if outbox["oldest_pending_ts"]:
        waiting = Text(
            "{count} to deliver, the oldest {seconds:.0f} s old",
            count=outbox["pending"],
            seconds=max(0.0, time.time() - outbox["oldest_pending_ts"]),
        )
    used = Text(
        "{used} of {limit}",
        used=megabytes(outbox["bytes_used"]),
        limit=megabytes(outbox["bytes_limit"]),
    )
    state: Text = RawText(outbox["state"])
    if outbox["reason"]:
        state = located(state, outbox["reason"])
    return row([state, waiting, used, tally_text(outbox)])


def outbox_left(outbox: dict[str, Any]) -> Text:
    """Return what a daemon that does not run left behind."""
    boot = Text("boot {boot}", boot=outbox["boot"])
    if not outbox["exact"]:
        boot = Text("boot {boot}, as it last saved: more may have come after", boot=outbox["boot"])
    return Text(
        "{pending} to deliver, {used}; {tally} ({boot})",
        pending=outbox["pending"],
        used=megabytes(outbox["bytes_used"]),
        tally=tally_text(outbox),
        boot=boot,
    )


def tally_text(outbox: dict[str, Any]) -> Text:
    """Return what was done to results, ever."""
    return row([Text(text, count=outbox[name]) for name, text in OUTBOX_COUNTERS.items()], ", ")


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


def megabytes(size: float) -> str:
    return f"{size / 1e6:.3f} MB"
