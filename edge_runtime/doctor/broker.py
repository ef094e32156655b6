"""The broker, step by step: TCP, TLS, and one message that it acknowledges."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import msgspec

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.broker.granted import lacking
from edge_runtime.broker.reasons import LinkError, says
from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.doctor.network import CLOSE_LINK, OPEN_LINK, is_loopback
from edge_runtime.doctor.tls import check_tls
from edge_runtime.encode import Topics
from edge_runtime.encode.encoder import JSON
from edge_runtime.enrolment.identity import IdentityFolder
from edge_runtime.language import N_
from edge_runtime.options import BrokerOptions, Config
from edge_runtime.publish.candidates import BrokerCandidate, Candidates
from edge_runtime.publish.contract import MQTT_5, Identity
from edge_runtime.publish.dialer import by_address
from edge_runtime.publish.discover import find_brokers
from edge_runtime.publish.publish_once import deliver_once
from edge_runtime.records import Message

COMMAND = "doctor"  # the message goes to `…/reply/doctor`: readers of results ignore it
LEAST_PACKET_BYTES = 4096  # a birth with its names, the health of some streams: 1 kB each
ADVICE = {
    0x85: N_(
        "Allow this device its client id in the broker's rules: the doctor uses that of the "
        "device with :doctor behind it."
    ),
    0x86: N_("Check broker.username and broker.password_file."),
    0x87: N_(
        "Check broker.username and broker.password_file. The broker's rules (ACL) must let this "
        "device write below its own topics; device.site and device.name must be those that the "
        "office knows."
    ),
}
LACKS = N_("Results arrive all the same; have it allowed in the broker's settings.")


def check_broker(context: CheckContext) -> Iterator[Finding]:
    """Walk the way to the broker, at the first address where it leads through."""
    if context.config is None:
        yield Finding("broker", "skipped", context.text("there is no configuration to go by"))
        return
    place = IdentityFolder(context.state_dir)
    broker = context.config.broker
    if broker.identity is not None and not place.is_enrolled:
        yield not_enrolled(context, place)
        return
    steps: list[Finding] = []
    for candidate in Candidates(broker, place, find_brokers, random.Random()).next_round():  # noqa: S311
        findings = list(walk(context, context.config, candidate))
        if findings[-1].state != "failed":
            # Elsewhere than configured: that it works does not make the address right.
            failures = [one for one in steps if one.state == "failed"]
            yield from (msgspec.structs.replace(one, state="warning") for one in failures)
            yield from findings
            return
        steps += findings
    yield from steps or [none_found(context)]


def walk(context: CheckContext, config: Config, candidate: BrokerCandidate) -> Iterator[Finding]:
    """Take one step after the other, until one fails."""
    broker = msgspec.structs.replace(config.broker, connect_timeout_s=candidate.timeout_s)
    finding = reach(context, candidate)
    yield finding
    if finding.state == "failed":
        return
    if candidate.endpoint.tls:
        finding = check_tls(context, broker, candidate.endpoint)
        yield finding
        if finding.state == "failed":
            return
    else:
        yield without_tls(context, candidate.endpoint)
    yield from deliver(context, config, broker, candidate.endpoint)


def reach(context: CheckContext, candidate: BrokerCandidate) -> Finding:
    """Open a TCP connection."""
    endpoint = candidate.endpoint
    try:
        socket.create_connection((endpoint.host, endpoint.port), candidate.timeout_s).close()
    except socket.gaierror:
        text = context.text("the name {host} cannot be resolved", host=endpoint.host)
        advice = context.text("Check broker.url and the network's DNS server.")
    except ConnectionRefusedError:
        text = context.text("{address}: nothing listens on this port", address=endpoint)
        advice = context.text("Is the broker running? Is the port in broker.url right?")
    except OSError:
        text = context.text("{address} does not answer", address=endpoint)
        advice = context.text(
            "Check the network and the address in broker.url; a firewall must let this port "
            "through. Results are kept in the outbox until then."
        )
    else:
        return Finding("broker", "ok", context.text("{address} can be reached", address=endpoint))
    return Finding("broker", "failed", text, advice)


def without_tls(context: CheckContext, endpoint: Endpoint) -> Finding:
    """Judge a link without TLS."""
    if is_loopback(endpoint.host):
        return Finding("tls", "skipped", context.text("not needed: the broker is on this board"))
    return Finding("tls", "warning", context.text(OPEN_LINK), context.text(CLOSE_LINK))


def deliver(
    context: CheckContext, config: Config, broker: BrokerOptions, endpoint: Endpoint
) -> Iterator[Finding]:
    """Publish one message of no meaning, under a client id that the daemon does not have."""
    site, device = config.device.site, config.device.level
    topic = Topics(site, device).reply(COMMAND)
    identity = Identity.of(site, device).beside(COMMAND)
    message = Message(topic, b'{"ok":true}', JSON)
    try:
        done = deliver_once(broker, endpoint, identity, message, clock=context.clock)
    except LinkError as error:
        yield undelivered(context, endpoint, error)
        return
    text = context.text(
        "one message to {topic} was acknowledged after {seconds:.2f} s ({protocol})",
        topic=topic,
        seconds=done.took_s,
        protocol="MQTT 5" if done.protocol == MQTT_5 else "MQTT 3.1.1",
    )
    if 0 < done.granted.max_packet_bytes < LEAST_PACKET_BYTES:
        yield small_packets(context, text, done.granted.max_packet_bytes)
    else:
        yield Finding("message", "ok", text)
    for lack in lacking(done.granted):
        yield Finding("broker", "warning", lack.localized(context.language), context.text(LACKS))


def small_packets(context: CheckContext, text: str, limit_bytes: int) -> Finding:
    """Say that not all that this device sends will be taken."""
    limit = context.text("the broker takes packets of {bytes} bytes at most", bytes=limit_bytes)
    advice = context.text(
        "Raise the broker's limit (Mosquitto: max_packet_size) to {bytes} bytes or more.",
        bytes=LEAST_PACKET_BYTES,
    )
    return Finding("message", "warning", f"{text}; {limit}", advice)


def undelivered(context: CheckContext, endpoint: Endpoint, error: LinkError) -> Finding:
    """Say why a message was not acknowledged."""
    if error.code:
        text = context.text(
            "{address}: the broker refuses: {reason}",
            address=endpoint,
            reason=says(error.code),
        )
    else:
        text = by_address(error, str(endpoint)).localized(context.language)
    advice = ADVICE.get(error.code) or N_(
        "Is it an MQTT broker, and does it ask for a client certificate or a password? Its own "
        "log says why it refuses."
    )
    return Finding("message", "failed", text, context.text(advice))


def not_enrolled(context: CheckContext, place: IdentityFolder) -> Finding:
    """Say that this device may not yet connect."""
    return Finding(
        "broker",
        "failed",
        context.text("this device is not enrolled yet ({reason})", reason=place.why_not_enrolled()),
        context.text(
            "Run `sudo edge-runtime provision --claim FILE` with a claim from the office; one that "
            "waits is finished by `sudo edge-runtime renew` once there is a link."
        ),
    )


def none_found(context: CheckContext) -> Finding:
    """Say that nothing announces itself."""
    return Finding(
        "broker",
        "failed",
        context.text("no broker was found on the local network"),
        context.text(
            "Let the broker announce _secure-mqtt._tcp by mDNS, or name its address in broker.url."
        ),
    )
