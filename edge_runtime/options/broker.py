"""What the types cannot say of `[broker]`: whom it trusts, and the files that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from edge_runtime.errors import Text, row
from edge_runtime.options.device import BrokerOptions
from edge_runtime.toml_file import path_fault
from edge_runtime.urls import shown_url

# The schemes in clear, and their like with TLS.
WITH_TLS = {"mqtt": "mqtts", "ws": "wss"}
WEBSOCKET_PATH = re.compile(r"(?<=[^:/])(/[A-Za-z0-9._~-]*)+$")


def faults(broker: BrokerOptions) -> Iterator[tuple[str, Text]]:
    """Yield each key that is wrong, and what is wrong with it."""
    yield from wrong_trust(broker)
    yield from wrong_url(broker.url)
    yield from wrong_files(broker)


def password_doubt(broker: BrokerOptions) -> Text | None:
    """Say that the password crosses a network in clear; None where it does not."""
    if not is_clear(broker.url) or broker.password_file is None:
        return None
    return Text(
        "user name and password go in clear over {scheme}://: anybody on the way can read and use "
        "them, read and forge results, and send commands to this device",
        scheme=scheme_of(broker.url),
    )


def is_clear(url: str) -> bool:
    """Say whether a broker is spoken to without TLS."""
    return url.startswith(tuple(f"{scheme}://" for scheme in WITH_TLS))


def scheme_of(url: str) -> str:
    """Return a URL's scheme."""
    return url.partition("://")[0]


def wrong_url(url: str) -> Iterator[tuple[str, Text]]:
    """Yield what is wrong with the address."""
    if url == "discover":
        return
    is_broker = has_scheme(url) and has_host(url)
    is_bare = without_path(url) == shown_url(url)
    if is_broker and not is_bare and "@" not in url and is_websocket(url):
        yield "url", Text("its path may hold letters, digits and the signs . _ ~ - / alone")
    elif "@" in url or (is_broker and not is_bare):
        yield "url", Text("must hold host and port alone; use username and password_file")
    elif not is_broker:
        yield "url", no_broker(url)


def no_broker(url: str) -> Text:
    """Say that a URL is none of a broker's."""
    return Text(
        "'{url}' is not mqtts://host[:port] or mqtt://host[:port]; over WebSockets: "
        "wss://host[:port]/path or ws://",
        url=shown_url(url),
    )


def has_scheme(url: str) -> bool:
    """Say whether a URL begins as a broker's does."""
    return url.startswith(tuple(f"{one}://" for pair in WITH_TLS.items() for one in pair))


def without_path(url: str) -> str:
    """Return a broker's URL without the path that a WebSocket has; any other keeps its own."""
    return WEBSOCKET_PATH.sub("", url) if is_websocket(url) else url.removesuffix("/")


def is_websocket(url: str) -> bool:
    """Say whether MQTT goes over WebSockets by a URL."""
    return scheme_of(url) in ("ws", "wss")


def has_host(url: str) -> bool:
    """Say whether a URL names a host, and a port that can be one if any."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket or a port that is none
        return False


def wrong_trust(broker: BrokerOptions) -> Iterator[tuple[str, Text]]:
    """Yield what would leave it open who the broker is, or who we are."""
    found = broker.url == "discover"
    is_provisioned = broker.identity is not None
    if is_provisioned:
        for key in ("ca_file", "cert_file", "key_file"):
            if getattr(broker, key) is not None:
                yield key, Text('remove it beside identity = "provisioned", which has its own')
    elif found and broker.ca_file is None:
        yield (
            "ca_file",
            Text(
                'missing beside url = "discover"; a broker found on the local network must prove '
                "who it is: give the CA that signed its certificate"
            ),
        )
    if broker.server_name is None and (found or is_provisioned):
        beside = 'url = "discover"' if found else 'identity = "provisioned"'
        yield (
            "server_name",
            Text(
                "missing beside {beside}; give the name that the broker's certificate must bear",
                beside=beside,
            ),
        )
    if not is_clear(broker.url):
        return
    schemes = {"scheme": scheme_of(broker.url), "tls": WITH_TLS[scheme_of(broker.url)]}
    if is_provisioned or broker.server_name is not None:
        yield "url", Text("without TLS nobody proves who he is; write {tls}://", **schemes)
    else:
        for key in ("ca_file", "cert_file", "key_file"):
            if getattr(broker, key) is not None:
                yield (
                    key,
                    Text(
                        "is for TLS, and {scheme}:// goes in clear; write {tls}:// in url, or "
                        "remove this",
                        **schemes,
                    ),
                )


def wrong_files(broker: BrokerOptions) -> Iterator[tuple[str, Text]]:
    """Yield what is missing: a file, or the one that goes with it."""
    for key in ("ca_file", "cert_file", "key_file", "password_file"):
        file = getattr(broker, key)
        if file is not None and (fault := path_fault(file, Path.is_file, Text("is not there"))):
            yield key, row([file, fault], " ")
    if (broker.cert_file is None) != (broker.key_file is None):
        yield "cert_file", Text("cert_file and key_file go together; give both or neither")
    if broker.password_file is not None and broker.username is None:
        yield "username", Text("missing beside password_file; add it")
