"""The topic tree `edge/v1/{site}/{device}/…`."""

from __future__ import annotations

from typing import NamedTuple

ROOT = "edge/v1"


class Topics(NamedTuple):
    """The topics of one device."""

    site: str
    device: str

    @property
    def base(self) -> str:
        """`edge/v1/{site}/{device}`."""
        return f"{ROOT}/{self.site}/{self.device}"

    @property
    def status(self) -> str:
        """Birth and will, retained."""
        return f"{self.base}/status"

    @property
    def health(self) -> str:
        """Health, retained."""
        return f"{self.base}/health"

    def result(self, stream: str, kind: str) -> str:
        """Where a stream's records of one kind go."""
        return f"{self.base}/{stream}/{kind}"

    def reply(self, command: str) -> str:
        """Where an answer goes when the request names no response topic."""
        return f"{self.base}/reply/{command}"


class Address(NamedTuple):
    """A topic taken apart; for `status` and `health` the stream is empty."""

    site: str
    device: str
    stream: str
    kind: str


def parse_topic(topic: str) -> Address | None:
    """Take a topic apart; None where it is not one of ours."""
    parts = topic.split("/")
    if parts[:2] != ROOT.split("/"):
        return None
    if len(parts) == 5:
        return Address(parts[2], parts[3], "", parts[4])
    if len(parts) == 6:
        return Address(parts[2], parts[3], parts[4], parts[5])
    return None
