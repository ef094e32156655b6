"""Mosquitto's log, line by line: what is noise, who is connected, what was refused.

All that a client chooses (its id, topics) stands behind a beginning of Mosquitto's own, and none
can end a line: control characters are refused. That holds for `log_type debug`, not for
`subscribe`, `unsubscribe` and `all`, whose lines begin with the client's id.
"""

from __future__ import annotations

import re
from collections import OrderedDict

import msgspec

from edge_runtime.encode.topics import ROOT

LONGEST_LINE = 999  # Mosquitto cuts a line there
MAX_CLIENTS = 10_000
KEPT_ID = 128  # a long id is cut at another place in each line
SHOWN = 200

# The time is Mosquitto's by default, or by a `log_timestamp_format` in figures.
LINE = re.compile(
    rb"""(?:[\d\-/.:TZ+ ]+:\ )?(?:
    (?P<chatter>Received\ |Sending\ |No\ will\ message)
    |(?P<denied>Denied\ PUBLISH\ from\ )
    |(?P<will>Will\ message\ specified)
    |(?P<tab>\t)
    |(?P<came>New\ client\ connected\ from\ )
    |(?P<left>Client\ )
    )""",
    re.VERBOSE,
)
CAME = re.compile(r"(\S*):\d+ as (.*)")
CAME_END = re.compile(r" \(p\d+, c\d, k\d+(?:, u'([^']*)')?\)\.$")
LEFT = re.compile(r"(.*) (?:disconnected|closed its connection|has exceeded timeout)")
TOPIC = re.compile(r" \(d\d, q\d, r\d, m\d+, '")
TOPIC_END = re.compile(r"', \.\.\. \(\d+ bytes\)\)$")


class Client(msgspec.Struct, frozen=True):
    """Who is connected: MQTT id, name in the certificate, from where; empty if not known."""

    client_id: str
    name: str = ""
    address: str = ""

    def __str__(self) -> str:
        return self.name or f"a client with the id {shown(self.client_id)}"


class Refusal(msgspec.Struct, frozen=True):
    """What a client tried in vain; the text holds no control characters."""

    client: Client
    what: str


class BrokerLog:
    """Takes the lines in their order. One thread."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, Client] = OrderedDict()
        self._newest = Client("")
        self._tells_will = False

    def take(self, line: bytes) -> bytes | Refusal | None:
        """Return a line that is worth keeping as it is, a refusal, or None for noise."""
        found = LINE.match(line)
        if found is None:
            return line
        kind = found.lastgroup
        told_will, self._tells_will = self._tells_will, kind == "will"
        if kind in ("chatter", "will") or (kind == "tab" and not told_will):
            return None
        text = line[found.end() :].decode("utf-8", "backslashreplace")
        if kind == "denied":
            return self._denied(text)
        if kind == "tab":
            return self._will(text)
        if kind == "came":
            self._came(text, is_whole=len(line) < LONGEST_LINE)
        else:
            self._left(text)
        return line

    def _came(self, text: str, *, is_whole: bool) -> None:
        found = CAME.match(text)
        if found is None:
            return
        address, client_id = found.groups()
        # A line that was cut ends as the client likes.
        if is_whole and (end := CAME_END.search(client_id)):
            self._newest = Client(client_id[: end.start()][:KEPT_ID], end[1] or "", address)
        else:
            self._newest = Client(client_id[:KEPT_ID], "", address)
        self._clients[self._newest.client_id] = self._newest
        self._clients.move_to_end(self._newest.client_id)
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)

    def _left(self, text: str) -> None:
        if found := LEFT.match(text):
            self._clients.pop(found[1][:KEPT_ID], None)

    def _denied(self, text: str) -> Refusal:
        """Tell the client's id from the topic, either of which may look like the place between.

        The longest id that is connected: a longer one would have to be an accomplice's.
        """
        for mark in reversed(tuple(TOPIC.finditer(text))):
            client = self._clients.get(text[: mark.start()][:KEPT_ID])
            if client is not None:
                return refusal(client, text[mark.end() :])
        client_id, *topic = TOPIC.split(text, maxsplit=1)
        client = self._clients.get(client_id[:KEPT_ID], Client(client_id[:KEPT_ID]))
        return refusal(client, *topic)

    def _will(self, topic: str) -> Refusal | None:
        """Mosquitto drops a will without a word where it may not be published."""
        if topic.startswith(f"{ROOT}/{self._newest.name}/"):
            return None
        return Refusal(self._newest, f"may not leave its will at {shown(topic)}")


def refusal(client: Client, topic: str = "") -> Refusal:
    """Return that a client may not publish; a long id leaves no room for the topic."""
    where = shown(TOPIC_END.sub("", topic)) if topic else "where it tried"
    return Refusal(client, f"may not write {where}")


def shown(text: str) -> str:
    """Return what a client chose as it may stand in a log: short, nothing that does not print."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
