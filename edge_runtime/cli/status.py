"""`edge-runtime status`: how the daemon on this board is, and what it has sent today."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from edge_runtime.cli.paths import state_dir_option
from edge_runtime.cli.printable import printable_json, say


@click.command()
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def status(state_dir: Path, as_json: bool) -> None:
    """Show streams, link, outbox and the day's bytes of the running daemon.

    Exit status: 0 a daemon runs and has answered; 1 none runs, and what lies on disk is shown.
    """
    import msgspec

    from edge_runtime.daemon.status_socket import ask

    told = ask(state_dir)
    facts = {"running": True, **told} if told is not None else at_rest(state_dir)
    if damage := damaged_identity(state_dir):
        facts["identity"] = damage
    if as_json:
        say(printable_json(msgspec.json.encode(facts).decode()))
    else:
        shown = running(facts) if told is not None else resting(facts, state_dir)
        for name, text in shown:
            say(f"{name:<9} {text}")
    sys.exit(0 if told is not None else 1)


def damaged_identity(state_dir: Path) -> str:
    """Say which file of the device's identity is damaged and what to do; empty where none is."""
    from edge_runtime.enrolment.identity import IdentityFolder
    from edge_runtime.errors import IdentityError

    folder = IdentityFolder(state_dir)
    damage: str | None
    try:
        damage = folder.damage() if folder.is_enrolled else None
    except IdentityError as error:
        damage = str(error)
    advice = "ask the office for a new claim, then run `sudo edge-runtime provision`"
    return f"{damage}; {advice}" if damage else ""


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
        "outbox": msgspec.to_builtins(glance(state_dir / "outbox")),
        "uplink": {"day": day.date, "bytes": sum(day.bytes.values()), "by_kind": day.bytes},
    }


def running(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each line on a daemon at work."""
    who = f"pid {facts['pid']}, version {facts['version']}, boot {facts['boot']}"
    yield "daemon", f"{facts['state']} ({who}); clock {facts['clock']}"
    if "config" in facts:
        yield "config", f"{facts['config']['state']}: {facts['config']['reason']}"
    yield from starts_lines(facts.get("short_starts", 0))
    if facts.get("sandbox") == "":
        from edge_runtime.isolation.sandbox import NO_SANDBOX

        yield "isolation", NO_SANDBOX
    for name, stream in facts["streams"].items():
        yield "stream", f"{name}: {stream_text(stream)}"
    link = facts["link"]
    yield (
        "link",
        f"{link['state']} for {link['since_s']:.0f} s: {link['reason']}; {link['sent']} messages "
        f"sent, {link['in_flight']} in flight",
    )
    yield "outbox", outbox_text(facts["outbox"])
    yield from uplink_lines(facts["uplink"])
    yield from identity_lines(facts)


def resting(facts: dict[str, Any], state_dir: Path) -> Iterator[tuple[str, str]]:
    """Yield name and text of each line where no daemon runs."""
    yield "daemon", f"none runs with the state folder {state_dir}"
    yield from starts_lines(facts["short_starts"])
    outbox = facts["outbox"]
    if outbox["note"]:
        yield "outbox", outbox["note"]
    else:
        when = "" if outbox["exact"] else ", as it last saved: more may have come after"
        yield (
            "outbox",
            f"{outbox['pending']} to deliver, {megabytes(outbox['bytes_used'])}; "
            f"{tally_text(outbox)} (boot {outbox['boot']}{when})",
        )
    yield from uplink_lines(facts["uplink"])
    yield from identity_lines(facts)


def identity_lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a line where the device's identity is damaged."""
    if "identity" in facts:
        yield "identity", facts["identity"]


def starts_lines(short: int) -> Iterator[tuple[str, str]]:
    """Yield a line where starts did not last."""
    if short:
        yield "starts", f"{short} in a row did not last five minutes; see the daemon's log"


def stream_text(stream: dict[str, Any]) -> str:
    """Return a stream as a few words."""
    counters = ("captured", "still", "coasted", "inferred", "dropped", "results", "restarts")
    words = [f"{stream[name]} {name}" for name in counters if stream.get(name)]
    why = [stream[name] for name in ("reason", "notice", "tracking") if stream.get(name)]
    if "baseline" in stream:
        why.append(f"baseline {stream['baseline']}")
    if "accelerator" in stream:
        why.append(accelerator_text(stream["accelerator"]))
    if "last_fault" in stream:
        why.append(last_fault_text(stream["last_fault"]))
    why += [f"{name}: {reason}" for name, reason in stream.get("channels", {}).items()]
    return ", ".join([stream.get("state", "starting"), *words]) + "".join(f"; {w}" for w in why)


def last_fault_text(told: dict[str, Any]) -> str:
    """Return the fault that a stream has come back from."""
    ago_s = max(0.0, time.time() - told["ts"])
    return f"back from a fault {ago_s:.0f} s ago: {told['reason']}"


def accelerator_text(told: dict[str, Any]) -> str:
    """Return what an accelerator does of a model's work, in its own words."""
    import msgspec

    from edge_runtime.infer.placement import DelegatePlacement

    return msgspec.convert(told, DelegatePlacement).describe()


def outbox_text(outbox: dict[str, Any]) -> str:
    """Return a running outbox as a few words."""
    waiting = f"{outbox['pending']} to deliver"
    if outbox["oldest_pending_ts"]:
        waiting += f", the oldest {max(0.0, time.time() - outbox['oldest_pending_ts']):.0f} s old"
    used = f"{megabytes(outbox['bytes_used'])} of {megabytes(outbox['bytes_limit'])}"
    state = f"{outbox['state']}: {outbox['reason']}" if outbox["reason"] else outbox["state"]
    return f"{state}; {waiting}; {used}; {tally_text(outbox)}"


def tally_text(outbox: dict[str, Any]) -> str:
    """Return what was done to results, ever."""
    names = ("dropped", "summarised", "rejected")
    return ", ".join(f"{outbox[name]} {name}" for name in names)


def uplink_lines(uplink: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the day's ledger."""
    text = f"{megabytes(uplink['bytes'])} sent on {uplink['day'] or 'a day not known yet'}"
    if "limit" in uplink:
        part = uplink["bytes"] / uplink["limit"]
        text += f", {part:.0%} of {megabytes(uplink['limit'])}; publishing {uplink['step']}"
    yield "uplink", text
    if "reason" in uplink:
        yield "", uplink["reason"]
    for kind, size in sorted(uplink["by_kind"].items(), key=lambda item: -item[1]):
        yield "", f"{kind:<15} {size:>12,} B"


def megabytes(size: float) -> str:
    return f"{size / 1e6:.3f} MB"
