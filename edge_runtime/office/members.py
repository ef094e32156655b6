"""Who may do what at the broker: the file of Mosquitto's dynamic-security plugin.

Mosquitto's own `acl_file` grants every SUBSCRIBE and looks at rights when it delivers, so that any
certificate may join another's shared subscription (`$share/…`) and swallow what is dealt to it. The
plugin refuses. It knows no patterns: each member has a role, made here of the patterns in `acl`,
which keeps the syntax of Mosquitto's `acl_file`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from edge_runtime.errors import UsageError
from edge_runtime.office.folder import FileOwner, OfficeFolder, put
from edge_runtime.office.registry import Registry
from edge_runtime.topics import ROOT

Access: TypeAlias = Literal["read", "write", "readwrite"]
ACCESSES: dict[str, Access] = {"read": "read", "write": "write", "readwrite": "readwrite"}
CONTROL = "$CONTROL/dynamic-security/v1"
# What keeps the list while the broker runs. No member's name: those have a slash.
KEEPER = "office-broker"


class Grant(msgspec.Struct, frozen=True):
    """One line of `acl`: a topic filter, in which `%u` stands for the member's name."""

    access: Access
    topic: str

    def entries(self, name: str, *, shared: bool) -> list[dict[str, object]]:
        """Return what the plugin is told; `shared`: what may be read may be so in a group."""
        topic, found = self.topic.replace("%u", name), []
        if self.access != "write":
            found += [entry("subscribePattern", topic), entry("publishClientReceive", topic)]
            if shared:
                found.append(entry("subscribePattern", f"$share/+/{topic}"))
        if self.access != "read":
            found.append(entry("publishClientSend", topic))
        return found

    def covers(self, other: Grant) -> bool:
        """Say whether all of another's topics are among this one's."""
        above = self.topic.removesuffix("#")
        return other.topic == self.topic or (above != self.topic and other.topic.startswith(above))


class Rights(msgspec.Struct, frozen=True):
    """What `acl` says: grants of users that it names, and those of all other members."""

    users: dict[str, tuple[Grant, ...]]
    members: tuple[Grant, ...]

    def of(self, name: str) -> list[dict[str, object]]:
        """Return the entries of one role: a user's of `acl`, a device's, or the keeper's."""
        grants = self.users.get(name, ())
        if name == KEEPER:
            grants = (Grant("readwrite", f"{CONTROL}/#"), Grant("write", f"{ROOT}/#"))
        found = [one for grant in grants for one in grant.entries(name, shared=True)]
        # Without a slash it is no device: '%u' would not be the two levels of its topics.
        if "/" in name:
            found += [one for g in self.members for one in g.entries(name, shared=False)]
            found += [entry("publishClientSend", topic, allow=False) for topic in self._sent(name)]
        return found

    def _sent(self, name: str) -> list[str]:
        """Return what is sent to a member: writing there, it would fill queues of its own."""
        written = [grant for grant in self.members if grant.access != "read"]
        read = (grant for grant in self.members if grant.access == "read")
        return [g.topic.replace("%u", name) for g in read if not any(map(g.covers, written))]


def entry(kind: str, topic: str, *, allow: bool = True) -> dict[str, object]:
    """Return one right as the plugin is told; a denial goes before what is allowed."""
    return {"acltype": kind, "topic": topic, "priority": 0 if allow else 1, "allow": allow}


def read_rights(text: str) -> Rights:
    """Read a text in the syntax of `acl_file`. Raises UsageError, naming the line."""
    users: dict[str, list[Grant]] = {}
    members: list[Grant] = []
    user = None
    for number, line in enumerate(text.splitlines(), 1):
        word, _, rest = line.strip().partition(" ")
        if not word or word.startswith("#"):
            continue
        if word == "user" and rest:
            user = users.setdefault(rest.strip(), [])
        elif word == "topic" and user is not None:
            user.append(grant_of(rest, number))
        elif word == "pattern":
            members.append(grant_of(rest, number))
        else:
            raise UsageError(
                "acl, line {number}: '{rule}' cannot be taken over: 'user NAME', 'topic "
                "read|write|readwrite FILTER' below a user, 'pattern … FILTER' for all",
                number=number,
                rule=line.strip(),
            )
    return Rights({name: tuple(found) for name, found in users.items()}, tuple(members))


def grant_of(text: str, number: int) -> Grant:
    """Read what follows `topic` or `pattern`; without a word for the access it is both."""
    first, _, rest = text.strip().partition(" ")
    access, topic = (ACCESSES[first], rest.strip()) if first in ACCESSES else ("readwrite", text)
    topic = topic.strip()
    if not topic or "%c" in topic or (first == "deny" and rest):
        raise UsageError(
            "acl, line {number}: '{rule}': neither 'deny' nor '%c' is known here; what is not "
            "granted is refused",
            number=number,
            rule=text.strip(),
        )
    return Grant(access, topic)


def member_names(registry: Registry) -> set[str]:
    """Return who may come: a certificate that was not revoked, or a claim that is still open.

    A claim counts since the device comes moments after it is used. Times do not: whether a
    certificate has run out is for TLS to say, by a clock that may be wrong here at start.
    """
    with registry.reading() as db:
        rows = db.execute(
            "SELECT site, device FROM certificates WHERE revoked_s IS NULL UNION "
            "SELECT site, device FROM claims WHERE used_s IS NULL AND cancelled_s IS NULL"
        ).fetchall()
    return {f"{row['site']}/{row['device']}" for row in rows}


def rights_of(folder: OfficeFolder) -> Rights:
    """Read `acl`. Raises UsageError."""
    try:
        return read_rights(folder.acl.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(
            "{file}: cannot be read ({reason}); restore it", file=folder.acl, reason=error
        ) from None


def write_members(folder: OfficeFolder, owner: FileOwner, names: Iterable[str]) -> None:
    """Write the plugin's file, before the broker starts: the plugin reads it then alone."""
    rights = rights_of(folder)
    everybody = sorted({*names, *rights.users, KEEPER})
    whole = {
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": True,
        },
        "groups": [],
        "clients": [client(name) for name in everybody],
        "roles": [role(name, rights) for name in everybody],
    }
    put(folder.members, msgspec.json.encode(whole), 0o600, uid=owner.uid, gid=owner.gid)


def client(name: str) -> dict[str, object]:
    return {"username": name, "roles": [{"rolename": name}]}


def role(name: str, rights: Rights) -> dict[str, object]:
    return {"rolename": name, "acls": rights.of(name)}
