"""What answers at a broker's address where no MQTT came of it: asked in other protocols."""

from __future__ import annotations

import contextlib
import socket
import ssl

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.errors import Text

LONGEST_S = 2.0  # that one question may take
ALERT_WAIT_S = 1.0
HTTP = (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/")
# A CONNECT of MQTT 3.1.1 that names nobody, and how any CONNACK begins.
MQTT = (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", b"\x20")

NO_TLS = Text("does not speak TLS on this port; correct the port, or write mqtt:// (ws://)")
SPEAKS_TLS = Text("speaks TLS on this port; write mqtts:// (wss://) in broker.url")
WEB_SERVER = Text(
    "a web server (HTTP) answers there, no MQTT broker; correct the port: mostly 1883, or 8883 "
    "with mqtts://"
)


def who_answers(endpoint: Endpoint, timeout_s: float) -> Text | None:
    """Return what speaks there in place of what was expected; None: that cannot be told."""
    limit_s = min(timeout_s, LONGEST_S)
    in_clear = HTTP if endpoint.path else MQTT  # a WebSocket begins as a request to a web server
    if endpoint.tls:
        return NO_TLS if answers(endpoint, *in_clear, limit_s) else None
    if speaks_tls(endpoint, limit_s):
        return SPEAKS_TLS
    return WEB_SERVER if not endpoint.path and answers(endpoint, *HTTP, limit_s) else None


def speaks_tls(endpoint: Endpoint, limit_s: float) -> bool:
    """Say whether TLS is spoken; whose it is does not matter, as nothing is told to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), limit_s) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.name),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it refuses us in TLS
    except OSError:
        return False


def alert_of(endpoint: Endpoint, context: ssl.SSLContext, limit_s: float) -> str:
    """Return OpenSSL's name of the alert with which a broker refuses our certificate; empty: none.

    Nothing is said after the handshake: a broker that has closed would answer that with a reset,
    and with it the kernel drops an alert that nobody has read yet.
    """
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), limit_s) as plain,
            context.wrap_socket(plain) as tls,
        ):
            await_alert(tls)
    except ssl.SSLError as error:
        return error.reason or ""
    except OSError:
        pass
    return ""


def await_alert(tls: ssl.SSLSocket) -> None:
    """Give a broker time to refuse our certificate. Raises SSLError where it does.

    With TLS 1.3 it judges that after our handshake is over: its alert comes then.
    """
    tls.settimeout(ALERT_WAIT_S)
    with contextlib.suppress(TimeoutError):  # silence: a broker waits for our CONNECT
        tls.recv(1)


def answers(endpoint: Endpoint, said: bytes, begins: bytes, limit_s: float) -> bool:
    """Say whether the answer to a few bytes begins as it should."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), limit_s) as asked:
            asked.sendall(said)
            return asked.recv(len(begins)) == begins
    except OSError:
        return False
