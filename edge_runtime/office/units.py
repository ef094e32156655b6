"""The units for systemd: the broker's, and the enrolment's two.

The broker is a Mosquitto of the office's own: the one that Debian's package starts may serve
others. Enrolment is two processes: one has the CA's key and no network, the other the network and a
user of its own, which may read neither the key nor the registry.
"""

from __future__ import annotations

import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from edge_runtime.office.folder import OfficeFolder, put
from edge_runtime.office.open_files import MOST_FILES

SERVER_USER = "edge-runtime-office"
SYSTEMD = Path("/etc/systemd/system")
RELOAD_S = 30.0

BROKER_UNIT = """\
# Goes to /etc/systemd/system/edge-runtime-office-broker.service
[Unit]
Description=Broker of edge_runtime devices: Mosquitto on the office's own configuration
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} office broker --folder {folder}
ExecReload=/bin/sh -c 'kill -HUP $MAINPID'
User={owner}
Restart=always
RestartSec=2
# One file for each board, and a dozen; systemd's own limit is 1024.
LimitNOFILE={files}
# Beyond this it is ended and started again (some 50 KB a board, and what waits for subscribers):
# of what was acknowledged, the last minute's for a subscriber that is away may be lost.
MemoryMax=50%
# Mosquitto gives root up by itself; what reads its log writes registry and list of members.
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_KILL
NoNewPrivileges=true
ProtectSystem=strict
ReadWritePaths={folder}
ProtectHome=read-only
PrivateTmp=true
PrivateDevices=true
ProtectClock=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectControlGroups=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=true
RestrictRealtime=true
LockPersonality=true
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""

HARDENED = """\
NoNewPrivileges=true
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=true
PrivateDevices=true
DevicePolicy=closed
ProtectClock=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectControlGroups=true
ProtectProc=invisible
ProcSubset=pid
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
MemoryDenyWriteExecute=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~{forbidden}
UMask=0077
"""

OFFICE_UNIT = """\
# Goes to /etc/systemd/system/edge-runtime-office.service
[Unit]
Description=Enrolment of edge_runtime devices (EST): faces the network
After=network-online.target edge-runtime-office-sign.socket
Wants=network-online.target
Requires=edge-runtime-office-sign.socket

[Service]
ExecStart={program} office serve --signer {socket}
User={user}
# What it reads of the office: its own key, not the CA's.
LoadCredential=ca.pem:{folder}/ca.pem
LoadCredential=est.pem:{private}/est.pem
LoadCredential=est.key:{private}/est.key
InaccessiblePaths=-{private}
Restart=always
RestartSec=5
MemoryMax=512M
TasksMax=64
LimitNOFILE=4096
RemoveIPC=true
PrivateUsers=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6{netlink}
{hardened}
[Install]
WantedBy=multi-user.target
"""

SIGN_UNIT = """\
# Goes to /etc/systemd/system/edge-runtime-office-sign.service
[Unit]
Description=Signs for the enrolment of edge_runtime devices: has the CA's key, and no network

[Service]
ExecStart={program} office sign --folder {folder}
User={owner}
Restart=on-failure
RestartSec=5
MemoryMax=256M
TasksMax=32
PrivateNetwork=true
IPAddressDeny=any
RestrictAddressFamilies=AF_UNIX
ReadWritePaths={private}
{signer_hardened}"""

SIGN_SOCKET = """\
# Goes to /etc/systemd/system/edge-runtime-office-sign.socket
[Socket]
ListenStream={socket}
SocketUser={user}
SocketMode=0600

[Install]
WantedBy=sockets.target
"""

USER = """\
# Goes to /etc/sysusers.d/edge-runtime-office.conf
u {user} - "edge_runtime enrolment"
"""


def program() -> str:
    """Return how to start this software: by a name that stays through upgrades, if it has one."""
    found = shutil.which("edge-runtime")
    return str(Path(found).absolute()) if found else f"{sys.executable} -m edge_runtime"


def write_units(folder: OfficeFolder, final: OfficeFolder, owner_uid: int) -> list[Path]:
    """Write the units. Returns the files that were not there, or of another version."""
    values = {
        "program": program(),
        "folder": final.path,
        "private": final.private,
        "owner": pwd.getpwuid(owner_uid).pw_name,
        "user": SERVER_USER,
        "socket": "/run/edge-runtime-office-sign.sock",
        "files": MOST_FILES,
        "netlink": " AF_NETLINK",  # mDNS looks at the interfaces
        "hardened": HARDENED.format(forbidden="@privileged @resources"),
        # SQLite gives its journal to the owner of the registry where root writes it.
        "signer_hardened": HARDENED.format(forbidden="@resources"),
    }
    units = {
        folder.broker_unit: BROKER_UNIT,
        folder.unit: OFFICE_UNIT,
        folder.sign_unit: SIGN_UNIT,
        folder.sign_socket: SIGN_SOCKET,
        folder.sysusers: USER,
    }
    texts = {path: text.format(**values) for path, text in units.items()}
    other = [path for path, text in texts.items() if not holds(path, text)]
    for path in other:
        put(path, texts[path].encode(), 0o644)
    return other


def reload_broker(folder: OfficeFolder) -> bool:
    """Have systemd reload the office's broker; False where its unit is not installed or at work."""
    if not is_installed(folder):
        return False
    unit = folder.broker_unit.name
    try:
        done = subprocess.run(
            ["systemctl", "reload", unit],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RELOAD_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def is_installed(folder: OfficeFolder) -> bool:
    """Say whether systemd has the broker's unit of this very office."""
    try:
        return holds(SYSTEMD / folder.broker_unit.name, folder.broker_unit.read_text())
    except (OSError, ValueError):
        return False


def holds(path: Path, text: str) -> bool:
    """Say whether a file holds just that."""
    try:
        return path.read_text() == text
    except (OSError, ValueError):
        return False
