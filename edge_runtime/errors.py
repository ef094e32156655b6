"""One root for the errors a person is told about; each message says what to do next."""

from __future__ import annotations


class EdgeError(Exception):
    """Root of the project's own errors: its text is one line, fit to be shown to a technician."""


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
