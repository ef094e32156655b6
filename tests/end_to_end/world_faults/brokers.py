"""Brokers that are away, are none, are not the right one, or refuse."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import packets
from support.broker import Mosquitto, free_port, tls_settings
from support.certificates import PAST, Authority, Pair
from support.packets import Connect, Publish
from support.road import stream, synthetic
from support.scripted_broker import Client, Script, ScriptedBroker
from world_faults.clocks import board_clock
from world_faults.fault import Fault, Plant, Planted, Site

HERE = "DNS:localhost,IP:127.0.0.1"
ROAD = stream(source=synthetic("width = 320, height = 180, rate_fps = 2"))
UNSUPPORTED = {5: 0x84, 4: 1}


def board(broker: str, **more: object) -> Planted:
    """Return a board that works but for its broker; its clock is said to be set."""
    lines = f"{broker}\nconnect_timeout_s = 2\n"
    return Planted(ROAD, lines, environment=board_clock(), **more)  # type: ignore[arg-type]


def at(url: str) -> Plant:
    """Return what plants an address alone."""

    @contextlib.contextmanager
    def plant(_site: Site) -> Iterator[Planted]:
        yield board(f'url = "{url}"')

    return plant


@contextlib.contextmanager
def port_closed(_site: Site) -> Iterator[Planted]:
    """Plant a machine on which no broker runs."""
    yield board(f'url = "mqtt://127.0.0.1:{free_port()}"')


@contextlib.contextmanager
def silent(_site: Site) -> Iterator[Planted]:
    """Plant something that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        yield board(f'url = "mqtt://127.0.0.1:{listener.getsockname()[1]}"')


@contextlib.contextmanager
def web_server(_site: Site) -> Iterator[Planted]:
    """Plant a web server."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield board(f'url = "mqtt://127.0.0.1:{server.server_port}"')
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def mosquitto(
    alternative: str = HERE,
    *,
    start: str = PAST,
    end: str = "20390101000000Z",
    scheme: str = "mqtts",
    ca: str = "ours",
    settings: str = "allow_anonymous true\n",
    clock_s: float = 0.0,
) -> Plant:
    """Return what plants a Mosquitto with a certificate; `ca`: whom the board trusts.

    `clock_s`: by how much the board's clock is ahead.
    """

    @contextlib.contextmanager
    def plant(site: Site) -> Iterator[Planted]:
        authority = Authority(site.folder / "ours")
        Authority(site.folder / "theirs", "Another CA")
        pair = authority.sign("broker", alternative, start=start, end=end)
        trusted = f'\nca_file = "{site.folder / ca / "ca.pem"}"' if scheme == "mqtts" else ""
        with broker_at(site, tls_settings(authority, pair, settings)) as broker:
            planted = board(f'url = "{scheme}://localhost:{broker.port}"{trusted}')
            planted.environment.update(board_clock(clock_s))
            yield planted

    return plant


def broker_at(site: Site, settings: str = "allow_anonymous true\n") -> Mosquitto:
    """Return a broker in a folder of its own."""
    folder = site.folder / "broker"
    folder.mkdir()
    return Mosquitto(folder, settings)


@contextlib.contextmanager
def without_tls(site: Site) -> Iterator[Planted]:
    """Plant a port without TLS where the board is to speak TLS."""
    authority = Authority(site.folder / "ours")
    with broker_at(site) as broker:
        yield board(f'url = "mqtts://localhost:{broker.port}"\nca_file = "{authority.certificate}"')


class Refusing(Script):
    """Refuses every CONNECT of one protocol with a code; a broker of 3.1.1 knows no MQTT 5."""

    def __init__(self, code: int, protocol: int = 5) -> None:
        super().__init__()
        self._code = code
        self._protocol = protocol

    def on_connect(self, client: Client, connect: Connect) -> None:
        code = self._code if connect.protocol == self._protocol else UNSUPPORTED[connect.protocol]
        client.send(packets.connack(code, protocol=connect.protocol))
        client.close()


class Quota(Script):
    """Takes connections, and no message: its quota is used up."""

    def on_publish(self, client: Client, publish: Publish) -> None:
        client.acknowledge(publish, 0x97)


class WithoutRetained(Script):
    """Says that it keeps no messages, and ends the connection of whoever asks it to."""

    def __init__(self) -> None:
        super().__init__(retain_available=0)

    def on_publish(self, client: Client, publish: Publish) -> None:
        if publish.retain:
            client.send(packets.packet(packets.DISCONNECT, b"\x9a\x00"))
            client.close()
        else:
            client.acknowledge(publish)


def scripted(script: Script, login: bool = False) -> Plant:
    """Return what plants a broker that answers by a script."""

    @contextlib.contextmanager
    def plant(site: Site) -> Iterator[Planted]:
        (site.folder / "password").write_text("wrong\n")
        lines = '\nusername = "me"\npassword_file = "password"' if login else ""
        with ScriptedBroker(script) as broker:
            yield board(f'url = "{broker.url}"{lines}')

    return plant


def server_context(pair: Pair) -> ssl.SSLContext:
    """Return a server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


