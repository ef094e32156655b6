"""Brokers that announce themselves on the local network, by DNS-SD (RFC 6763)."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.broker.reasons import LinkError
from edge_runtime.errors import because
from edge_runtime.publish.candidates import MAX_FOUND

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, ServiceStateChange, Zeroconf

SERVICE = "_secure-mqtt._tcp.local."
BROWSE_S = 3.0
RESOLVE_S = 3.0
RESOLVE_ONE_MS = 1000


def find_brokers(
    *, interfaces: list[str] | None = None, browse_s: float = BROWSE_S
) -> list[Endpoint]:
    """Browse for a bounded time and return what announces itself, at most MAX_FOUND of it.

    What is found is a guess: TLS still decides whether it is the broker. A browser of its own for
    each call, since zeroconf does not see interfaces that come up after it was made. Zeroconf
    costs 112 ms and 24 MiB to import: only devices that discover pay for it.
    """
    from zeroconf import InterfaceChoice, ServiceBrowser, Zeroconf

    sample = Sample(MAX_FOUND, random.Random())  # noqa: S311  fair, keeps no secret
    try:
        zeroconf = Zeroconf(interfaces=interfaces or InterfaceChoice.All)
    except OSError as error:
        raise LinkError(
            "cannot look for brokers: {reason}; is there a network?", reason=because(error)
        ) from None
    try:
        browser = ServiceBrowser(zeroconf, SERVICE, handlers=[sample.heard])
        threading.Event().wait(browse_s)
        browser.cancel()
        infos = resolved(zeroconf, sample.names)
    finally:
        zeroconf.close()
    return [endpoint for info in infos for endpoint in endpoints_of(info)]


class Sample:
    """So many of the names that are heard, each with the same chance, however many there are."""

    def __init__(self, size: int, chance: random.Random) -> None:
        self.names: list[str] = []
        self._size = size
        self._chance = chance
        self._heard = 0

    def heard(self, *, name: str, state_change: ServiceStateChange, **_ignored: object) -> None:
        """Take a name in its turn; from zeroconf's thread."""
        if state_change.name != "Added" or name in self.names:
            return
        self._heard += 1
        if len(self.names) < self._size:
            self.names.append(name)
        elif (place := self._chance.randrange(self._heard)) < self._size:
            self.names[place] = name


def resolved(zeroconf: Zeroconf, names: list[str]) -> list[ServiceInfo]:
    """Return where the names are: most responders have said so already, some must be asked."""
    from zeroconf import ServiceInfo

    infos = [ServiceInfo(SERVICE, name) for name in names]
    asked = [info for info in infos if not info.load_from_cache(zeroconf)]
    random.shuffle(asked)  # names that nobody answers for must not take all the time
    deadline_s = time.monotonic() + RESOLVE_S
    for info in asked:
        if time.monotonic() < deadline_s:
            info.request(zeroconf, RESOLVE_ONE_MS)
    return infos


def endpoints_of(info: ServiceInfo) -> list[Endpoint]:
    """Return a service's first address with the host name that it claims."""
    name = (info.server or "").rstrip(".")
    return [
        Endpoint(address, info.port, True, name)
        for address in info.parsed_scoped_addresses()[:1]
        if info.port and name
    ]
