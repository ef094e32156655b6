"""What every session of a publisher works with."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.errors import Text
from edge_runtime.publish.contract import (
    Identity,
    OnCommand,
    PublisherSettings,
    Queue,
    StatusMessages,
)
from edge_runtime.publish.outgoing import ControlMessages, PublishStatistics
from edge_runtime.publish.refusals import Refusals


class SessionContext(msgspec.Struct):
    """What every session of a publisher works with; the publisher's thread exchanges settings.

    `announced`: the revision of the birth that the broker acknowledged last.
    """

    settings: PublisherSettings
    on_command: OnCommand | None
    clock: Clock
    jitter: random.Random
    control_messages: ControlMessages
    statistics: PublishStatistics
    refusals: Refusals
    note: Callable[[Text], None]
    cleared: Callable[[], None]
    wake: Callable[[], None]
    announced: int = 0

    @property
    def identity(self) -> Identity:
        """Who the device is to the broker."""
        return self.settings.identity

    @property
    def queue(self) -> Queue:
        """Where the rows come from."""
        return self.settings.queue

    @property
    def status(self) -> StatusMessages:
        """The device's retained messages."""
        return self.settings.status
