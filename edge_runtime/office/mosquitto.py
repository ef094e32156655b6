"""What Mosquitto is told: one listener, client certificates, who may do what."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from edge_runtime.office.folder import FileOwner, OfficeFolder, put

# The username is the certificate's CN: `{site}/{device}`, the two topic levels of a device.
ACL = """\
# Who may do what, by the name in the client's certificate; in the syntax of Mosquitto's acl_file.
# 'edge-runtime office broker' reads it at start (systemctl restart edge-runtime-office-broker) and
# gives each device what the patterns say. A user may also share what it may read ($share/GROUP/…).
# What is not granted is refused, a subscription as well.
# The office: reads everything, sends commands.
user office
topic read edge/v1/#
topic write edge/v1/+/+/cmd/#

# A device, whose name is {site}/{device}: writes below its own topics, reads its own commands.
pattern write edge/v1/%u/#
pattern read edge/v1/%u/cmd/#
"""

CONFIGURATION = """\
# Mosquitto 2.0 for the devices of this office. Yours to edit: 'office init' never writes it again,
# but for the port, where 'office init --renew-broker' is given another.
per_listener_settings false
listener {port}

# Who we are, and who may come in: TLS 1.2 or later, certificates of this office's CA, not revoked.
# SIGHUP (systemctl reload edge-runtime-office-broker) reads these files again.
tls_version tlsv1.2
cafile {ca}
certfile {certificate}
keyfile {key}
crlfile {crl}
require_certificate true
use_identity_as_username true
allow_anonymous false
# Who may do what: 'edge-runtime office broker' makes this file of {acl} and of the devices that it
# knows, and keeps it. (With acl_file any certificate may swallow others' shared subscriptions.)
plugin {plugin}
plugin_opt_config_file {members}
# One connection for each certificate: no device can take another's client id, but then two
# consumers with the office's certificate cut each other off.
# use_username_as_clientid true

# What the broker has acknowledged survives its restart, up to the last minute.
persistence true
persistence_location {data}/
autosave_interval 60

# A subscriber that is away keeps its place for a month; Mosquitto's own limit is 1000 messages.
# 100,000 results of 160 bytes are 16 MB: the limit in bytes (128 MiB) is for who floods. What has
# no room is lost to that subscriber, and told in 'office events'.
max_queued_messages 100000
max_queued_bytes 134217728
persistent_client_expiration 1m
max_packet_size 131072
# What all take together is limited by the unit (MemoryMax). Set no memory_limit: once Mosquitto
# 2.0.11 has reached that, it lets nobody in until it is started again.

# 'edge-runtime office broker' starts Mosquitto and reads this log: it reports each publication that
# was refused, which Mosquitto tells in `debug` alone, and drops what else that brings. Leave away
# `all` and `subscribe`: their lines begin with what a client likes, and could accuse another one.
# Mosquitto 2.0.11 keeps back what it writes to stdout, some 4000 bytes at a time.
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
log_type debug
"""
# What the reader of the log cannot do without.
NEEDED = ("log_dest stderr", "log_type debug")
PLUGIN = "mosquitto_dynamic_security.so"
PLUGIN_PLACES = (f"/usr/lib/*-linux-gnu/{PLUGIN}", f"/usr/lib/{PLUGIN}", f"/usr/local/lib/{PLUGIN}")
OLD = "mosquitto.conf.old"
# Older versions did not set it.
BOUND = "max_queued_bytes"
ACL_LINE = re.compile(r"^[ \t]*acl_file[ \t].*$", re.MULTILINE)


def write_broker_files(
    folder: OfficeFolder, final: OfficeFolder, port: int, owner: FileOwner
) -> None:
    """Write Mosquitto's configuration and ACL, which name the files where they will lie."""
    text = CONFIGURATION.format(
        port=port,
        ca=final.mosquitto_ca,
        certificate=final.broker,
        key=final.broker_key,
        crl=final.crl,
        acl=final.acl,
        plugin=plugin_path(),
        members=final.members,
        data=final.data,
    )
    put(folder.configuration, text.encode(), 0o640, gid=owner.gid)
    put(folder.acl, ACL.encode(), 0o640, gid=owner.gid)


def plugin_path() -> Path:
    """Return where Mosquitto's dynamic-security plugin lies, or where Debian has it."""
    places = (place.lstrip("/") for place in PLUGIN_PLACES)
    found = next((path for place in places for path in sorted(Path("/").glob(place))), None)
    return found or Path(f"/usr/lib/{platform.machine()}-linux-gnu") / PLUGIN


def take_over(folder: OfficeFolder, owner: FileOwner) -> bool:
    """Let a configuration of an older version use the plugin; return whether it had to change.

    One line is replaced, since the rest may be its owner's by now; a copy stays beside it.
    """
    old = folder.configuration.read_text()
    plugin = f"plugin {plugin_path()}\nplugin_opt_config_file {folder.members}"
    new = ACL_LINE.sub(lambda _: plugin, old)
    if new == old:
        return False
    put(folder.mosquitto / OLD, old.encode(), 0o640, gid=owner.gid)
    put(folder.configuration, new.encode(), 0o640, gid=owner.gid)
    return True


def move_listener(folder: OfficeFolder, owner: FileOwner, old: int, new: int) -> bool:
    """Give the broker's listener another port; False where its one line cannot be told apart.

    A copy of the configuration stays beside it.
    """
    text = folder.configuration.read_text()
    moved, count = re.subn(
        rf"^([ \t]*listener[ \t]+){old}\b", rf"\g<1>{new}", text, flags=re.MULTILINE
    )
    if count != 1:
        return False
    put(folder.mosquitto / OLD, text.encode(), 0o640, gid=owner.gid)
    put(folder.configuration, moved.encode(), 0o640, gid=owner.gid)
    return True


def lacking(configuration: Path) -> list[str]:
    """Return what is not in a configuration that `office broker` needs; Mosquitto says the rest."""
    return [words for words in NEEDED if not lines_of(configuration, words)]


def lines_of(configuration: Path, words: str) -> list[str]:
    """Return the lines that begin with some words; each where the file cannot be read."""
    try:
        lines = configuration.read_text().splitlines()
    except (OSError, ValueError):
        return [words]
    return [line for line in lines if line.split()[: len(words.split())] == words.split()]
