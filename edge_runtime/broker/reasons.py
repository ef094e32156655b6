"""Why there is no link, in one line for people: what is wrong and what to do about it."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from edge_runtime.broker.who_answers import NO_TLS
from edge_runtime.errors import EdgeError, RawText, Text, located, row
from edge_runtime.language import N_
from edge_runtime.urls import error_text

TAKEN_OVER = 0x8E
ALIAS_INVALID = 0x94
PACKET_TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97
NO_QOS_1 = 0x9B
RETAIN_NOT_SUPPORTED = 0x9A
NO_WILDCARDS = 0xA2
UNSUPPORTED_PROTOCOL = 0x84

# Another device of the same name would be thrown out in its turn: without a long wait the two
# would throw each other out forever.
TAKEN_OVER_WAIT_S = 60.0

BROKER_SAYS = {
    0x81: N_("malformed packet"),
    0x82: N_("protocol error"),
    0x84: N_("it speaks neither MQTT 5 nor 3.1.1"),
    0x85: N_("client id not allowed; change device.site or device.name, or the broker's rules"),
    0x86: N_("wrong user name or password; check broker.username and broker.password_file"),
    0x87: N_("not authorised; check broker.username, broker.password_file and the broker's rules"),
    0x88: N_("it is not available now"),
    0x89: N_("it is busy"),
    0x8A: N_("this device is banned; ask who runs the broker"),
    0x8B: N_("it is shutting down"),
    0x8D: N_("it heard nothing from us for longer than the keepalive"),
    0x8E: N_("another client took over this device's name; give each device its own device.name"),
    0x93: N_("more messages in flight than it allows"),
    0x94: N_("topic alias not accepted"),
    0x95: N_("packet too large"),
    0x97: N_("quota exceeded"),
    0x98: N_("ended by its administrator"),
    0x9A: N_("retained messages are not supported"),
    0x9B: N_("QoS 1 is not supported; results need it"),
    0x9C: N_("use another server; correct broker.url"),
    0x9D: N_("the server has moved; correct broker.url"),
    0x9F: N_("too many connections in a short time"),
    0xA1: N_("subscription identifiers are not supported"),
    0xA2: N_("subscriptions with wildcards are not supported"),
}

NETWORK_SAYS: tuple[tuple[type[OSError], str], ...] = (
    (socket.gaierror, N_("the name cannot be resolved; check broker.url and the network's DNS")),
    (
        ConnectionRefusedError,
        N_("nothing listens on this port; is the broker running, is the port right?"),
    ),
    (
        ConnectionResetError,
        N_("the connection was reset; check the port, and whether it speaks TLS"),
    ),
    (TimeoutError, N_("no answer in time; check the network, a firewall, the address")),
)

# At TLS's first words: whoever is there may speak no TLS.
HANGS_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError)

# X509_V_ERR_… of <openssl/x509_vfy.h>
NOT_YET_VALID = 9
EXPIRED = 10
UNKNOWN_CA = (7, 18, 19, 20, 21)  # 7: the CA was made anew under its old name
WRONG_NAME = (62, 64)
WRONG_PURPOSE = 26


# What a broker says of our certificate, by the words in OpenSSL's name of its alert.
ALERTS = {
    "CERTIFICATE_REQUIRED": N_(
        "the broker asks for a client certificate; give broker.cert_file and key_file"
    ),
    "CERTIFICATE_REVOKED": N_(
        "the broker says that this device's certificate was revoked; ask the office"
    ),
    "CERTIFICATE_EXPIRED": N_(
        "the broker says that this device's certificate has expired; ask the office for a claim"
    ),
}


# What OpenSSL says where a connection is not trusted or breaks, as far as it is met in the field.
OPENSSL_SAYS = (
    N_("certificate has expired"),
    N_("certificate is not yet valid"),
    N_("self-signed certificate"),
    N_("self-signed certificate in certificate chain"),
    N_("unable to get local issuer certificate"),
    N_("unsuitable certificate purpose"),
    N_("sslv3 alert handshake failure"),
    N_("the handshake operation timed out"),
    N_("tlsv1 alert protocol version"),
    N_("tlsv1 alert unknown ca"),
    N_("unexpected eof while reading"),
    N_("wrong version number"),
)


def openssl_text(words: str) -> Text:
    """Return what OpenSSL says: translated where it is known, else as it is.

    `words`: a sentence of X509_verify_cert_error_string(3), or the name of a reason.
    """
    text = words.lower().replace("_", " ") if words.isupper() else words
    return Text(text) if text in OPENSSL_SAYS else RawText(text)


FAILURE = 0x80  # reason codes from here on are refusals (MQTT 5, section 2.4)


class LinkError(EdgeError):
    """There is no link. `answered`: the broker itself said so, by `code` where it gave one.

    `is_unclear`: who is there may be no such broker, which `who_answers` may tell.
    """

    def __init__(
        self,
        english: str,
        /,
        *,
        code: int = 0,
        answered: bool = True,
        is_unclear: bool = False,
        wait_at_least_s: float = 0.0,
        **values: Any,
    ) -> None:
        super().__init__(english, **values)
        self.code = code
        self.answered = answered
        self.is_unclear = is_unclear
        self.wait_at_least_s = wait_at_least_s


def refused(code: int) -> LinkError:
    """Return the error of a CONNACK that says no."""
    return LinkError("the broker refused the connection: {why}", why=says(code), code=code)


def dismissed(code: int) -> LinkError:
    """Return the error of a DISCONNECT from the broker."""
    wait_s = TAKEN_OVER_WAIT_S if code == TAKEN_OVER else 0.0
    return LinkError(
        "the broker ended the connection: {why}",
        why=says(code),
        code=code,
        wait_at_least_s=wait_s,
    )


def says(code: int) -> Text:
    """Return a reason code of MQTT 5 in words."""
    if code in BROKER_SAYS:
        return Text(BROKER_SAYS[code])
    return Text("reason 0x{code:02x}", code=code) if code else Text("it gave no reason")


def of_our_certificate(alert: str) -> Text | None:
    """Return what a broker says of our certificate, by what TLS said; None: nothing."""
    return next((Text(text) for words, text in ALERTS.items() if words in alert), None)


def closed_unanswered(address: str, alert: str, *, tls: bool, certified: bool) -> LinkError:
    """Return the error of a connection that ended before its CONNACK; `alert`: what TLS said.

    A broker that does not like our certificate may close before its alert can be read.
    """
    if (refusal := of_our_certificate(alert)) is not None:
        return LinkError(refusal)
    text = N_("{address}: the connection was closed instead of an answer to CONNECT")
    if tls and certified:
        text = N_(
            "{address}: the connection was closed instead of an answer to CONNECT; was this "
            "device's certificate revoked? Ask the office"
        )
    elif tls:
        text = N_(
            "{address}: the connection was closed instead of an answer to CONNECT; does it ask "
            "for a client certificate (broker.cert_file)?"
        )
    return LinkError(text, address=address, answered=False, is_unclear=True)


def unreachable(error: Exception, address: str, *, clock_trusted: bool) -> LinkError:
    """Return the error of a connection that could not be opened."""
    why = why_unreachable(error, clock_trusted=clock_trusted)
    return LinkError(located(address, why), is_unclear=isinstance(error, HANGS_UP))


def why_unreachable(error: Exception, *, clock_trusted: bool) -> Text:
    """Say what stood in the way of TCP or TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return why_unverified(error, clock_trusted=clock_trusted)
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "reason", None) or str(error)
        if why == "WRONG_VERSION_NUMBER":
            return NO_TLS
        return Text("TLS failed ({why})", why=openssl_text(why))
    for kind, why in NETWORK_SAYS:
        if isinstance(error, kind):
            return Text(why)
    if isinstance(error, OSError) and error.strerror:
        return Text("{why}; check the network", why=Text(error.strerror.lower()))
    return RawText(error_text(error).splitlines()[0])


def why_unverified(error: ssl.SSLCertVerificationError, *, clock_trusted: bool) -> Text:
    """Say what is wrong with the broker's certificate."""
    if error.verify_code in (NOT_YET_VALID, EXPIRED):
        text = (
            Text("the broker's certificate is not valid yet; renew it, or check both clocks")
            if error.verify_code == NOT_YET_VALID
            else Text("the broker's certificate has expired; renew it, or check both clocks")
        )
        unset = Text("(this device's clock is not set yet)")
        return text if clock_trusted else row([text, unset], " ")
    if error.verify_code in UNKNOWN_CA:
        return Text("the broker's certificate is not signed by a trusted CA; check broker.ca_file")
    if error.verify_code in WRONG_NAME:
        return Text(
            "the broker's certificate is for another host name; check broker.url and server_name"
        )
    if error.verify_code == WRONG_PURPOSE:
        return Text(
            "the certificate is not a server's, as every device has one: this may not be the "
            "broker; ask the office"
        )
    return Text(
        "the broker's certificate is not accepted ({why})", why=openssl_text(error.verify_message)
    )


def fell_silent() -> LinkError:
    """Return the error of a connection whose other end does not answer pings."""
    return LinkError("the broker fell silent: no answer within the keepalive")
