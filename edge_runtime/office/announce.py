"""Tells the local network where the broker is, by DNS-SD: a hint that devices never trust."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator

from edge_runtime.errors import EdgeError, because
from edge_runtime.office.registry import Settings
from edge_runtime.publish.discover import SERVICE


@contextlib.contextmanager
def announced(settings: Settings, *, interfaces: list[str] | None = None) -> Iterator[None]:
    """Announce the broker while the context lasts. Blocks for 2 s: not on an event loop."""
    from zeroconf import Error, InterfaceChoice, ServiceInfo, Zeroconf

    service = ServiceInfo(
        SERVICE,
        f"{settings.broker_name.partition('.')[0]}.{SERVICE}",
        port=settings.broker_port,
        server=f"{settings.broker_name}.",
        parsed_addresses=addresses_of(settings) or interfaces or own_addresses(),
    )
    try:
        zeroconf = Zeroconf(interfaces=interfaces or InterfaceChoice.All)
    except OSError as error:
        raise EdgeError(
            "cannot announce the broker: {reason}; is there a network?", reason=because(error)
        ) from None
    with contextlib.closing(zeroconf):
        try:
            # Another office may have the same name: the announcement then gets a number.
            zeroconf.register_service(service, allow_name_change=True)
        except Error as error:
            raise EdgeError("cannot announce the broker: {reason}", reason=error) from None
        yield


def addresses_of(settings: Settings) -> list[str]:
    """Return what `init` was told of the broker that is an address and no name."""
    found = []
    for host in settings.broker_hosts:
        with contextlib.suppress(ValueError):
            found.append(str(ipaddress.ip_address(host)))
    return found


def own_addresses() -> list[str]:
    """Return this machine's addresses as others see them."""
    from zeroconf import get_all_addresses  # type: ignore[attr-defined]

    found = [str(address) for address in get_all_addresses()]
    return [address for address in found if not ipaddress.ip_address(address).is_loopback]
