"""Where a broker is: host, port, TLS, the name that its certificate must bear, a WebSocket's path.

| URL | goes by | port |
|---|---|---|
| `mqtts://host` | TLS | 8883 |
| `mqtt://host` | TCP, in clear | 1883 |
| `wss://host/path` | WebSocket within TLS | 443 |
| `ws://host/path` | WebSocket, in clear | 80 |
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
WEBSOCKET_PATH = "/mqtt"  # where brokers have it, unless a URL names another


class Endpoint(msgspec.Struct, frozen=True):
    """A broker's address. `name` is what the certificate is checked for, whatever the host.

    `path`: of a WebSocket; empty: MQTT goes by TCP itself.
    """

    host: str
    port: int
    tls: bool
    name: str
    path: str = ""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint_of(url: str, server_name: str | None = None) -> Endpoint:
    """Return the address in a broker's URL, with the scheme's default port and path."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    path = (parts.path or WEBSOCKET_PATH) if parts.scheme in ("ws", "wss") else ""
    tls = parts.scheme in ("mqtts", "wss")
    return Endpoint(
        host, parts.port or PORTS.get(parts.scheme, PORTS["mqtt"]), tls, server_name or host, path
    )
