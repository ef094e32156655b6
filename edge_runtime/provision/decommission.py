"""The end of a device: its retained topics, its key, its results and recordings go."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.daemon.status_socket import ask
from edge_runtime.enrolment.identity import IdentityFolder
from edge_runtime.errors import EdgeError
from edge_runtime.language import Language
from edge_runtime.options import Config
from edge_runtime.outbox.marks import FILE as MARK
from edge_runtime.outbox.marks import Marks
from edge_runtime.provision.errors import ProvisionError
from edge_runtime.provision.linking import BrokerLine
from edge_runtime.provision.owner import acting_as_owner
from edge_runtime.provision.service import Service
from edge_runtime.publish.discover import find_brokers
from edge_runtime.publish.publish_once import deliver
from edge_runtime.records import Message
from edge_runtime.topics import Topics

JSON = "application/json"
PURPOSE = "farewell"
ACK_S = 10.0
# Model packs are nobody's secret. The boot counter names records: were this board to come back
# under its old name and count from 1 again, subscribers would take its results for old ones.
KEPT = ("models", MARK)
KEPT_OF_OUTBOX = ("boot",)


class DecommissionReport(msgspec.Struct, frozen=True):
    """What was done, line by line. `is_whole`: nothing is left on the broker."""

    lines: tuple[str, ...]
    is_whole: bool


class Decommission:
    """Ends one device. Raises EdgeError where nothing may be wiped yet."""

    def __init__(
        self, state_dir: Path, *, clock: Clock, language: Language, service: Service
    ) -> None:
        self._state_dir = state_dir
        self._clock = clock
        self._language = language
        self._service = service
        self._folder = IdentityFolder(state_dir)

    def run(self, load: Callable[[], Config]) -> DecommissionReport:
        """End the daemon, clear the broker's memory of the device, then wipe what is here."""
        text = self._language.text
        self._service.stop()
        with acting_as_owner(self._state_dir):
            if ask(self._state_dir) is not None:
                raise ProvisionError(
                    "the daemon still runs on {folder}: stop it first", folder=self._state_dir
                )
            cleared, line = self._clear(load)
            wipe(self._state_dir, self._folder)
        lines = (
            line,
            text(
                "wiped: the key (overwritten, then deleted; flash memory may keep an old copy "
                "where only a laboratory finds it), certificate, outbox, recordings, baselines"
            ),
        )
        return DecommissionReport(lines, cleared)

    def _clear(self, load: Callable[[], Config]) -> tuple[bool, str]:
        """Delete the retained messages, with the device's own certificate."""
        text = self._language.text
        try:
            config = load()
            files = self._folder.files(self._clock.now().wall_s)
        except EdgeError as error:
            return False, text("nothing was cleared on the broker: {why}", why=error)
        site, device = config.device.site, config.device.level
        topics = Topics(site, device)
        broker = BrokerLine(
            config.broker, site, device, self._folder, self._clock, discover=find_brokers
        )
        try:
            with broker.opened(files, PURPOSE) as link:
                for topic in (topics.status, topics.health):
                    deliver(link, Message(topic, b"", JSON, retain=True), self._clock, ACK_S)
                    link.acks.clear()
        except EdgeError as error:
            return False, text(
                "the retained messages of {name} stay on the broker: {why}; let the office clear "
                "{status} and {health}, and run: edge-runtime office revoke {name}",
                name=f"{site}/{device}",
                why=error,
                status=topics.status,
                health=topics.health,
            )
        return True, text(
            "the broker has forgotten {name}; let the office run: edge-runtime office revoke "
            "{name}",
            name=f"{site}/{device}",
        )


def wipe(state_dir: Path, identity: IdentityFolder) -> None:
    """Delete all that lies in the state folder, but what is no secret."""
    identity.wipe()
    for path in state_dir.iterdir():
        if path.name == "outbox":
            for part in path.iterdir():
                if part.name not in KEPT_OF_OUTBOX:
                    remove(part)
        elif path.name not in KEPT:
            remove(path)
    if (state_dir / MARK).exists():
        # The results that are deleted here were of this name: the next one owes none of them.
        Marks(state_dir / MARK).forget()


def remove(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
