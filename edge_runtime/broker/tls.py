"""TLS to the broker: version, CA, client certificate, host name, and clocks that are not set."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

from edge_runtime.broker.reasons import LinkError
from edge_runtime.errors import Text, because
from edge_runtime.options import BrokerOptions

X509_V_FLAG_NO_CHECK_TIME = 0x200000  # <openssl/x509_vfy.h>; Python has no name for it


class HandshakeSocket(ssl.SSLSocket):
    """Closes itself where the handshake fails: paho drops the socket without closing it."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


class BrokerContext(ssl.SSLContext):
    """Checks the certificate for `checked_name`, whatever address the socket is connected to."""

    sslsocket_class = HandshakeSocket
    checked_name: str

    def wrap_socket(self, sock: socket.socket, *args: Any, **named: Any) -> ssl.SSLSocket:
        named["server_hostname"] = self.checked_name
        return super().wrap_socket(sock, *args, **named)


def context_for(broker: BrokerOptions, host_name: str, *, clock_trusted: bool) -> ssl.SSLContext:
    """Return the context of one connection. Raises LinkError where a file is wrong.

    A board that has just started believes to be in the past, and every certificate is "not valid
    yet". Where the CA is pinned, the times are left unchecked until the clock is trusted; signature
    and host name are checked all the same.
    """
    if broker.identity is not None and broker.ca_file is None:
        raise LinkError("this device is not enrolled: run 'edge-runtime provision'")
    context = BrokerContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.checked_name = host_name
    # A name that is asked for is a subjectAltName; a subject may say anything.
    context.hostname_checks_common_name = broker.server_name is None
    if broker.ca_file is None:
        context.load_default_certs()
    else:
        with told_of(broker.ca_file, Text("a CA certificate")):
            context.load_verify_locations(broker.ca_file)
        if not clock_trusted:
            context.verify_flags |= X509_V_FLAG_NO_CHECK_TIME
    if broker.cert_file is not None:
        with told_of(broker.cert_file, Text("this device's certificate for key_file")):
            # An empty password fails at once; without one OpenSSL would ask on the terminal.
            context.load_cert_chain(broker.cert_file, broker.key_file, password="")
    return context


def password_of(broker: BrokerOptions) -> str | None:
    """Read the password afresh, so that a corrected file is taken up by the next attempt."""
    if broker.password_file is None:
        return None
    with told_of(broker.password_file, Text("the broker's password")):
        return broker.password_file.read_text(encoding="utf-8").rstrip("\r\n")


@contextlib.contextmanager
def told_of(file: Path, what: Text) -> Any:
    """Turn what goes wrong with a file into a LinkError that names it."""
    try:
        yield
    except ssl.SSLError:
        raise LinkError(
            "{file} does not hold {what} in PEM form; replace it", file=file, what=what
        ) from None
    except (OSError, ValueError) as error:
        why = because(error) if isinstance(error, OSError) else Text("not UTF-8 text")
        raise LinkError(
            "{file}: {what} cannot be read ({why}); correct the file", file=file, what=what, why=why
        ) from None
