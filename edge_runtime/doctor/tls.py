"""TLS to the broker: its chain, its name, its dates, and what it says of our certificate."""

from __future__ import annotations

import socket
import ssl
import time

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.broker.reasons import (
    EXPIRED,
    HANGS_UP,
    NOT_YET_VALID,
    UNKNOWN_CA,
    WRONG_NAME,
    WRONG_PURPOSE,
    LinkError,
    openssl_text,
    why_unreachable,
)
from edge_runtime.broker.tls import context_for
from edge_runtime.broker.who_answers import await_alert, who_answers
from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.errors import located
from edge_runtime.language import N_
from edge_runtime.options import BrokerOptions

DAY_S = 86_400.0
SOON_DAYS = 14.0

# What is wrong with the broker's certificate, by OpenSSL's code, and what to do.
VERIFY = {
    **dict.fromkeys(
        UNKNOWN_CA,
        (
            N_("the certificate of {address} is not signed by the CA that this device trusts"),
            N_(
                "This may be another broker. Check the address; if it is right, get the CA's "
                "certificate from the office again."
            ),
        ),
    ),
    **dict.fromkeys(
        WRONG_NAME,
        (
            N_("the certificate of {address} is for another name than {name}"),
            N_(
                "This may be another broker. Check broker.url and broker.server_name; else the "
                "office must make the broker a certificate with this name."
            ),
        ),
    ),
    EXPIRED: (
        N_("the certificate of {address} has expired"),
        N_("The office must renew the broker's certificate. Check this board's clock too."),
    ),
    NOT_YET_VALID: (
        N_("the certificate of {address} is not valid yet"),
        N_("Check this board's clock, then the broker's."),
    ),
    WRONG_PURPOSE: (
        N_("the certificate of {address} is not a server's"),
        N_(
            "Every device of the office has one like that: this may not be the broker. Tell the "
            "office, and check the address."
        ),
    ),
}
ANY_OTHER = (
    N_("TLS with {address} fails: {why}"),
    N_("Check the port in broker.url: the one for TLS is mostly 8883."),
)
# What the broker says of ours, by words in OpenSSL's name of its alert.
ALERTS = {
    "CERTIFICATE_REQUIRED": (
        N_("{address} asks for a certificate of this device, which has none"),
        N_("Run `sudo edge-runtime provision`, or give broker.cert_file and broker.key_file."),
    ),
    "CERTIFICATE_EXPIRED": (
        N_("{address} says that this device's certificate has expired"),
        N_("Ask the office for a new claim, then run `sudo edge-runtime provision`."),
    ),
    "CERTIFICATE_REVOKED": (
        N_("{address} says that this device's certificate was revoked"),
        N_("Ask the office; if this is an error, it gives you a new claim."),
    ),
}
NOT_TAKEN = (
    N_("{address} does not accept this device's certificate ({why})"),
    N_("Ask the office whether it is of its CA and not revoked; the broker's log says more."),
)


def check_tls(context: CheckContext, broker: BrokerOptions, endpoint: Endpoint) -> Finding:
    """Shake hands as the daemon does, and read what both certificates are worth."""
    trusted = context.clock.now().trusted
    try:
        tls_context = context_for(broker, endpoint.name, clock_trusted=trusted)
    except LinkError as error:
        return Finding(
            "tls",
            "failed",
            context.text("a file of TLS cannot be used: {reason}", reason=error),
            context.text("Correct the path in [broker], or provision this device again."),
        )
    address = (endpoint.host, endpoint.port)
    try:
        with (
            socket.create_connection(address, broker.connect_timeout_s) as plain,
            tls_context.wrap_socket(plain) as tls,
        ):
            certificate = tls.getpeercert() or {}
            version = tls.version() or ""
            await_alert(tls)
    except ssl.SSLCertVerificationError as error:
        return failed(context, endpoint, VERIFY.get(error.verify_code, ANY_OTHER), error)
    except ssl.SSLError as error:
        if (texts := meaning(error)) is None:
            return broke(context, broker, endpoint, error)
        return failed(context, endpoint, texts, error)
    except OSError as error:
        return broke(context, broker, endpoint, error)
    return judge(context, endpoint, version, ssl.cert_time_to_seconds(str(certificate["notAfter"])))


def meaning(error: ssl.SSLError) -> tuple[str, str] | None:
    """Return what the broker says of our certificate; None: it says nothing of that."""
    reason = error.reason or ""
    for word, texts in ALERTS.items():
        if word in reason:
            return texts
    return NOT_TAKEN if "ALERT" in reason else None


def broke(
    context: CheckContext, broker: BrokerOptions, endpoint: Endpoint, error: OSError
) -> Finding:
    """Say why there is no TLS, in the words that the running daemon has for it."""
    why = why_unreachable(error, clock_trusted=context.clock.now().trusted)
    if isinstance(error, HANGS_UP):
        why = who_answers(endpoint, broker.connect_timeout_s) or why
    text = located(endpoint, why).localized(context.language)
    return Finding("tls", "failed", text, context.text(ANY_OTHER[1]))


def failed(
    context: CheckContext, endpoint: Endpoint, texts: tuple[str, str], error: OSError
) -> Finding:
    """Say what stood in the way."""
    why = getattr(error, "reason", None) or error.strerror or str(error)
    text = context.text(
        texts[0],
        address=endpoint,
        name=endpoint.name,
        why=openssl_text(why),
    )
    return Finding("tls", "failed", text, context.text(texts[1]))


def judge(context: CheckContext, endpoint: Endpoint, version: str, until_s: float) -> Finding:
    """Say how long the broker's certificate is still good for."""
    days = (until_s - context.clock.now().wall_s) / DAY_S
    values = {
        "address": endpoint,
        "version": version,
        "name": endpoint.name,
        "day": time.strftime("%Y-%m-%d", time.gmtime(until_s)),
    }
    text = context.text(
        "{version} with {address}, which is {name}; its certificate is good until {day}", **values
    )
    if days >= SOON_DAYS:
        return Finding("tls", "ok", text)
    advice = context.text("The office must renew the broker's certificate before that day.")
    return Finding("tls", "warning", text, advice)
