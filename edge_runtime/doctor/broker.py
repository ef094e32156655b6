"""The broker, step by step: TCP, TLS, and one message that it acknowledges."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import msgspec

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.broker.reasons import LinkError, says
from edge_runtime.doctor.base import Finding, Surroundings
from edge_runtime.doctor.network import CLOSE_LINK, OPEN_LINK, is_loopback
from edge_runtime.doctor.tls import check_tls
from edge_runtime.encode import Topics
from edge_runtime.encode.encoder import JSON
from edge_runtime.enrolment.identity import IdentityFolder
from edge_runtime.language import N_
from edge_runtime.options import BrokerOptions, Config
from edge_runtime.publish.candidates import BrokerCandidate, Candidates
from edge_runtime.publish.contract import MQTT_5, Identity
from edge_runtime.publish.discover import find_brokers
from edge_runtime.publish.publish_once import deliver_once
from edge_runtime.records import Message

COMMAND = "doctor"  # the message goes to `…/reply/doctor`: readers of results ignore it
ADVICE = {
    0x85: N_(
        "Allow this device its client id in the broker's rules: the doctor uses that of the "
        "device with -doctor behind it."
    ),
    0x86: N_("Check broker.username and broker.password_file."),
    0x87: N_(
        "Check broker.username and broker.password_file. The broker's rules (ACL) must let this "
        "device write below its own topics; device.site and device.name must be those that the "
        "office knows."
    ),
}


def check_broker(around: Surroundings) -> Iterator[Finding]:
    """Walk the way to the broker, at the first address where it leads through."""
    if around.config is None:
        yield Finding("broker", "skipped", around.text("there is no configuration to go by"))
        return
    place = IdentityFolder(around.state_dir)
    broker = around.config.broker
    if broker.identity is not None and not place.is_enrolled:
        yield not_enrolled(around, place)
        return
    steps: list[Finding] = []
    for candidate in Candidates(broker, place, find_brokers, random.Random()).next_round():  # noqa: S311
        findings = list(walk(around, around.config, candidate))
        if findings[-1].state != "failed":
            # Elsewhere than configured: that it works does not make the address right.
            failures = [one for one in steps if one.state == "failed"]
            yield from (msgspec.structs.replace(one, state="warning") for one in failures)
            yield from findings
            return
        steps += findings
    yield from steps or [none_found(around)]


def walk(around: Surroundings, config: Config, candidate: BrokerCandidate) -> Iterator[Finding]:
    """Take one step after the other, until one fails."""
    broker = msgspec.structs.replace(config.broker, connect_timeout_s=candidate.timeout_s)
    finding = reach(around, candidate)
    yield finding
    if finding.state == "failed":
        return
    if candidate.endpoint.tls:
        finding = check_tls(around, broker, candidate.endpoint)
        yield finding
        if finding.state == "failed":
            return
    else:
        yield without_tls(around, candidate.endpoint)
    yield deliver(around, config, broker, candidate.endpoint)


def reach(around: Surroundings, candidate: BrokerCandidate) -> Finding:
    """Open a TCP connection."""
    endpoint = candidate.endpoint
    try:
        socket.create_connection((endpoint.host, endpoint.port), candidate.timeout_s).close()
    except socket.gaierror:
        text = around.text("the name {host} cannot be resolved", host=endpoint.host)
        advice = around.text("Check broker.url and the network's DNS server.")
    except ConnectionRefusedError:
        text = around.text("{address}: nothing listens on this port", address=endpoint)
        advice = around.text("Is the broker running? Is the port in broker.url right?")
    except OSError:
        text = around.text("{address} does not answer", address=endpoint)
        advice = around.text(
            "Check the network and the address in broker.url; a firewall must let this port "
            "through. Results are kept in the outbox until then."
        )
    else:
        return Finding("broker", "ok", around.text("{address} can be reached", address=endpoint))
    return Finding("broker", "failed", text, advice)


def without_tls(around: Surroundings, endpoint: Endpoint) -> Finding:
    """Judge a link without TLS."""
    if is_loopback(endpoint.host):
        return Finding("tls", "skipped", around.text("not needed: the broker is on this board"))
    return Finding("tls", "warning", around.text(OPEN_LINK), around.text(CLOSE_LINK))


def deliver(
    around: Surroundings, config: Config, broker: BrokerOptions, endpoint: Endpoint
) -> Finding:
    """Publish one message of no meaning, under a client id that the daemon does not have."""
    site, device = config.device.site, config.device.level
    topic = Topics(site, device).reply(COMMAND)
    identity = Identity.of(site, device).beside(COMMAND)
    message = Message(topic, b'{"ok":true}', JSON)
    try:
        done = deliver_once(broker, endpoint, identity, message, clock=around.clock)
    except LinkError as error:
        return undelivered(around, endpoint, error)
    return Finding(
        "message",
        "ok",
        around.text(
            "one message to {topic} was acknowledged after {seconds:.2f} s ({protocol})",
            topic=topic,
            seconds=done.took_s,
            protocol="MQTT 5" if done.protocol == MQTT_5 else "MQTT 3.1.1",
        ),
    )


def undelivered(around: Surroundings, endpoint: Endpoint, error: LinkError) -> Finding:
    """Say why a message was not acknowledged."""
    if error.code:
        text = around.text(
            "{address}: the broker refuses: {reason}",
            address=endpoint,
            reason=says(error.code),
        )
    elif not error.answered:
        text = around.text("{address}: no answer by MQTT", address=endpoint)
    else:
        text = f"{endpoint}: {error.localized(around.language)}"
    advice = ADVICE.get(error.code) or N_(
        "Is it an MQTT broker, and does it ask for a client certificate or a password? Its own "
        "log says why it refuses."
    )
    return Finding("message", "failed", text, around.text(advice))


def not_enrolled(around: Surroundings, place: IdentityFolder) -> Finding:
    """Say that this device may not yet connect."""
    return Finding(
        "broker",
        "failed",
        around.text("this device is not enrolled yet ({reason})", reason=place.why_not_enrolled()),
        around.text(
            "Run `sudo edge-runtime provision --claim FILE` with a claim from the office; one that "
            "waits is finished by `sudo edge-runtime renew` once there is a link."
        ),
    )


def none_found(around: Surroundings) -> Finding:
    """Say that nothing announces itself."""
    return Finding(
        "broker",
        "failed",
        around.text("no broker was found on the local network"),
        around.text(
            "Let the broker announce _secure-mqtt._tcp by mDNS, or name its address in broker.url."
        ),
    )
