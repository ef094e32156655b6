"""Where the broker may be: as configured, where it last was, and what announces itself nearby.

None of this decides whom to trust: the certificate does, by the CA and by `server_name`. Announcing
costs nothing, so the local network may hold any number of false brokers. They are taken a few at a
time, in random order, and none a second time before each was tried once: they can neither keep
the true one from its turn nor hold up an attempt for long, and what is remembered is bounded.
"""

from __future__ import annotations

import contextlib
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from edge_runtime.broker.endpoint import Endpoint, endpoint_of
from edge_runtime.enrolment.identity import IdentityFolder, LastGoodBroker
from edge_runtime.options import BrokerOptions

DISCOVER = "discover"
AT_ONCE = 4
MAX_FOUND = 256
# The local network answers soon, or it is not the broker.
FOUND_TIMEOUT_S = 5.0
# A broker that is away for a moment is not worth a browser's 24 MiB.
LOOK_AFTER_ROUNDS = 3

Discover: TypeAlias = Callable[[], list[Endpoint]]


class BrokerCandidate(msgspec.Struct, frozen=True):
    """An address to try, and for how long."""

    endpoint: Endpoint
    timeout_s: float


class Candidates:
    """The addresses of one `[broker]`, a round at a time. One thread."""

    def __init__(
        self,
        broker: BrokerOptions,
        place: IdentityFolder | None,
        discover: Discover,
        chance: random.Random,
    ) -> None:
        self._broker = broker
        # Elsewhere than configured only where a certificate proves who is there.
        self._roams = broker.server_name is not None and (
            broker.url == DISCOVER or broker.identity is not None
        )
        self._place = place if self._roams else None
        self._discover = discover
        self._chance = chance
        self._found: deque[Endpoint] = deque()
        self._rounds = 0

    @property
    def more(self) -> bool:
        """Whether brokers were found that had no turn yet."""
        return bool(self._found)

    def next_round(self) -> Iterator[BrokerCandidate]:
        """Yield what to try now; the local network is asked only once the rest has failed."""
        if not self._found:
            self._rounds += 1
            for endpoint in self._known():
                yield BrokerCandidate(endpoint, self._broker.connect_timeout_s)
            if self._looks_around():
                self._found.extend(self._look_around())
        timeout_s = min(FOUND_TIMEOUT_S, self._broker.connect_timeout_s)
        for _ in range(min(AT_ONCE, len(self._found))):
            yield BrokerCandidate(self._found.popleft(), timeout_s)

    def worked(self, host: str, port: int, path: str = "") -> None:
        """Remember where the broker proved to be the right one."""
        self._rounds = 0
        self._found.clear()
        if self._place is not None:
            with contextlib.suppress(OSError):  # a full disk must not cost the link
                self._place.keep_last_good(LastGoodBroker(host, port, path))

    def _known(self) -> list[Endpoint]:
        name = self._broker.server_name
        known = [] if self._broker.url == DISCOVER else [endpoint_of(self._broker.url, name)]
        last = self._place.last_good() if self._place is not None else None
        if last is not None and name is not None:
            known.append(Endpoint(last.host, last.port, True, name, last.path))
        return list(dict.fromkeys(known))

    def _looks_around(self) -> bool:
        if self._broker.url == DISCOVER:
            return True
        return self._roams and self._rounds >= LOOK_AFTER_ROUNDS

    def _look_around(self) -> list[Endpoint]:
        """Return what announces itself, in random order, but first what bears the right name."""
        name = self._broker.server_name
        assert name is not None
        found = self._discover()
        self._chance.shuffle(found)
        found.sort(key=lambda endpoint: endpoint.name != name)
        there = [Endpoint(one.host, one.port, True, name) for one in found[:MAX_FOUND]]
        return list(dict.fromkeys(there))
