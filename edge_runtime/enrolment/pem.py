"""Whether files hold the certificates and the key that they are named for, by OpenSSL's word."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from edge_runtime.errors import Text, because


def certificate_fault(file: Path) -> Text | None:
    """Return what is wrong with a file of certificates, None where nothing is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return fault_of(
        lambda: context.load_verify_locations(file), Text("it holds no certificate in PEM form")
    )


def key_fault(certificate: Path, key: Path) -> Text | None:
    """Return what is wrong with the key of a certificate that is in order, None where nothing is.

    An empty password fails at once; without one OpenSSL would ask on the terminal.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return fault_of(
        lambda: context.load_cert_chain(certificate, key, password=""),
        Text("it is not the key of {certificate}", certificate=certificate.name),
    )


def fault_of(load: Callable[[], object], meaning: Text) -> Text | None:
    try:
        load()
    except ssl.SSLError:
        return meaning
    except OSError as error:
        return Text("it cannot be read: {reason}", reason=because(error))
    return None
