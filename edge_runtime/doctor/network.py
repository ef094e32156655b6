"""The way out of the board: a default route, and the address behind the broker's name."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from edge_runtime.board.kernel import read
from edge_runtime.broker.endpoint import endpoint_of
from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.errors import Text, row
from edge_runtime.language import N_
from edge_runtime.options import BrokerOptions, Config
from edge_runtime.options.broker import is_clear, password_doubt
from edge_runtime.publish.candidates import DISCOVER

# Of a link without TLS to another machine.
OPEN_LINK = N_(
    "the link is not encrypted: anybody on the way can read results, forge them, and send commands "
    "to this device"
)
CLOSE_LINK = N_(
    "Use mqtts:// (or wss://) in broker.url; `edge-runtime provision` sets up all of it."
)

IS_UP = 0x1  # RTF_UP of <linux/route.h>


def check_network(context: CheckContext) -> Iterator[Finding]:
    """Is there a way out, and does the broker's name lead anywhere?"""
    host = host_of(context.config)
    if is_loopback(host):
        text = context.text("not needed: the broker is on this board")
        yield Finding("network", "skipped", text)
        return
    yield route_of(context)
    if host and not is_address(host):
        yield address_of(context, host)


def route_of(context: CheckContext) -> Finding:
    """Say through which interface the board reaches other networks."""
    interface = default_interface(context.root)
    if interface:
        return Finding(
            "network", "ok", context.text("default route through {interface}", interface=interface)
        )
    return Finding(
        "network",
        "warning",
        context.text("there is no default route: only the local network can be reached"),
        context.text(
            "Check the network cable, Wi-Fi or SIM card; `ip route` must show a line that begins "
            "with default. A broker on the local network needs none."
        ),
    )


def address_of(context: CheckContext, host: str) -> Finding:
    """Say what the broker's name resolves to."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return Finding(
            "network",
            "failed",
            context.text("the name {host} cannot be resolved", host=host),
            context.text(
                "Check broker.url and the DNS server (`resolvectl status`). A name that ends in "
                ".local needs the package libnss-mdns."
            ),
        )
    addresses = ", ".join(sorted({str(one[4][0]) for one in found}))
    return Finding(
        "network",
        "ok",
        context.text("{host} is {addresses}", host=host, addresses=addresses),
    )


def host_of(config: Config | None) -> str:
    """Return the broker's host; none where it is looked for, or nothing is configured."""
    if config is None or config.broker.url == DISCOVER:
        return ""
    return endpoint_of(config.broker.url).host


def is_address(host: str) -> bool:
    """Say whether a host is an address already."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def open_link_doubt(broker: BrokerOptions) -> Text | None:
    """Say what a broker's URL without TLS means, and what to do; None where nothing is open."""
    if not is_clear(broker.url) or is_loopback(endpoint_of(broker.url).host):
        return None
    return row([password_doubt(broker) or Text(OPEN_LINK), Text(CLOSE_LINK)], ". ")


def is_loopback(host: str) -> bool:
    """Say whether a host is this board itself."""
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)


def default_interface(root: Path) -> str:
    """Return the interface of the default route, of IPv4 or else of IPv6; none: empty."""
    for line in read(root / "proc/net/route").splitlines()[1:]:
        interface, destination, _gateway, flags = line.split()[:4]
        if destination == "00000000" and int(flags, 16) & IS_UP:
            return interface
    for line in read(root / "proc/net/ipv6_route").splitlines():
        destination, length, *_, interface = line.split()
        # The kernel keeps an unreachable default of its own on `lo`.
        if (destination.strip("0"), length) == ("", "00") and interface != "lo":
            return interface
    return ""
