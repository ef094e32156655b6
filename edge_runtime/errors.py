"""One root for the errors a person is told about; each message says what to do next."""

from __future__ import annotations

import re

# Control characters, the other ends of a line, and what is left of bytes that are no UTF-8.
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class EdgeError(Exception):
    """Root of the project's own errors: its text is one line, fit to be shown to a technician."""

    def __str__(self) -> str:
        # Names and values come from files: they must not write lines of their own into a log.
        return UNFIT.sub(lambda found: repr(found[0])[1:-1], super().__str__())


class UsageError(EdgeError):
    """The command line, a configuration or a pack is wrong (exit status 2)."""


class ConfigError(UsageError):
    """The configuration file is wrong: names the file and the path within it."""


class PackError(UsageError):
    """A model pack is wrong: names its folder and the path within its manifest."""


class SourceError(EdgeError):
    """The world is not as configured (no camera, broken stream): retried with back-off."""


class BackendError(EdgeError):
    """An inference engine, a delegate or an interpreter failed."""


class OutboxError(EdgeError):
    """The outbox cannot do what was asked (state folder, disk, another process)."""
