"""What `edge-runtime status` says of a stream, the link and the outbox."""

from __future__ import annotations

import time
from typing import Any

from edge_runtime.errors import RawText, Text, located, row
from edge_runtime.language import N_

# The states of the daemon and its parts, as it says them.
STATES = frozenset(
    {
        N_("ok"),
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


def word(state: str) -> Text:
    """Return a state; what a newer daemon says is shown as it is."""
    return Text(state) if state in STATES else RawText(state)


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
    state = word(outbox["state"])
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


def megabytes(size: float) -> str:
    return f"{size / 1e6:.3f} MB"
