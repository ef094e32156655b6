"""A broker that misbehaves to order: raw sockets, and a script that answers each packet."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TypeVar

from support import packets
from support.packets import Connect, Publish

T = TypeVar("T")


class Client:
    """One connection as the script sees it."""

    def __init__(self, broker: ScriptedBroker, sock: socket.socket, number: int) -> None:
        self.broker = broker
        self.sock = sock
        self.number = number
        self.connect: Connect | None = None
        self.publishes: list[Publish] = []
        self.filters: list[str] = []
        self.pings = 0
        self.took_leave = False
        self.gone = False
        self._topics: dict[int, str] = {}

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.sock.sendall(data)

    def acknowledge(self, publish: Publish, code: int = 0) -> None:
        assert self.connect is not None
        self.send(packets.puback(publish.packet_id, code, protocol=self.connect.protocol))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            # The plain shutdown: that of TLS would let the reading thread see encrypted bytes.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def topic_of(self, publish: Publish) -> str:
        """Resolve a topic alias, as a broker does."""
        if publish.topic and publish.alias:
            self._topics[publish.alias] = publish.topic
        return publish.topic or self._topics[publish.alias]


class Script:
    """What a broker does. The plain one accepts every client and acknowledges everything.

    Every method runs in the connection's own thread and may block on an event.
    """

    def __init__(self, **granted: int) -> None:
        self.granted = granted

    def on_connect(self, client: Client, connect: Connect) -> None:
        client.send(packets.connack(protocol=connect.protocol, **self.granted))

    def on_publish(self, client: Client, publish: Publish) -> None:
        client.acknowledge(publish)

    def on_subscribe(self, client: Client) -> int:
        """Return the code of the SUBACK."""
        return 1

    def on_ping(self, client: Client) -> None:
        client.send(packets.packet(packets.PINGRESP, b""))


class ScriptedBroker:
    """Runs a script on a free loopback port, over TLS with `tls`. Use as a context manager."""

    def __init__(self, script: Script | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.script = script or Script()
        self._tls = tls
        self.clients: list[Client] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def publishes(self) -> list[Publish]:
        """Every message of every connection, topics resolved."""
        return [publish for client in self.clients for publish in client.publishes]

    def wait_for(self, look: Callable[[], T], what: str, within_s: float = 20.0) -> T:
        """Wait until `look` is true; looked at after each packet."""
        with self._changed:
            assert self._changed.wait_for(look, within_s), f"never: {what}"
            return look()

    def __enter__(self) -> ScriptedBroker:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self.clients:
            client.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _address = self._listener.accept()
                if self._tls is not None:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                client = Client(self, sock, len(self.clients))
                self.clients.append(client)
                self._spawn(self._serve, client)

    def _serve(self, client: Client) -> None:
        with client.sock, contextlib.suppress(OSError):
            while (packet := packets.read_packet(client.sock)) is not None:
                if packet.kind == packets.CONNECT and packet.flags:
                    break  # no MQTT: the first byte of TLS
                self._answer(client, packet)
                self._tell()
        client.gone = True
        self._tell()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _answer(self, client: Client, packet: packets.Packet) -> None:
        if packet.kind == packets.CONNECT:
            client.connect = packets.parse_connect(packet)
            self.script.on_connect(client, client.connect)
        elif packet.kind == packets.PUBLISH:
            assert client.connect is not None
            publish = packets.parse_publish(packet, client.connect.protocol)
            publish.topic = client.topic_of(publish)
            client.publishes.append(publish)
            self.script.on_publish(client, publish)
        elif packet.kind == packets.SUBSCRIBE:
            protocol = client.connect.protocol if client.connect is not None else 4
            filters = packets.parse_subscribe(packet, protocol)
            client.filters += filters
            codes = bytes((self.script.on_subscribe(client),)) * len(filters)
            properties = b"\0" if protocol == 5 else b""
            client.send(packets.packet(packets.SUBACK, packet.body[:2] + properties + codes))
        elif packet.kind == packets.PINGREQ:
            client.pings += 1
            self.script.on_ping(client)
        elif packet.kind == packets.DISCONNECT:
            client.took_leave = True

    def _spawn(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
