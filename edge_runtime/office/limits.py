"""What one address, and all together, may ask of the enrolment server."""

from __future__ import annotations

MAX_CONNECTIONS = 512
MAX_CONNECTIONS_PER_ADDRESS = 32
CONNECTION_S = 30.0
HANDSHAKE_S = 5.0
GRACE_S = 5.0  # what has had so long gives way to others of its address that wait
FORGIVEN_AFTER_S = 600.0
MAX_ADDRESSES = 4096


class FailureThrottle:
    """How long the answer to a failure waits: longer the more an address failed of late.

    Only failures wait, so that a whole site behind one address (NAT) does not suffer from one
    device; and no address is ever shut out. The secrets have 128 bits: this spares the log and
    the disk, it does not protect the secrets.
    """

    def __init__(self, step_s: float = 0.5, longest_s: float = 5.0) -> None:
        self._step_s = step_s
        self._longest_s = longest_s
        self._failures: dict[str, tuple[int, float]] = {}

    def after_failure(self, address: str, now_s: float) -> float:
        """Count a failure; return the seconds that its answer waits."""
        count, last_s = self._failures.pop(address, (0, now_s))
        count = 1 if now_s - last_s > FORGIVEN_AFTER_S else count + 1
        if len(self._failures) >= MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = count, now_s
        return min(count * self._step_s, self._longest_s)
