"""Mosquitto's log, line by line: what is noise, who is connected, what was refused or lost.

All that a client chooses (its id, topics) stands behind a beginning of Mosquitto's own, and none
can end a line: control characters are refused. That holds for `log_type debug`, not for
`subscribe`, `unsubscribe` and `all`, whose lines begin with the client's id.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import msgspec

from edge_runtime.office.open_files import OpenFiles
from edge_runtime.office.retained import MOST_RETAINED, Retained
from edge_runtime.topics import ROOT

LONGEST_LINE = 999  # Mosquitto cuts a line there
MAX_CLIENTS = 10_000
OWN_CONNECTIONS = 3  # of a board: its daemon, a command beside it, a trial of a new certificate
MOST_CONNECTIONS = 16
KEPT_ID = 128  # a long id is cut at another place in each line
SHOWN = 200

# The time is Mosquitto's by default, or by a `log_timestamp_format` in figures.
LINE = re.compile(
    rb"""(?:[\d\-/.:TZ+ ]+:\ )?(?:
    (?P<chatter>Received\ |Sending\ |No\ will\ message)
    |(?P<denied>Denied\ PUBLISH\ from\ )
    |(?P<will>Will\ message\ specified)
    |(?P<tab>\t)
    |(?P<full>Client\ connection\ from\ (?P<address>\S+)\ denied(?P<why>:\ max|\ access\ by\ tcpd)
        |Unable\ to\ accept\ new\ connection)
    |(?P<queue>Outgoing\ messages\ are\ being\ dropped\ for\ client\ )
    |(?P<unsaved>Error\ saving\ in-memory\ database)
    |(?P<came>New\ client\ connected\ from\ )
    |(?P<left>Client\ )
    )""",
    re.VERBOSE,
)
CAME = re.compile(r"(\S*):\d+ as (.*)")
CAME_END = re.compile(r" \(p\d+, c\d, k\d+(?:, u'([^']*)')?\)\.$")
DEVICE_ID = re.compile(r"edge:([^:/]+):([^:/]+)(?::|$)")
LEFT = re.compile(r"(.*?)(?: been)? (?:disconnected|closed its connection|has exceeded timeout)")
TOPIC = re.compile(r" \(d\d, q\d, r\d, m\d+, '")
TOPIC_END = re.compile(r"', \.\.\. \((\d+) bytes\)\)$")
PUBLISH, RETAINED = "Received PUBLISH from ", b", r1, m"


class Client(msgspec.Struct, frozen=True):
    """Who is connected: MQTT id, name in the certificate, from where; empty if not known."""

    client_id: str
    name: str = ""
    address: str = ""

    def __str__(self) -> str:
        return self.name or f"a client with the id {shown(self.client_id)}"


class LoggedRefusal(msgspec.Struct, frozen=True):
    """What a client tried in vain, or the broker cannot do; it holds no control characters.

    What has one `kind` is counted together.
    """

    client: Client
    what: str
    kind: str = ""

    def __str__(self) -> str:
        """Say who and what; where nothing but an address is known, it stands beside this."""
        client = self.client
        is_known = client.name or client.client_id or not client.address
        return f"{client}: {self.what}" if is_known else self.what


# The broker itself, by what it lacks: each is counted and told for itself.
DOOR = Client("", name="the broker")
SAVING = Client("", name="the broker's data")


class BrokerLog:
    """Takes the lines in their order. One thread.

    `files` tells what the broker has open: Mosquitto does not say what it lacks when it has none
    left. (Debian's asks TCP wrappers about each connection, which cannot read their files then.)
    """

    def __init__(self, files: Callable[[], OpenFiles | None] = lambda: None) -> None:
        self._files = files
        self._clients: dict[str, Client] = {}  # the oldest first
        self._connections: Counter[str] = Counter()
        self._newest = Client("")
        self._tells_will = False
        self.retained = Retained()

    def take(self, line: bytes) -> bytes | LoggedRefusal | None:
        """Return a line that is worth keeping as it is, a refusal, or None for noise."""
        found = LINE.match(line)
        if found is None:
            return line
        kind = found.lastgroup
        told_will, self._tells_will = self._tells_will, kind == "will"
        if kind in ("full", "unsaved", "queue"):
            return self._lacking(kind, found, line)
        if kind in ("chatter", "will") or (kind == "tab" and not told_will):
            return self._kept(line) if RETAINED in line else None
        text = line[found.end() :].decode("utf-8", "backslashreplace")
        if kind == "denied":
            return self._denied(text)
        if kind == "tab":
            return self._will(text)
        return self._moved(kind, text, is_whole=len(line) < LONGEST_LINE) or line

    def _moved(self, kind: str | None, text: str, *, is_whole: bool) -> LoggedRefusal | None:
        """Note who came or left."""
        if kind == "came":
            return self._came(text, is_whole=is_whole)
        if found := LEFT.match(text):
            self._forget(found[1][:KEPT_ID])
        return None

    def _came(self, text: str, *, is_whole: bool) -> LoggedRefusal | None:
        """Note who is connected; tell where the id is another's, whose connection that cuts."""
        found = CAME.match(text)
        if found is None:
            return None
        address, client_id = found.groups()
        # A line that was cut ends as the client likes.
        if is_whole and (end := CAME_END.search(client_id)):
            self._newest = Client(client_id[: end.start()][:KEPT_ID], end[1] or "", address)
        else:
            self._newest = Client(client_id[:KEPT_ID], "", address)
        before = self._forget(self._newest.client_id)
        self._clients[self._newest.client_id] = self._newest
        self._connections[self._newest.name] += 1
        if len(self._clients) > MAX_CLIENTS:
            self._forget(next(iter(self._clients)))
        return taken_over(self._newest, before) or self._too_many(self._newest)

    def _forget(self, client_id: str) -> Client | None:
        """Note that nobody is connected with an id any more; return who was."""
        client = self._clients.pop(client_id, None)
        if client is not None:
            self._connections[client.name] -= 1
            if self._connections[client.name] == 0:
                del self._connections[client.name]
        return client

    def _too_many(self, client: Client) -> LoggedRefusal | None:
        """Tell who connects again and again at once: each connection takes the broker's memory."""
        count = self._connections[client.name]
        if count <= MOST_CONNECTIONS or "/" not in client.name:
            return None
        what = f"holds {count} connections at once; a board needs {OWN_CONNECTIONS} at most"
        return LoggedRefusal(client, what, "connections")

    def _denied(self, text: str) -> LoggedRefusal:
        client, topic = self._client_and_topic(text)
        return refusal(client, topic)

    def _kept(self, line: bytes) -> LoggedRefusal | None:
        """Count what a device leaves with the broker forever; beyond its share it is cleared."""
        _, begins, text = line.decode("utf-8", "backslashreplace").partition(PUBLISH)
        client, topic = self._client_and_topic(text) if begins else (Client(""), "")
        if not topic.startswith(f"{ROOT}/{client.name}/") or "/" not in client.name:
            return None
        if (end := TOPIC_END.search(topic)) is None:
            what = "leaves retained messages under topics too long to be told, and cleared"
            return LoggedRefusal(client, what, "retained")
        if not self.retained.leaves(client.name, topic[: end.start()], is_empty=end[1] == "0"):
            return None
        what = f"leaves more than {MOST_RETAINED} retained messages: what is beyond is cleared"
        return LoggedRefusal(client, what, "retained")

    def _client_and_topic(self, text: str) -> tuple[Client, str]:
        """Tell the client's id from the topic, either of which may look like the place between.

        The longest id that is connected: a longer one would have to be an accomplice's.
        """
        for mark in reversed(tuple(TOPIC.finditer(text))):
            client = self._clients.get(text[: mark.start()][:KEPT_ID])
            if client is not None:
                return client, text[mark.end() :]
        client_id, *topic = TOPIC.split(text, maxsplit=1)
        client = self._clients.get(client_id[:KEPT_ID], Client(client_id[:KEPT_ID]))
        return client, "".join(topic)

    def _lacking(self, kind: str, found: re.Match[bytes], line: bytes) -> LoggedRefusal:
        """Tell what the broker has too little of."""
        if kind == "unsaved":
            reason = shown(line[found.end() :].decode(errors="backslashreplace").strip(" ,."))
            files = self._files()
            why = full(files) if files is not None and files.is_full else f"it says {reason}"
            return LoggedRefusal(SAVING, f"cannot save what it has acknowledged: {why}")
        if kind == "queue":
            client_id = line[found.end() :].decode(errors="backslashreplace").removesuffix(".")
            client = self._clients.get(client_id[:KEPT_ID], Client(client_id[:KEPT_ID]))
            return LoggedRefusal(
                client,
                "reads too slowly or is away: what max_queued_messages and max_queued_bytes have "
                "no room for is lost",
            )
        broker = msgspec.structs.replace(DOOR, address=(found["address"] or b"").decode())
        return LoggedRefusal(broker, self._why_full(found["why"]))

    def _why_full(self, why: bytes | None) -> str:
        if why == b": max":
            return "lets nobody else in: max_connections of mosquitto.conf is reached"
        files = self._files()
        if why is None or (files is not None and files.is_full):
            return f"lets nobody else in: {full(files)}"
        told = "" if files is None else f" ({files.used} of {files.limit} files are open)"
        return f"let somebody not in: /etc/hosts.deny forbids it, or it had no file left{told}"

    def _will(self, topic: str) -> LoggedRefusal | None:
        """Mosquitto drops a will without a word where it may not be published."""
        if topic.startswith(f"{ROOT}/{self._newest.name}/"):
            return None
        return LoggedRefusal(self._newest, f"may not leave its will at {shown(topic)}")


def taken_over(client: Client, before: Client | None) -> LoggedRefusal | None:
    """Return that a client has taken another one's id: a device's own, or one that was in use.

    Mosquitto 2.0 binds no id to a certificate; it ends the connection that had it.
    """
    owner = owner_of(client.client_id) or (before.name if before else "")
    if not client.name or not owner or owner == client.name:
        return None
    kind = f"as {owner}"  # each that suffers is told of
    if client.client_id == f"edge:{owner.replace('/', ':')}":
        return LoggedRefusal(client, f"connected as {owner}, whose connection that cuts", kind)
    return LoggedRefusal(
        client, f"connected with {owner}'s client id {shown(client.client_id)}", kind
    )


def owner_of(client_id: str) -> str:
    """Return whose id it is, as `publish.contract.Identity` makes them; empty for others."""
    found = DEVICE_ID.match(client_id)
    return f"{found[1]}/{found[2]}" if found else ""


def full(files: OpenFiles | None) -> str:
    """Return in words that no further file can be opened."""
    how_many = "" if files is None else f" ({files.used} of {files.limit} are open)"
    return f"it may open no more files, one a connection{how_many}; raise LimitNOFILE of its unit"


def refusal(client: Client, topic: str = "") -> LoggedRefusal:
    """Return that a client may not publish; a long id leaves no room for the topic."""
    where = shown(TOPIC_END.sub("", topic)) if topic else "where it tried"
    return LoggedRefusal(client, f"may not write {where}")


def shown(text: str) -> str:
    """Return what a client chose as it may stand in a log: short, nothing that does not print."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
