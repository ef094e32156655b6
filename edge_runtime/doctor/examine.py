"""Runs checks one after the other, each in a bounded time: cameras and name servers may hang."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from importlib import import_module
from queue import Empty, SimpleQueue

from edge_runtime.doctor import CHECKS
from edge_runtime.doctor.base import Check, CheckContext, Finding
from edge_runtime.urls import error_text

THREAD = "check-"
LONGEST_S = 150.0  # a model's trial alone may take two minutes on a slow board


def examine(
    context: CheckContext, names: Iterable[str] = CHECKS, *, longest_s: float = LONGEST_S
) -> Iterator[Finding]:
    """Yield what the named checks find, as they find it. Never raises, never hangs."""
    for name in names:
        yield from bounded(name, check_called(name), context, longest_s)


def check_called(name: str) -> Check:
    """Return a check that is imported when it runs: a broken OpenCV is a finding, too."""
    module, _, function = CHECKS[name].partition(":")

    def check(context: CheckContext) -> Iterator[Finding]:
        found: Iterator[Finding] = getattr(import_module(module), function)(context)
        return found

    return check


def any_hangs() -> bool:
    """Say whether a check was left behind that hangs in a native call."""
    return any(thread.name.startswith(THREAD) for thread in threading.enumerate())


def bounded(name: str, check: Check, context: CheckContext, longest_s: float) -> Iterator[Finding]:
    """Run a check in a thread, and wait for each finding for a limited time.

    A thread that hangs in a native call is left behind, and ends with the process.
    """
    found: SimpleQueue[Finding | None] = SimpleQueue()
    thread = threading.Thread(
        target=run, args=(name, check, context, found), name=f"{THREAD}{name}", daemon=True
    )
    thread.start()
    try:
        while (finding := found.get(timeout=longest_s)) is not None:
            yield finding
    except Empty:
        yield Finding(
            name,
            "failed",
            context.text("no answer within {seconds:.0f} s", seconds=longest_s),
            context.text(
                "What this check asks, a device or the network, does not answer. Look at cable "
                "and power; where these are right, start the board again."
            ),
        )


def run(name: str, check: Check, context: CheckContext, found: SimpleQueue[Finding | None]) -> None:
    """Hand over what a check finds, then None."""
    try:
        for finding in check(context):
            found.put(finding)
    except Exception as error:  # one check that breaks must not hide what the others find
        found.put(
            Finding(
                name,
                "failed",
                context.text("the check itself broke: {error}", error=error_text(error)),
                context.text("Please report this to the makers of the software."),
            )
        )
    finally:
        found.put(None)
