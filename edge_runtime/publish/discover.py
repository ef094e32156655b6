"""Brokers that announce themselves on the local network, by DNS-SD (RFC 6763)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.publish.endpoint import Endpoint
from edge_runtime.publish.reasons import LinkError

if TYPE_CHECKING:
    from zeroconf import ServiceInfo

SERVICE = "_secure-mqtt._tcp.local."
BROWSE_S = 3.0
RESOLVE_MS = 1000
MAX_CANDIDATES = 4

Discover: TypeAlias = Callable[[], list[Endpoint]]


def find_brokers(*, interfaces: list[str] | None = None, browse_s: float = BROWSE_S) -> list[
    Endpoint
]:  # fmt: skip
    """Browse for a bounded time and return a few candidates, in the order of their names.

    What is found is a guess: TLS still decides whether it is the broker. A browser of its own for
    each call, since zeroconf does not see interfaces that come up after it was made. Zeroconf
    costs 112 ms and 24 MiB to import: only devices that discover pay for it.
    """
    from zeroconf import InterfaceChoice, ServiceBrowser, Zeroconf

    names: set[str] = set()
    full = threading.Event()

    def found(*, name: str, **_ignored: object) -> None:
        if len(names) < MAX_CANDIDATES:
            names.add(name)
        else:
            full.set()

    try:
        zeroconf = Zeroconf(interfaces=interfaces or InterfaceChoice.All)
    except OSError as error:
        raise LinkError(f"cannot look for brokers: {error.strerror}; is there a network?") from None
    try:
        browser = ServiceBrowser(zeroconf, SERVICE, handlers=[found])
        full.wait(browse_s)
        browser.cancel()
        infos = [zeroconf.get_service_info(SERVICE, name, RESOLVE_MS) for name in sorted(names)]
    finally:
        zeroconf.close()
    return [endpoint for info in infos if info is not None for endpoint in endpoints_of(info)]


def endpoints_of(info: ServiceInfo) -> list[Endpoint]:
    """Return a service's first address with the name that its certificate must bear."""
    name = (info.server or "").rstrip(".")
    return [
        Endpoint(address, info.port, True, name)
        for address in info.parsed_addresses()[:1]
        if info.port and name
    ]
