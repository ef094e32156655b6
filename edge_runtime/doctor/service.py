"""The service, and the outbox as it tells it or left it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.doctor.unit import UNIT, loaded_unit
from edge_runtime.language import N_
from edge_runtime.outbox.glance import Glance, glance

MANY = 1000  # results that wait: more than a daemon with a link ever has
LONG_S = 300.0
UNPROVEN = "opt/edge-runtime/unproven"  # scripts/install makes it, and ends it
REFUSED = N_(
    "Nothing is lost: what the broker refuses waits, and is tried again. Correct the broker's "
    "rules (ACL) or size limits."
)
CONDITIONS = {
    "disk_full": N_("the disk is full"),
    "read_only": N_("the disk cannot be written"),
    "io_error": N_("the disk fails"),
    "corrupt_salvaging": N_("the outbox was damaged and is being salvaged"),
    "closed": N_("the outbox is closed"),
}


def check_outbox(context: CheckContext) -> Iterator[Finding]:
    """Do results pile up, were any refused, and when was the last one acknowledged?"""
    if context.daemon is not None:
        yield running(context, context.daemon)
    else:
        yield offline(context, glance(context.state_dir / "outbox"))


def running(context: CheckContext, daemon: dict[str, Any]) -> Finding:
    """Say how the outbox of a daemon at work is."""
    outbox, link = daemon["outbox"], daemon["link"]
    if outbox["state"] != "ok":
        what = CONDITIONS[outbox["state"]]
        return Finding(
            "outbox",
            "failed",
            f"{context.text(what)} ({context.language.translated(outbox['reason'])})",
            context.text("See the checks disk and card."),
        )
    acked_s = link.get("last_ack_s")
    ago_s = None if acked_s is None else context.clock.monotonic() - acked_s
    text = tally(context, outbox["pending"], outbox["rejected"])
    if ago_s is not None:
        text = context.text(
            "{outbox}; the last one was acknowledged {seconds:.0f} s ago",
            outbox=text,
            seconds=ago_s,
        )
    if link.get("state") == "degraded":
        reason = context.language.translated(link["reason"])
        return Finding("outbox", "warning", f"{text}; {reason}", context.text(REFUSED))
    stuck = outbox["pending"] > MANY or (outbox["pending"] and (ago_s is None or ago_s > LONG_S))
    return rated(context, text, stuck=bool(stuck), rejected=outbox["rejected"])


def offline(context: CheckContext, left: Glance) -> Finding:
    """Say what a daemon that does not run left behind."""
    if not (context.state_dir / "outbox").is_dir():
        return Finding("outbox", "skipped", context.text("nothing was stored yet"))
    if left.note:
        return Finding("outbox", "skipped", left.note.localized(context.language))
    text = tally(context, left.pending, left.rejected)
    return rated(context, text, stuck=left.pending > MANY, rejected=left.rejected)


def tally(context: CheckContext, pending: int, rejected: int) -> str:
    """Return the counts in words."""
    return context.text(
        "{pending} results wait, {rejected} were refused by the broker",
        pending=pending,
        rejected=rejected,
    )


def rated(context: CheckContext, text: str, *, stuck: bool, rejected: int) -> Finding:
    """Judge the counts."""
    if stuck:
        advice = context.text(
            "Nothing is lost: they are sent once there is a link. See the checks broker, tls and "
            "message."
        )
        return Finding("outbox", "warning", text, advice)
    if rejected:
        advice = context.text(
            "The broker took some results for wrong: see its rules (ACL) and size limits, and "
            "`journalctl -u edge-runtime`."
        )
        return Finding("outbox", "warning", text, advice)
    return Finding("outbox", "ok", text)


def check_service(context: CheckContext) -> Iterator[Finding]:
    """Does systemd run the daemon, and does it stay up?"""
    if context.silence:
        yield Finding(
            "service",
            "failed",
            context.silence,
            context.text("Run the doctor with sudo; else `sudo systemctl restart edge-runtime`."),
        )
        return
    unit = loaded_unit(context.root)
    yield judge(context, unit) if unit else without_unit(context)
    if (context.root / UNPROVEN).is_dir():
        yield pending_upgrade(context)


def pending_upgrade(context: CheckContext) -> Finding:
    """Say that a new version is at work, or is to be, which has not proved itself yet."""
    return Finding(
        "upgrade",
        "warning",
        context.text("a new version has not proved itself yet"),
        context.text(
            "Wait some minutes: the board ends it by itself. If this stays, `journalctl -u "
            "edge-runtime-settle` says why."
        ),
    )


def without_unit(context: CheckContext) -> Finding:
    """Say whether a daemon runs that systemd knows nothing of."""
    if context.daemon is None:
        return Finding(
            "service", "skipped", context.text("no daemon runs, and systemd has no unit for one")
        )
    text = context.text("the daemon runs (pid {pid}), not as a service", pid=context.daemon["pid"])
    return Finding("service", "ok", text)


def judge(context: CheckContext, facts: dict[str, str]) -> Finding:
    """Hold the unit's properties against what they should be."""
    restarts = int(facts.get("NRestarts") or 0)
    text = context.text(
        "{unit} is {state} ({detail}), restarts: {restarts}",
        unit=UNIT,
        state=facts.get("ActiveState"),
        detail=facts.get("SubState"),
        restarts=restarts,
    )
    if facts.get("ActiveState") != "active":
        advice = context.text(
            "Start it: `sudo systemctl enable --now edge-runtime`. If it does not stay up, "
            "`journalctl -u edge-runtime -n 50` says why."
        )
        return Finding("service", "failed", text, advice)
    if restarts:
        advice = context.text("`journalctl -u edge-runtime` says why it was started again.")
        return Finding("service", "warning", text, advice)
    if facts.get("UnitFileState") not in ("enabled", "enabled-runtime"):
        advice = context.text(
            "It does not start with the board: `sudo systemctl enable edge-runtime`."
        )
        return Finding("service", "warning", text, advice)
    return Finding("service", "ok", text)
