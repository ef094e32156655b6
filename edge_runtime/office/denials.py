"""How often a refusal is told: at once, then ever more rarely while it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from edge_runtime.office.broker_log import Client, LoggedRefusal

AGAIN_AFTER_S = 60.0
LONGEST_S = 3600.0
LOOK_EVERY_S = 5.0  # of whoever tells, while something is to be told later
MAX_CLIENTS = 1_000
MAX_KINDS = 16  # of one client: what it does beyond is counted together


@dataclass
class DenialCount:
    """What one client was refused since it was last told."""

    last: LoggedRefusal
    due_s: float
    pause_s: float = AGAIN_AFTER_S
    count: int = 0


class Denials:
    """Counts refusals by client. A client that is quiet for a whole pause begins anew.

    The registry keeps so many events; a device gone wild must not drive out all others.
    """

    def __init__(self) -> None:
        self._tallies: dict[str, DenialCount] = {}

    def __len__(self) -> int:
        return len(self._tallies)

    def add(self, refusal: LoggedRefusal, now_s: float, key: str = "") -> bool:
        """Count a refusal; return whether it is to be told now. Times are monotonic.

        What has one `key` is counted together: by default, all of one client and kind.
        """
        who = refusal.client.name or refusal.client.address
        key = key or f"{who} {refusal.kind}"
        if key not in self._tallies and self._kinds_of(refusal.client) >= MAX_KINDS:
            key = f"{who} and more"
        if key not in self._tallies and len(self._tallies) >= MAX_CLIENTS:
            key = ""  # all the others together
        tally = self._tallies.setdefault(key, DenialCount(refusal, now_s))
        tally.last = refusal
        tally.count += 1
        return tally.due_s <= now_s

    def _kinds_of(self, client: Client) -> int:
        """Return how many kinds of refusals are counted for one who has a certificate."""
        return sum(tally.last.client.name == client.name != "" for tally in self._tallies.values())

    def due(self, now_s: float) -> list[tuple[str, str, str]]:
        """Return what is to be told now: an address, a text, the name in the certificate."""
        over = [(key, tally) for key, tally in self._tallies.items() if tally.due_s <= now_s]
        for key, tally in over:
            if tally.count == 0:
                del self._tallies[key]
        return [told(tally, now_s) for _, tally in over if tally.count]


def told(tally: DenialCount, now_s: float) -> tuple[str, str, str]:
    """Return address, text and name of a tally, which then counts from nothing."""
    text = str(tally.last)
    if tally.count > 1:
        text = f"{text}; {tally.count} such refusals"
    tally.count = 0
    tally.due_s = now_s + tally.pause_s
    tally.pause_s = min(2 * tally.pause_s, LONGEST_S)
    return tally.last.client.address, text, tally.last.client.name
