"""The daemon's log: standard error, one line a thing, for the journal or a terminal."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from edge_runtime.cli.log_limit import LimitedHandler
from edge_runtime.cli.printable import printable_lines
from edge_runtime.urls import without_urls

# sd-daemon(3): a leading <N> gives the journal the line's priority.
PRIORITY = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


class LogFormatter(logging.Formatter):
    """Lines that a log may have: without what a terminal would obey, and without logins.

    Brokers, cameras and clients put words in them; a traceback repeats a URL with its login.
    """

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's
        return without_urls(super().formatException(ei))


class JournalFormatter(LogFormatter):
    """Lines with a priority and without the time, which the journal adds."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).replace("\n", "\n ")
        return f"<{PRIORITY.get(record.levelname, 6)}>{text}"


def set_up_logging(*, verbose: bool = False) -> None:
    """Send the project's log to standard error; all of it only to who asks for all."""
    handler = logging.StreamHandler(sys.stderr) if verbose else LimitedHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(JournalFormatter("%(message)s"))
    else:
        handler.setFormatter(LogFormatter("%(asctime)s %(levelname)-7s %(message)s"))
    root = logging.getLogger("edge_runtime")
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.INFO)


def set_up_silence() -> None:
    """Drop the project's log, for commands that say at their end what went wrong."""
    logging.getLogger("edge_runtime").addHandler(logging.NullHandler())


def hide_urls_of_defects() -> None:
    """Let what nobody caught end with its traceback as it does, but without a URL's login."""

    def tell(
        kind: type[BaseException], error: BaseException | None, where: TracebackType | None
    ) -> None:
        told = "".join(traceback.format_exception(kind, error, where))
        sys.stderr.write(printable_lines(without_urls(told)))

    def tell_of_thread(what: threading.ExceptHookArgs) -> None:
        if not issubclass(what.exc_type, SystemExit):
            sys.stderr.write(f"Exception in thread {what.thread and what.thread.name}:\n")
            tell(what.exc_type, what.exc_value, what.exc_traceback)

    sys.excepthook, threading.excepthook = tell, tell_of_thread
