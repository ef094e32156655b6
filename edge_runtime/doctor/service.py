"""The service, and the outbox as it tells it or left it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge_runtime.doctor.base import Finding, Surroundings
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


def check_outbox(around: Surroundings) -> Iterator[Finding]:
    """Do results pile up, were any refused, and when was the last one acknowledged?"""
    if around.daemon is not None:
        yield living(around, around.daemon)
    else:
        yield resting(around, glance(around.state_dir / "outbox"))


def living(around: Surroundings, daemon: dict[str, Any]) -> Finding:
    """Say how the outbox of a daemon at work is."""
    outbox, link = daemon["outbox"], daemon["link"]
    if outbox["state"] != "ok":
        what = CONDITIONS[outbox["state"]]
        return Finding(
            "outbox",
            "failed",
            f"{around.text(what)} ({around.language.translated(outbox['reason'])})",
            around.text("See the checks disk and card."),
        )
    acked_s = link.get("last_ack_s")
    ago_s = None if acked_s is None else around.clock.monotonic() - acked_s
    text = tally(around, outbox["pending"], outbox["rejected"])
    if ago_s is not None:
        text = around.text(
            "{outbox}; the last one was acknowledged {seconds:.0f} s ago",
            outbox=text,
            seconds=ago_s,
        )
    if link.get("state") == "degraded":
        reason = around.language.translated(link["reason"])
        return Finding("outbox", "warning", f"{text}; {reason}", around.text(REFUSED))
    stuck = outbox["pending"] > MANY or (outbox["pending"] and (ago_s is None or ago_s > LONG_S))
    return rated(around, text, stuck=bool(stuck), rejected=outbox["rejected"])


def resting(around: Surroundings, left: Glance) -> Finding:
    """Say what a daemon that does not run left behind."""
    if not (around.state_dir / "outbox").is_dir():
        return Finding("outbox", "skipped", around.text("nothing was stored yet"))
    if left.note:
        return Finding("outbox", "skipped", left.note.localized(around.language))
    text = tally(around, left.pending, left.rejected)
    return rated(around, text, stuck=left.pending > MANY, rejected=left.rejected)


def tally(around: Surroundings, pending: int, rejected: int) -> str:
    """Return the counts in words."""
    return around.text(
        "{pending} results wait, {rejected} were refused by the broker",
        pending=pending,
        rejected=rejected,
    )


def rated(around: Surroundings, text: str, *, stuck: bool, rejected: int) -> Finding:
    """Judge the counts."""
    if stuck:
        advice = around.text(
            "Nothing is lost: they are sent once there is a link. See the checks broker, tls and "
            "message."
        )
        return Finding("outbox", "warning", text, advice)
    if rejected:
        advice = around.text(
            "The broker took some results for wrong: see its rules (ACL) and size limits, and "
            "`journalctl -u edge-runtime`."
        )
        return Finding("outbox", "warning", text, advice)
    return Finding("outbox", "ok", text)


def check_service(around: Surroundings) -> Iterator[Finding]:
    """Does systemd run the daemon, and does it stay up?"""
    if around.silence:
        yield Finding(
            "service",
            "failed",
            around.silence,
            around.text("Run the doctor with sudo; else `sudo systemctl restart edge-runtime`."),
        )
        return
    unit = loaded_unit(around.root)
    yield judge(around, unit) if unit else without_unit(around)
    if (around.root / UNPROVEN).is_dir():
        yield unproven(around)


def unproven(around: Surroundings) -> Finding:
    """Say that a new version is at work, or is to be, which has not proved itself yet."""
    return Finding(
        "upgrade",
        "warning",
        around.text("a new version has not proved itself yet"),
        around.text(
            "Wait some minutes: the board ends it by itself. If this stays, `journalctl -u "
            "edge-runtime-settle` says why."
        ),
    )


def without_unit(around: Surroundings) -> Finding:
    """Say whether a daemon runs that systemd knows nothing of."""
    if around.daemon is None:
        return Finding(
            "service", "skipped", around.text("no daemon runs, and systemd has no unit for one")
        )
    text = around.text("the daemon runs (pid {pid}), not as a service", pid=around.daemon["pid"])
    return Finding("service", "ok", text)


def judge(around: Surroundings, facts: dict[str, str]) -> Finding:
    """Hold the unit's properties against what they should be."""
    restarts = int(facts.get("NRestarts") or 0)
    text = around.text(
        "{unit} is {state} ({detail}), restarts: {restarts}",
        unit=UNIT,
        state=facts.get("ActiveState"),
        detail=facts.get("SubState"),
        restarts=restarts,
    )
    if facts.get("ActiveState") != "active":
        advice = around.text(
            "Start it: `sudo systemctl enable --now edge-runtime`. If it does not stay up, "
            "`journalctl -u edge-runtime -n 50` says why."
        )
        return Finding("service", "failed", text, advice)
    if restarts:
        advice = around.text("`journalctl -u edge-runtime` says why it was started again.")
        return Finding("service", "warning", text, advice)
    if facts.get("UnitFileState") not in ("enabled", "enabled-runtime"):
        advice = around.text(
            "It does not start with the board: `sudo systemctl enable edge-runtime`."
        )
        return Finding("service", "warning", text, advice)
    return Finding("service", "ok", text)
