"""The daemon's log: standard error, one line a thing, for the journal or a terminal."""

from __future__ import annotations

import logging
import os
import sys

from edge_runtime.cli.printable import printable

# sd-daemon(3): a leading <N> gives the journal the line's priority.
PRIORITY = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


class PlainFormatter(logging.Formatter):
    """Lines without what a terminal would obey: brokers, cameras and clients put words in them."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))


class JournalFormatter(PlainFormatter):
    """Lines with a priority and without the time, which the journal adds."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).replace("\n", "\n ")
        return f"<{PRIORITY.get(record.levelname, 6)}>{text}"


def set_up_logging(*, verbose: bool = False) -> None:
    """Send the project's log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(JournalFormatter("%(message)s"))
    else:
        handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)-7s %(message)s"))
    root = logging.getLogger("edge_runtime")
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.INFO)


def set_up_silence() -> None:
    """Drop the project's log, for commands that say at their end what went wrong."""
    logging.getLogger("edge_runtime").addHandler(logging.NullHandler())
