"""What Mosquitto is told: one listener, client certificates, one pattern for all devices."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from edge_runtime.office.folder import OfficeFolder, Owner, put
from edge_runtime.office.open_files import MOST_FILES

# The username is the certificate's CN: `{site}/{device}`, the two topic levels of a device.
ACL = """\
# Who may do what, by the name in the client's certificate.
# The office: reads everything, sends commands.
user office
topic read edge/v1/#
topic write edge/v1/+/+/cmd/#

# A device, whose name is {site}/{device}: writes below its own topics, reads its own commands.
pattern write edge/v1/%u/#
pattern read edge/v1/%u/cmd/#
"""

CONFIGURATION = """\
# Mosquitto 2.0 for the devices of this office. Yours to edit: 'office init' never writes it again.
per_listener_settings false
listener {port}

# Who we are, and who may come in: TLS 1.2 or later, certificates of this office's CA, not revoked.
# SIGHUP (systemctl reload mosquitto) reads these files again.
tls_version tlsv1.2
cafile {ca}
certfile {certificate}
keyfile {key}
crlfile {crl}
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file {acl}
# One connection for each certificate: no device can take another's client id, but then two
# consumers with the office's certificate cut each other off.
# use_username_as_clientid true

# What the broker has acknowledged survives its restart, up to the last minute.
persistence true
persistence_location {data}/
autosave_interval 60

# A subscriber that is away keeps its place for a month; Mosquitto's own limit is 1000 messages.
max_queued_messages 100000
persistent_client_expiration 1m
max_packet_size 131072

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

BROKER_UNIT = """\
# Goes to /etc/systemd/system/mosquitto.service.d/edge-runtime.conf
[Service]
ExecStart=
ExecStart={program} office broker --folder {folder}
# One file for each board, and a dozen; systemd's own limit is 1024.
LimitNOFILE={files}
"""

OFFICE_UNIT = """\
# Goes to /etc/systemd/system/edge-runtime-office.service
[Unit]
Description=Enrolment of edge_runtime devices (EST)
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={program} office serve --folder {folder}
User={user}
Restart=always
RestartSec=5
MemoryMax=512M
NoNewPrivileges=true
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths={private}
PrivateTmp=true
PrivateDevices=true
ProtectHome=read-only
ProtectClock=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectControlGroups=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
MemoryDenyWriteExecute=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def write_broker_files(folder: OfficeFolder, final: OfficeFolder, port: int, owner: Owner) -> None:
    """Write Mosquitto's configuration and ACL, which name the files where they will lie."""
    text = CONFIGURATION.format(
        port=port,
        ca=final.mosquitto_ca,
        certificate=final.broker,
        key=final.broker_key,
        crl=final.crl,
        acl=final.acl,
        data=final.data,
    )
    put(folder.configuration, text.encode(), 0o640, gid=owner.gid)
    put(folder.acl, ACL.encode(), 0o640, gid=owner.gid)


def lacking(configuration: Path) -> list[str]:
    """Return what is not in a configuration that `office broker` needs; Mosquitto says the rest."""
    try:
        lines = [line.split() for line in configuration.read_text().splitlines()]
    except (OSError, ValueError):
        return []
    return [words for words in NEEDED if words.split() not in lines]


def program() -> str:
    """Return how to start this software: by a name that stays through upgrades, if it has one."""
    found = shutil.which("edge-runtime")
    return str(Path(found).absolute()) if found else f"{sys.executable} -m edge_runtime"


def write_units(folder: OfficeFolder, final: OfficeFolder, user: str) -> list[Path]:
    """Write the units for systemd: a drop-in for Mosquitto's, and the enrolment's own.

    Returns the files that were not there, or of another version.
    """
    broker = BROKER_UNIT.format(program=program(), folder=final.path, files=MOST_FILES)
    office = OFFICE_UNIT.format(
        program=program(), folder=final.path, private=final.private, user=user
    )
    units = {folder.drop_in: broker, folder.unit: office}
    other = [path for path, text in units.items() if not holds(path, text)]
    for path in other:
        put(path, units[path].encode(), 0o644)
    return other


def holds(path: Path, text: str) -> bool:
    """Say whether a file holds just that."""
    try:
        return path.read_text() == text
    except (OSError, ValueError):
        return False
