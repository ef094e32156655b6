"""Keeps the broker's list of members as the registry has it, while the broker runs.

The plugin reads its file at start alone and is changed by commands at `$CONTROL`; nobody else's
connection suffers, and a member that is taken off is cut off at once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge_runtime.errors import EdgeError
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.members import CONTROL, KEEPER, client, member_names, rights_of, role

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
RETRY_S = 5.0
ANSWER_S = 60.0
DONE_BEFORE = ("already exists", "not found")


class Keeper:
    """Runs in a thread of its own, from `start` to the end of the process.

    `known`: the names in the file that the broker has started with.
    """

    def __init__(self, folder: OfficeFolder, known: Iterable[str]) -> None:
        self._folder = folder
        self._known = set(known)
        self._link = ControlLink(folder)
        self._thread = threading.Thread(target=self._run, name="members", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def clear(self, topics: list[str]) -> None:
        """Let the broker forget what is retained at some topics. Any thread; never waits."""
        self._link.clear(topics)

    def _run(self) -> None:
        changed: object = None
        while True:
            try:
                now = changes_of(self._folder)
                if now != changed:
                    self._bring_up_to_date()
                    changed = now
                self._link.keep_up()
                time.sleep(LOOK_EVERY_S)
            except (EdgeError, OSError, ValueError) as error:
                log.error("the broker's list of members is not up to date: %s", error)
                time.sleep(RETRY_S)

    def _bring_up_to_date(self) -> None:
        """Tell the broker of who came and who went since."""
        wanted = member_names(self._folder.registry)
        rights = rights_of(self._folder)
        for name in sorted(self._known - wanted - rights.users.keys()):
            # The first of the two ends its connections.
            self._order({"command": "deleteClient", "username": name})
            self._order({"command": "deleteRole", "rolename": name})
            self._known.discard(name)
        for name in sorted(wanted - self._known):
            self._order({"command": "createRole", **role(name, rights)})
            self._order({"command": "createClient", **client(name)})
            self._known.add(name)

    def _order(self, command: dict[str, object]) -> None:
        """Have one command done, and then leave the broker as long to everybody else.

        It answers nobody while the plugin writes its whole file: 0.1 s where that holds 10,000.
        """
        began_s = time.monotonic()
        self._link.order(command)
        time.sleep(time.monotonic() - began_s)


def changes_of(folder: OfficeFolder) -> object:
    """Return what differs once the registry was written; a look at it costs nothing."""
    found = folder.registry.path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


class ControlLink:
    """The keeper's own connection to the broker. Raises EdgeError where it cannot be had."""

    def __init__(self, folder: OfficeFolder) -> None:
        self._folder = folder
        self._client: mqtt.Client | None = None
        self._lock = threading.Lock()
        self._answers: list[dict[str, Any]] = []
        self._changed = threading.Condition(self._lock)
        self._is_up = False

    def keep_up(self) -> None:
        """Connect where there is no connection: paho comes back by itself later."""
        if self._client is None:
            self._client = self._connected()

    def order(self, command: dict[str, object]) -> None:
        """Send a command and wait for what the plugin says. Raises EdgeError where it failed."""
        self.keep_up()
        assert self._client is not None
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_up, RETRY_S):
                raise EdgeError("no connection to the broker")
            self._answers.clear()
            self._client.publish(CONTROL, json.dumps({"commands": [command]}), qos=1)
            if not self._changed.wait_for(lambda: bool(self._answers), ANSWER_S):
                raise EdgeError("the broker's plugin does not answer")
            error = str(self._answers[0].get("error", ""))
        if error and not error.endswith(DONE_BEFORE):
            raise EdgeError("the broker's plugin says: {reason}", reason=error)

    def clear(self, topics: list[str]) -> None:
        """Publish nothing, retained, at some topics: the broker forgets what was there."""
        for topic in topics if self._client is not None else ():
            assert self._client is not None
            self._client.publish(topic, b"", qos=1, retain=True)

    def _connected(self) -> mqtt.Client:
        folder = self._folder
        context = ssl.create_default_context(cafile=folder.ca)
        # Our CA signs for no other server than the broker and the enrolment beside it.
        context.check_hostname = False
        try:
            context.load_cert_chain(folder.keeper, folder.keeper_key)
        except OSError:
            raise EdgeError(
                "{file} is missing or broken: run 'edge-runtime office init' again",
                file=folder.keeper,
            ) from None
        # An id that no member can guess, and take over.
        name = f"{KEEPER}:{secrets.token_hex(8)}"
        link = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
        link.tls_set_context(context)
        link.reconnect_delay_set(1, int(RETRY_S))
        link.on_connect = self._on_connect
        link.on_subscribe = self._on_subscribe
        link.on_disconnect = self._on_disconnect
        link.on_message = self._on_message
        link.connect("127.0.0.1", folder.registry.settings().broker_port)
        link.loop_start()
        return link

    def _on_connect(self, link: mqtt.Client, *_: object) -> None:
        link.subscribe(f"{CONTROL}/response", qos=1)

    def _on_subscribe(self, _c: object, _d: object, _mid: int, codes: Any, _p: object) -> None:
        with self._changed:
            self._is_up = not any(code.is_failure for code in codes)
            self._changed.notify_all()

    def _on_disconnect(self, *_: object) -> None:
        with self._changed:
            self._is_up = False

    def _on_message(self, _c: object, _d: object, message: mqtt.MQTTMessage) -> None:
        with self._changed, contextlib.suppress(ValueError, KeyError, TypeError):
            self._answers += json.loads(message.payload)["responses"]
            self._changed.notify_all()
