"""The values of a site that texts of files name as `$name`."""

from __future__ import annotations

import socket
from pathlib import Path
from string import Template

import msgspec

from edge_runtime.errors import UsageError
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.practice.places import SiteFolder


class SiteValues(msgspec.Struct, frozen=True):
    """Folders and ports of one site; `free_port` is one on which nobody listens."""

    folder: str
    ports: str
    office: str
    models: str
    broker_port: int
    office_port: int
    local_port: int
    camera_port: int
    est_port: int
    free_port: int

    @classmethod
    def of(cls, site: SiteFolder, *, one_port: bool) -> SiteValues:
        """Choose ports that nobody uses; `one_port`: the broker has no second one."""
        broker, office, *others = free_ports(6)
        return cls(
            str(site.path),
            str(site.ports),
            str(site.office),
            str(bundled_models()),
            broker,
            broker if one_port else office,
            *others,
        )

    def say(self, text: str) -> str:
        """Return a text for a person, in which `{name}` stands for a value; other braces stay."""
        for name, value in msgspec.to_builtins(self).items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def fill(self, text: str) -> str:
        """Return a text with its places filled. Raises UsageError where one is not known."""
        try:
            return Template(text).substitute(msgspec.to_builtins(self))
        except (KeyError, ValueError) as error:
            raise UsageError(
                "'$' stands before one of {names}, and '$$' for itself; here: {fault}",
                names=", ".join(self.__struct_fields__),
                fault=str(error),
            ) from None


def free_ports(count: int) -> list[int]:
    """Return TCP ports of loopback that were free a moment ago, each another."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def ensure_parent(path: Path) -> Path:
    """Make a file's folder; return the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