NOT_LISTENING = "nothing listens on this port"
NO_CONNACK = "connected, but no answer to MQTT's CONNECT"
NO_NAME = "the name cannot be resolved"
CLOCKS_APART = 20 * 365.25 * 86_400.0
BROKER, TLS, MESSAGE = ("broker", "link"), ("tls", "link"), ("message", "link")
WRONG_LOGIN = ["wrong user name or password"]
NOT_AUTHORISED = ["not authorised; check broker.username"]
FAULTS = (
    Fault("broker: nothing listens", port_closed, *BROKER, [NOT_LISTENING], is_quick=True),
    Fault("broker: a name that is nobody's", at("mqtt://no-such-broker.invalid"), *BROKER,
          [NO_NAME], ["the name {host} cannot be resolved"], beside=["network"]),
    Fault("broker: takes the connection and is silent", silent, *MESSAGE,
          [NO_CONNACK]),
    Fault("broker: a web server", web_server, *MESSAGE,
          ["a web server (HTTP) answers there, no MQTT broker"], before=[NO_CONNACK]),
    Fault("broker: wants TLS", mosquitto(scheme="mqtt"), *MESSAGE,
          ["speaks TLS on this port; write mqtts:// (wss://)"]),
    Fault("broker: has no TLS", without_tls, *TLS, ["does not speak TLS on this port"]),
    Fault("TLS: an expired certificate", mosquitto(end="20210101000000Z"), *TLS,
          ["the broker's certificate has expired"], ["the certificate of {address} has expired"],
          is_quick=True),
    Fault("TLS: another CA", mosquitto(ca="theirs"), *TLS,
          ["the broker's certificate is not signed by a trusted CA"],
          ["the certificate of {address} is not signed by the CA that this device trusts"]),
    Fault("TLS: another name", mosquitto("DNS:elsewhere.example"), *TLS,
          ["the broker's certificate is for another host name"],
          ["the certificate of {address} is for another name than {name}"]),
    Fault("TLS: wants a client certificate", mosquitto(
        settings="require_certificate true\nallow_anonymous true\n"), *TLS,
        ["the broker asks for a client certificate"],
        ["{address} asks for a certificate of this device, which has none"]),
    Fault("clock: ahead of every certificate", mosquitto(clock_s=CLOCKS_APART), *TLS,
          ["the broker's certificate has expired; renew it, or check both clocks"],
          ["the certificate of {address} has expired"]),
    Fault("clock: behind every certificate", mosquitto(
        start="20240101000000Z", clock_s=-CLOCKS_APART), *TLS,
        ["the broker's certificate is not valid yet; renew it, or check both clocks"],
        ["the certificate of {address} is not valid yet"], beside=["clock"]),
    Fault("login: MQTT 5, code 0x86", scripted(Refusing(0x86), login=True), *MESSAGE, WRONG_LOGIN),
    Fault("login: MQTT 5, code 0x87", scripted(Refusing(0x87), login=True), *MESSAGE,
          NOT_AUTHORISED),
    Fault("login: MQTT 3.1.1, code 4", scripted(Refusing(4, 4), login=True), *MESSAGE, WRONG_LOGIN),
    Fault("login: MQTT 3.1.1, code 5", scripted(Refusing(5, 4), login=True), *MESSAGE,
          NOT_AUTHORISED),
    Fault("broker: refuses the client id", scripted(Refusing(0x85)), *MESSAGE,
          ["client id not allowed"]),
    Fault("broker: keeps no messages", scripted(WithoutRetained()), *BROKER,
          ["retained messages are not supported", "the broker keeps no retained messages"]),
    Fault("broker: small packets alone", scripted(Script(max_packet=128)), *MESSAGE,
          ["the broker takes packets of {bytes} bytes at most"]),
    Fault("broker: its quota is used up", scripted(Quota()), *MESSAGE, ["quota exceeded"]),
)  # fmt: skip
