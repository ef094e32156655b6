"""The doctor's walk to the broker: a real Mosquitto, right ones and wrong ones."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.clock import SystemClock
from edge_runtime.doctor import Finding
from edge_runtime.doctor.network import open_link_doubt
from edge_runtime.doctor.tls import judge
from edge_runtime.enrolment.identity import (
    EnrolmentOffice,
    IdentityFolder,
    LastGoodBroker,
    Parts,
    provisioned,
)
from edge_runtime.language import Language
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.contract import Identity
from support.broker import Mosquitto, free_port, tls_settings
from support.certificates import FUTURE, FUTURE_END, PAST, Authority, Pair
from support.daemon import Ear
from support.publishing import BoardClock
from support.surroundings import NOW_S, configuration, found, only, surroundings, tree

HERE = "DNS:localhost,IP:127.0.0.1"
TOPIC = "edge/v1/hill/gate/reply/doctor"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki") / "ours")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.sign("right", HERE)


def walked(folder: Path, url: str, clock: Any = None, **options: object) -> dict[str, Finding]:
    """Return what the steps to a broker found, by their names."""
    lines = "\n".join(f'{key} = "{value}"' for key, value in options.items())
    config = configuration(folder, url=url, broker=lines + "\nconnect_timeout_s = 5")
    context = surroundings(folder, config=config, clock=clock or BoardClock())
    return {one.check: one for one in found("broker", context)}


def states(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: one.state for name, one in findings.items()}


# Without TLS


def test_one_message_is_published_and_acknowledged(tmp_path: Path, mosquitto: Mosquitto) -> None:
    ear = Ear(mosquitto.port)
    try:
        findings = walked(tmp_path, mosquitto.url)
        assert states(findings) == {"broker": "ok", "tls": "skipped", "message": "ok"}
        assert TOPIC in findings["message"].text
        assert findings["message"].text.endswith("(MQTT 5)")
        ear.wait_for(lambda heard: bool(heard.raw))
        (message,) = ear.raw
        assert (message.topic, message.payload, message.retain) == (TOPIC, b'{"ok":true}', False)
        assert ear.heard == [], "readers of results take no notice"
    finally:
        ear.close()


def test_the_running_daemon_is_not_thrown_out(tmp_path: Path, mosquitto: Mosquitto) -> None:
    import paho.mqtt.client as mqtt

    lost: list[object] = []
    daemon = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=Identity.of("hill", "gate").client_id
    )
    daemon.on_disconnect = lambda *_: lost.append(1)
    daemon.connect("127.0.0.1", mosquitto.port)
    daemon.loop_start()
    assert walked(tmp_path, mosquitto.url)["message"].state == "ok"
    assert daemon.publish("x", b"", qos=1).wait_for_publish(10) is None
    assert (lost, daemon.is_connected()) == ([], True)
    daemon.disconnect()
    daemon.loop_stop()


def test_a_broker_that_is_away(tmp_path: Path) -> None:
    findings = walked(tmp_path, f"mqtt://127.0.0.1:{free_port()}")
    assert states(findings) == {"broker": "failed"}
    assert "nothing listens" in findings["broker"].text
    findings = walked(tmp_path, "mqtt://no-such-broker.invalid")
    assert "cannot be resolved" in findings["broker"].text


def test_something_else_listens_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        config = configuration(
            tmp_path, url=f"mqtt://127.0.0.1:{port}", broker="connect_timeout_s = 0.2"
        )
        context = surroundings(tmp_path, config=config, clock=SystemClock())
        last = found("broker", context)[-1]
    assert (last.check, last.state) == ("message", "failed")
    assert last.text.endswith("connected, but no answer to MQTT's CONNECT")


def test_a_broker_that_does_not_let_the_device_write(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("topic read #\n")
    with Mosquitto(tmp_path, f"allow_anonymous true\nacl_file {tmp_path}/acl\nuser root\n") as made:
        findings = walked(tmp_path, made.url)
    assert findings["message"].state == "failed"
    assert "not authorised" in findings["message"].text
    assert "(ACL)" in findings["message"].advice


def test_a_broker_that_takes_small_packets_alone(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, "allow_anonymous true\nmax_packet_size 512\n") as made:
        findings = walked(tmp_path, made.url)
    assert findings["message"].state == "warning"
    assert findings["message"].text.endswith("the broker takes packets of 512 bytes at most")
    assert "max_packet_size" in findings["message"].advice


def test_a_wrong_password_is_said_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("quite-secret\n")
    with Mosquitto(tmp_path, "allow_anonymous false\n") as made:
        findings = walked(tmp_path, made.url, username="gate", password_file=tmp_path / "password")
    assert findings["message"].state == "failed"
    assert "broker.username" in findings["message"].advice
    assert "quite-secret" not in repr(findings)


def test_a_link_that_is_not_encrypted(tmp_path: Path) -> None:
    name = socket.gethostname()
    try:
        here = socket.gethostbyname(name)
    except OSError:
        pytest.skip("this machine's own name is not known to it")
    (tmp_path / "other").mkdir()
    port = free_port()
    made = Mosquitto(tmp_path / "other")
    made.config.write_text(f"listener {made.port} 127.0.0.1\nlistener {port} {here}\n"
                           "allow_anonymous true\n")  # fmt: skip
    made.start()
    try:
        findings = walked(tmp_path, f"mqtt://{name}:{port}")
    finally:
        made.stop()
    assert states(findings) == {"broker": "ok", "tls": "warning", "message": "ok"}
    assert "mqtts://" in findings["tls"].advice


# With TLS


def test_tls_with_the_right_broker(tmp_path: Path, authority: Authority, server: Pair) -> None:
    with Mosquitto(tmp_path, tls_settings(authority, server)) as made:
        url = f"mqtts://localhost:{made.port}"
        findings = walked(tmp_path, url, ca_file=authority.certificate)
        assert states(findings) == {"broker": "ok", "tls": "ok", "message": "ok"}
        assert findings["tls"].text.endswith("its certificate is good until 2039-01-01")


@pytest.mark.parametrize(("days", "state"), [(15, "ok"), (13, "warning"), (-1, "warning")])
def test_a_broker_s_certificate_that_ends_soon(days: int, state: str, tmp_path: Path) -> None:
    context, endpoint = surroundings(tmp_path), Endpoint("10.0.0.7", 8883, True, "broker.hill")
    finding = judge(context, endpoint, "TLSv1.3", NOW_S + days * 86_400.0)
    assert finding.state == state
    assert "10.0.0.7:8883, which is broker.hill" in finding.text


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki") / "theirs", "Another CA")


def test_a_broker_of_another_ca(
    tmp_path: Path, authority: Authority, server: Pair, stranger: Authority
) -> None:
    with Mosquitto(tmp_path, tls_settings(authority, server)) as made:
        url = f"mqtts://localhost:{made.port}"
        findings = walked(tmp_path, url, ca_file=stranger.certificate)
        assert states(findings) == {"broker": "ok", "tls": "failed"}
        assert "not signed by the CA" in findings["tls"].text
        assert "another broker" in findings["tls"].advice
        # On a port of TLS: the CONNECT is answered by nothing.
        assert walked(tmp_path, f"mqtt://localhost:{made.port}")["message"].state == "failed"


@pytest.mark.parametrize(
    ("name", "alternative", "dates", "text"),
    [
        ("elsewhere", "DNS:elsewhere.example", {}, "for another name than localhost"),
        ("expired", HERE, {"start": PAST, "end": "20210101000000Z"}, "has expired"),
        ("future", HERE, {"start": FUTURE, "end": FUTURE_END}, "is not valid yet"),
    ],
)
def test_a_wrong_certificate_of_the_broker(
    name: str,
    alternative: str,
    dates: dict[str, str],
    text: str,
    tmp_path: Path,
    authority: Authority,
) -> None:
    pair = authority.sign(name, alternative, **dates)
    with Mosquitto(tmp_path, tls_settings(authority, pair)) as made:
        url = f"mqtts://localhost:{made.port}"
        findings = walked(tmp_path, url, ca_file=authority.certificate)
    assert states(findings) == {"broker": "ok", "tls": "failed"}
    assert text in findings["tls"].text
    assert findings["tls"].advice


def test_a_port_without_tls(tmp_path: Path, mosquitto: Mosquitto, authority: Authority) -> None:
    url = f"mqtts://localhost:{mosquitto.port}"
    findings = walked(tmp_path, url, ca_file=authority.certificate)
    assert findings["tls"].state == "failed"
    assert "8883" in findings["tls"].advice


def test_what_the_broker_says_of_our_certificate(
    tmp_path: Path, authority: Authority, server: Pair, stranger: Authority
) -> None:
    good = authority.sign("device", "DNS:device")
    old = authority.sign("old-device", "DNS:device", start=PAST, end="20210101000000Z")
    foreign = stranger.sign("device", "DNS:device")
    settings = "require_certificate true\nallow_anonymous true\n"
    with Mosquitto(tmp_path, tls_settings(authority, server, settings)) as made:

        def finding(pair: Pair | None) -> Finding:
            ours = {} if pair is None else {"cert_file": pair.certificate, "key_file": pair.key}
            url = f"mqtts://localhost:{made.port}"
            return walked(tmp_path, url, ca_file=authority.certificate, **ours)["tls"]

        assert finding(good).state == "ok"
        missing = finding(None)
        assert missing.state == "failed"
        assert "asks for a certificate of this device" in missing.text
        assert "edge-runtime provision" in missing.advice
        assert "has expired" in finding(old).text
        assert "does not accept this device's certificate" in finding(foreign).text


def test_a_file_that_holds_no_certificate(tmp_path: Path, mosquitto: Mosquitto) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    url = f"mqtts://localhost:{mosquitto.port}"
    finding = walked(tmp_path, url, ca_file=tmp_path / "ca.pem")["tls"]
    assert finding.state == "failed"
    assert f"{tmp_path}/ca.pem" in finding.text


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        ("mqtt://192.0.2.1", True),
        ("mqtt://broker.local:1883", True),
        ("mqtt://localhost", False),
        ("mqtt://[::1]:1883", False),
        ("mqtts://192.0.2.1", False),
        ("discover", False),
    ],
)
def test_a_link_that_others_can_read_and_write_is_told(url: str, is_open: bool) -> None:
    doubt = open_link_doubt(BrokerOptions(url))
    assert (doubt is not None) == is_open
    assert doubt is None or "Use mqtts://" in doubt.localized(Language("en"))


# The device's own certificate


@pytest.mark.parametrize(
    ("day", "state", "text"),
    [
        ("20261101000000Z", "failed", "has expired on 2026-11-01"),
        ("20270120000000Z", "warning", "good until 2027-01-20, 5 days"),
        ("20390101000000Z", "ok", "good until 2039-01-01"),
    ],
)
def test_the_days_that_are_left(
    day: str, state: str, text: str, tmp_path: Path, authority: Authority
) -> None:
    pytest.importorskip("cryptography")
    pair = authority.sign(f"until-{day}", "DNS:device", end=day)
    lines = f'cert_file = "{pair.certificate}"\nkey_file = "{pair.key}"'
    config = configuration(tmp_path, url="mqtts://127.0.0.1:1", broker=lines)
    finding = only("certificate", surroundings(tmp_path, config=config))
    assert finding.state == state
    assert text in finding.text
    assert bool(finding.advice) == (state != "ok")


def test_a_device_without_a_certificate(tmp_path: Path) -> None:
    context = surroundings(tmp_path, config=configuration(tmp_path))
    assert only("certificate", context).state == "skipped"


PROVISIONED = 'identity = "provisioned"\nserver_name = "broker.hill"'


def test_a_device_that_is_not_enrolled_yet(tmp_path: Path) -> None:
    config = configuration(tmp_path, url="mqtts://127.0.0.1:1", broker=PROVISIONED)
    finding = only("broker", surroundings(tmp_path, config=config))
    assert finding.state == "failed"
    assert "not enrolled yet" in finding.text
    assert "edge-runtime renew" in finding.advice


@pytest.mark.parametrize(
    ("end", "state", "text"),
    [("20290101000000Z", "warning", "renewed by now"), ("20390101000000Z", "ok", "renews itself")],
)
def test_a_provisioned_certificate_renews_itself(
    end: str, state: str, text: str, tmp_path: Path, authority: Authority
) -> None:
    pytest.importorskip("cryptography")
    pair = authority.sign(f"provisioned-{end}", "DNS:device", end=end)
    context = surroundings(tmp_path)
    folder = IdentityFolder(context.state_dir)
    files = (pair.key, pair.certificate, authority.certificate)
    folder.stage(Parts(*(file.read_bytes() for file in files), EnrolmentOffice("https://office")))
    folder.swap()
    config = configuration(tmp_path, url="mqtts://127.0.0.1:1", broker=PROVISIONED)
    context = surroundings(tmp_path, config=provisioned(config, context.state_dir))
    finding = only("certificate", context)
    assert finding.state == state
    assert text in finding.text


def test_a_broker_that_is_elsewhere_than_configured(
    tmp_path: Path, authority: Authority, server: Pair
) -> None:
    ours = authority.sign("hill-gate", "DNS:device")
    place = IdentityFolder(surroundings(tmp_path).state_dir)
    files = (ours.key, ours.certificate, authority.certificate)
    place.stage(Parts(*(file.read_bytes() for file in files), EnrolmentOffice("https://office")))
    place.swap()
    lines = 'identity = "provisioned"\nserver_name = "localhost"'
    config = configuration(tmp_path, url=f"mqtts://127.0.0.1:{free_port()}", broker=lines)
    config = provisioned(config, tmp_path / "state")
    settings = "require_certificate true\nallow_anonymous true\n"
    with Mosquitto(tmp_path, tls_settings(authority, server, settings)) as made:
        place.keep_last_good(LastGoodBroker("127.0.0.1", made.port))
        findings = found("broker", surroundings(tmp_path, config=config))
    assert [(one.check, one.state) for one in findings] == [
        ("broker", "warning"),
        ("broker", "ok"),
        ("tls", "ok"),
        ("message", "ok"),
    ]
    assert "nothing listens" in findings[0].text


# The network

ROUTES = "Iface\tDestination\tGateway\tFlags\tRefCnt\nusb0\t0001A8C0\t00000000\t0001\t0\n"


@pytest.mark.parametrize(
    ("files", "state", "text"),
    [
        ({}, "warning", "no default route"),
        ({"proc/net/route": ROUTES}, "warning", "no default route"),
        ({"proc/net/route": ROUTES + "eth0\t00000000\t0101A8C0\t0003\t0\n"}, "ok", "eth0"),
        ({"proc/net/ipv6_route": f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} 0 0 0 00200200 lo\n"},
         "warning", "no default route"),
        ({"proc/net/ipv6_route": f"{'0' * 32} 00 {'0' * 32} 00 fe80 0 0 0 00000003 wwan0\n"},
         "ok", "wwan0"),
    ],
)  # fmt: skip
def test_the_default_route(files: dict[str, str], state: str, text: str, tmp_path: Path) -> None:
    tree(tmp_path / "root", files)
    config = configuration(tmp_path, url="mqtt://192.0.2.7")
    finding = only("network", surroundings(tmp_path, config=config))
    assert finding.state == state
    assert text in finding.text


def test_the_broker_s_name(tmp_path: Path) -> None:
    config = configuration(tmp_path, url="mqtt://localhost")
    finding = only("network", surroundings(tmp_path, config=config))
    assert finding.state == "skipped"
    config = configuration(tmp_path, url=f"mqtt://{socket.gethostname()}")
    _route, name = found("network", surroundings(tmp_path, config=config))
    assert name.state == "ok"
    assert name.text.startswith(f"{socket.gethostname()} is ")
    config = configuration(tmp_path, url="mqtt://no-such-broker.invalid")
    route, name = found("network", surroundings(tmp_path, config=config))
    assert (route.state, name.state) == ("warning", "failed")
    assert "libnss-mdns" in name.advice
