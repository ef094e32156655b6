"""What is plugged into a board, by names that stay, whatever is plugged in beside it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_runtime.doctor.camera import is_camera
from edge_runtime.sources.ports import ports_on_pins


class Plugged(msgspec.Struct, frozen=True):
    """The devices of a board. `pins`: its own UARTs, behind which there may be nothing."""

    cameras: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()

    @property
    def only_camera(self) -> str | None:
        """The camera that needs no question: nothing else is there that was plugged in."""
        return self.cameras[0] if len(self.cameras) == 1 and not self.ports else None

    def without(self, device: str) -> Plugged:
        """Return what is left beside a device that is in use."""
        rest = (
            tuple(one for one in kind if one != device)
            for kind in (self.cameras, self.ports, self.pins)
        )
        return Plugged(*rest)


def plugged_in(root: Path = Path("/")) -> Plugged:
    """Look at what is there."""
    nodes = [node for node in sorted((root / "dev").glob("video*")) if is_camera(node)]
    by_id = {link.resolve(): link for link in sorted((root / "dev/v4l/by-id").glob("*"))}
    ports = sorted((root / "dev/serial/by-id").glob("*"))
    return Plugged(
        tuple(str(by_id.get(node.resolve(), node)) for node in nodes),
        tuple(map(str, ports)),
        tuple(ports_on_pins(root)),
    )
