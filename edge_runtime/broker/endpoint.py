"""Where a broker is: host, port, TLS, and the name that its certificate must bear."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

PORT = 1883
TLS_PORT = 8883


class Endpoint(msgspec.Struct, frozen=True):
    """A broker's address. `name` is what the certificate is checked for, whatever the host."""

    host: str
    port: int
    tls: bool
    name: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint_of(url: str, server_name: str | None = None) -> Endpoint:
    """Return the address in an mqtt:// or mqtts:// URL, with the scheme's default port."""
    parts = urlsplit(url)
    tls = parts.scheme == "mqtts"
    host = parts.hostname or ""
    return Endpoint(host, parts.port or (TLS_PORT if tls else PORT), tls, server_name or host)
