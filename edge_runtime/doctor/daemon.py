"""What the running daemon says of a stream: it holds cameras and ports, so that nobody else can."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from edge_runtime.board.kernel import first_number, read
from edge_runtime.daemon.status_socket import NAME
from edge_runtime.doctor.access import blocked_by_unit
from edge_runtime.doctor.base import CheckContext, Finding, State
from edge_runtime.errors import Text, located, row
from edge_runtime.language import N_
from edge_runtime.options import SourceOptions

S = TypeVar("S")

LONGEST_WAIT_S = 60.0  # that a person is asked for: a meter may send a row an hour

STARTING = N_("starting")
# The state of a stream: what it means for the check, and how it is said.
STATES: dict[str, tuple[State, str]] = {
    STARTING: ("warning", STARTING),
    "running": ("ok", N_("running")),
    "degraded": ("failed", N_("degraded")),
    "ended": ("ok", N_("ended")),
}


def of_each_stream(
    context: CheckContext,
    check: str,
    *,
    none: str,
    plugged_in: Callable[[CheckContext], Finding],
    device: Callable[[S], str],
    look_at: Callable[[CheckContext, str, S], Finding],
    advice: Callable[[str], str],
) -> Iterator[Finding]:
    """Look at each stream's source that names this check, or at what the daemon says of it.

    Without a configuration, at what is plugged in; `none`: no stream uses such a source; `device`:
    its path or URL; `advice`: what to do about a trouble of which the daemon says this (empty:
    nothing). What the daemon is at work with need not be asked whether it may be opened.
    """
    if context.config is None:
        yield plugged_in(context)
        return
    found = [one for one in context.config.streams if one.source.doctor_check == check]
    if not found:
        yield Finding(check, "skipped", none)
    for name, source in ((one.name, one.source) for one in found):
        options = cast(S, source)  # a kind names the check that is made for it
        told = told_of_stream(context, name)
        one = f"{check}/{name}"
        if not is_at_work(told) and (
            finding := blocked_by_unit(context, one, check, Path(device(options)))
        ):
            yield finding
        elif told is not None:
            yield finding_of_stream(context, one, told, source, advice)
        else:
            yield look_at(context, one, options)


def told_of_stream(context: CheckContext, name: str) -> dict[str, Any] | None:
    """Return what the daemon says of a stream; None where it does not run it."""
    if context.daemon is None:
        return None
    told: dict[str, Any] | None = context.daemon.get("streams", {}).get(name)
    return told


def is_at_work(told: dict[str, Any] | None) -> bool:
    """Say whether the daemon has got samples of a stream."""
    return told is not None and told.get("state") in ("running", "ended")


def finding_of_stream(
    context: CheckContext,
    check: str,
    told: dict[str, Any],
    source: SourceOptions,
    advice: Callable[[str], str],
) -> Finding:
    """Return the daemon's words on a stream as a finding; `advice` on them where it has trouble."""
    why = reason_of_stream(told).localized(context.language)
    state, word = STATES[told.get("state", STARTING)]
    if word == STARTING and (wait_s := may_take_s(source) - at_work_s(context)) > 0:
        return still_starting(context, check, wait_s)
    if state == "ok":
        state = "warning" if why else "ok"
        about_source = any(told.get(key) for key in ("reason", "notice", "channels"))
        to_do = advice(why) if about_source else ""
    else:
        to_do = advice(why)
    text = context.text(
        "the running daemon has it: {state}, {captured} samples taken, started again {restarts} "
        "times",
        state=context.text(word),
        captured=told.get("captured", 0),
        restarts=told.get("restarts", 0),
    )
    return Finding(check, state, f"{text}: {why}" if why else text, to_do)


def reason_of_stream(told: dict[str, Any]) -> Text:
    """Return what the daemon says is wrong with a stream, and with which of its channels."""
    channels = [located(*one) for one in told.get("channels", {}).items()]
    first = told.get("reason") or told.get("notice") or told.get("tracking")
    return row([*([first] if first else []), *channels])


def still_starting(context: CheckContext, check: str, wait_s: float) -> Finding:
    """Say that it is too early to tell, and for how long."""
    text = context.text(
        "the running daemon has it and is still starting: ask again in {seconds} s",
        seconds=math.ceil(min(wait_s, LONGEST_WAIT_S)),
    )
    return Finding(check, "skipped", text)


def may_take_s(source: SourceOptions) -> float:
    """Return how long a stream may rightly be starting: it opens its source, and reads once."""
    return 2 * source.hang_limit_s


def at_work_s(context: CheckContext) -> float:
    """Return for how long the daemon has been at work on its streams; infinite where not known.

    It makes its socket anew for each configuration that it reads. Where the clock was set since
    then, the socket looks too old; but no stream is older than its process, whose age holds.
    """
    assert context.daemon is not None
    ages_s = (socket_age_s(context), process_age_s(context.daemon["pid"], context.root))
    return min((age for age in ages_s if age is not None and age >= 0), default=math.inf)


def socket_age_s(context: CheckContext) -> float | None:
    """Return how long ago the daemon's socket was made, by the wall clock."""
    try:
        return context.clock.now().wall_s - (context.state_dir / NAME).stat().st_mtime
    except OSError:
        return None


def process_age_s(pid: int, root: Path) -> float | None:
    """Return how long ago a process was started (proc(5): field 22 of `stat`, in clock ticks)."""
    up_s = first_number(read(root / "proc/uptime"))
    # The program's name, in brackets, may hold spaces and brackets itself.
    fields = read(root / f"proc/{pid}/stat").rpartition(")")[2].split()
    if up_s is None or len(fields) < 20:
        return None
    return up_s - int(fields[19]) / os.sysconf("SC_CLK_TCK")
