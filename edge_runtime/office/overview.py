"""What an office has open, to whom and until when: told by `office status`."""

from __future__ import annotations

from pathlib import Path

import msgspec
from cryptography.x509 import load_pem_x509_certificate

from edge_runtime.board.kernel import read
from edge_runtime.errors import EdgeError, because
from edge_runtime.office.claims import listed
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.listing import all_devices
from edge_runtime.office.registry import Settings

NET = Path("/proc/net")
LISTEN = "0A"  # <net/tcp_states.h>


class Overview(msgspec.Struct, frozen=True):
    """Numbers and ends (Unix seconds) of what lets anybody in. None: there is nothing that ends."""

    settings: Settings
    open_claims: int
    last_claim_ends_s: float | None
    devices: int
    first_device_ends_s: float | None
    servers_end_s: float
    ca_ends_s: float


def overview(folder: OfficeFolder, now_s: float) -> Overview:
    """Look at an office's registry and certificates. Raises EdgeError."""
    claims = [one.expires_s for one in listed(folder.registry, now_s) if one.state == "open"]
    ends = [
        one.certificate_ends_s
        for one in all_devices(folder.registry, now_s)
        if one.revoked_s is None and (one.certificate_ends_s or 0.0) > now_s
    ]
    return Overview(
        folder.registry.settings(),
        len(claims),
        max(claims, default=None),
        len(ends),
        min((end for end in ends if end is not None), default=None),
        min(map(end_of, (folder.broker, folder.est, folder.office))),
        end_of(folder.ca),
    )


def end_of(path: Path) -> float:
    """Return until when a certificate holds. Raises EdgeError."""
    try:
        return load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp()
    except OSError as error:
        raise EdgeError(
            "{path}: cannot be read ({reason})", path=path, reason=because(error)
        ) from None
    except ValueError:
        raise EdgeError(
            "{path}: no certificate; 'office init --renew-broker' makes a new one", path=path
        ) from None


def listens(port: int) -> bool:
    """Say whether anybody on this machine takes connections at a port.

    The kernel is asked: a connection that says nothing would stand in the log and in `events`.
    """
    return any(
        state == LISTEN and int(address.rpartition(":")[2], 16) == port
        for name in ("tcp", "tcp6")
        for _, address, _, state, *_ in map(str.split, read(NET / name).splitlines()[1:])
    )
