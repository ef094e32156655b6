"""A connection to the broker beside the daemon's: to try a certificate, to clear up at the end."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.enrolment.identity import Files, IdentityFolder
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.candidates import Candidates, Discover
from edge_runtime.publish.contract import Identity
from edge_runtime.publish.dialer import Dialer, UnreachedError
from edge_runtime.publish.link import BrokerLink
from edge_runtime.publish.waker import Waker

FAREWELL_S = 2.0


class BrokerLine(msgspec.Struct, frozen=True):
    """How to reach the broker from a command: what a configuration says, within a bounded time."""

    broker: BrokerOptions
    site: str
    device: str
    place: IdentityFolder
    clock: Clock
    discover: Discover
    longest_s: float = 60.0

    @contextlib.contextmanager
    def opened(self, files: Files, purpose: str) -> Iterator[BrokerLink]:
        """Give a link that shows these files; its client id is the daemon's with `:purpose`.

        Raises LinkError. There is no will: the broker must say nothing in the daemon's name.
        """
        broker = msgspec.structs.replace(
            self.broker, ca_file=files.ca, cert_file=files.certificate, key_file=files.key
        )
        identity = Identity.of(self.site, self.device).beside(purpose)
        chance = random.Random()  # noqa: S311  an order of candidates, no secret
        candidates = Candidates(self.broker, self.place, self.discover, chance)
        ends_s = self.clock.monotonic() + self.longest_s
        with contextlib.closing(Waker()) as waker:
            dialer = Dialer(
                broker, candidates, None, identity, lambda: None, self.clock, waker,
                lambda: self.clock.monotonic() >= ends_s,
            )  # fmt: skip
            with contextlib.closing(dial(dialer, candidates)) as link:
                yield link
                link.disconnect(self.clock.monotonic() + FAREWELL_S)


def dial(dialer: Dialer, candidates: Candidates) -> BrokerLink:
    """Dial until nothing is left to try."""
    while True:
        try:
            return dialer.dial()
        except UnreachedError:
            if not candidates.more:
                raise
