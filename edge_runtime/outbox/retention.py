"""What gives way when the file is full: first what was delivered, last what is an event."""

from __future__ import annotations

from collections.abc import Callable

from edge_runtime.outbox.budget import PAGE_BYTES
from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.rows import RowTable

# Summaries may fill this part of the file before they are made coarser.
SUMMARY_SHARE = 0.25
FEW_SUMMARIES = 32


class Retention:
    """The order of what goes. Each step is one bounded transaction that declares what it takes."""

    def __init__(self, ledger: OutboxLedger) -> None:
        self._ledger = ledger

    def make_room(self, pages: int) -> bool:
        """Free pages until so many can be filled; False where nothing more can give way."""
        while self._ledger.store.free_pages() < pages:
            if not self.step():
                return False
        return True

    def step(self) -> bool:
        """Let something give way; False where nothing more can."""
        ledger = self._ledger
        steps: tuple[Callable[[], bool], ...] = (
            ledger.evict_segments,
            ledger.evict_parts,
            self._coarsen_many,
            ledger.summarise_oldest,
            lambda: ledger.coarsen_summaries(1),
            ledger.drop_summaries,
            lambda: ledger.drop_oldest(RowTable.LATE),
            lambda: ledger.drop_oldest(RowTable.ALARM),
        )
        return any(step() for step in steps)

    def trim_replay(self) -> None:
        """Keep the replay window within its own bytes, several segments at once now and then."""
        ledger = self._ledger
        budget = ledger.budget.replay_bytes
        if ledger.replayable_bytes() > budget + budget // 8:
            while ledger.replayable_bytes() > budget and ledger.evict_segments():
                pass

    def _coarsen_many(self) -> bool:
        """Make summaries coarser where they fill more than their share."""
        ledger = self._ledger
        size = ledger.summaries.total() * (ledger.summaries.mean_bytes + 16)
        pages = ledger.budget.pages(ledger.folder.quarantined_bytes())
        return size > SUMMARY_SHARE * PAGE_BYTES * pages and ledger.coarsen_summaries(FEW_SUMMARIES)
