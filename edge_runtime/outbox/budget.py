"""How `max_mb` is shared out, so that all files together never pass it."""

from __future__ import annotations

import msgspec

# Measured at 1 result a second, commits every 5 s, in blocks that reach the card: 16 % fewer than
# with 4096; at 100 a second the same; with 1024 the latter costs 17 % more.
PAGE_BYTES = 2048
FRAME_BYTES = PAGE_BYTES + 24
WAL_HEADER_BYTES = 32
# The boot file takes one block, the marks two; the folder's own entry grows with its few names.
SMALL_FILES_BYTES = 4 * 4096
LEAST_PAGES = 48


class Budget(msgspec.Struct, frozen=True):
    """Bytes by purpose. One MB is 1,000,000 bytes: the stricter reading of the promise."""

    max_bytes: int
    replay_bytes: int

    @property
    def group_bytes(self) -> int:
        """The most that one transaction writes."""
        return clamp(self.max_bytes // 64, 16 << 10, 256 << 10)

    @property
    def ballast_bytes(self) -> int:
        """Given up when the disk is really full: even a DELETE needs room there."""
        return clamp(self.max_bytes // 32, 16 << 10, 1 << 20)

    @property
    def wal_frames(self) -> int:
        """Pages in the log before a checkpoint writes them into the file."""
        return clamp(self.max_bytes // 32 // FRAME_BYTES, 16, 512)

    @property
    def wal_bytes(self) -> int:
        """What the log can come to: a checkpoint is late by one transaction at the most."""
        return WAL_HEADER_BYTES + self.wal_frames * FRAME_BYTES + 3 * self.group_bytes

    @property
    def fixed_bytes(self) -> int:
        """What is not the database itself."""
        return self.ballast_bytes + self.wal_bytes + SMALL_FILES_BYTES

    @property
    def headroom_pages(self) -> int:
        """Kept free, so that a group always finds room: half-filled leaves, inner pages, state."""
        return 24 + 2 * self.group_bytes // PAGE_BYTES

    @property
    def spare_bytes(self) -> int:
        """What a database that has to be quarantined needs beside it, to begin with."""
        return self.wal_bytes + LEAST_PAGES * PAGE_BYTES

    def pages(self, quarantined_bytes: int) -> int:
        """Return the database's limit beside files quarantined.

        In good days a part stays free: a fresh database must find room beside a broken one, and
        another beside the two of them.
        """
        beside = max(self.max_bytes // 16, self.spare_bytes, quarantined_bytes)
        left = self.max_bytes - self.fixed_bytes - self.spare_bytes - beside
        return max(LEAST_PAGES, left // PAGE_BYTES)

    @property
    def most_quarantined_bytes(self) -> int:
        """What files quarantined may come to."""
        return self.max_bytes - self.fixed_bytes - LEAST_PAGES * PAGE_BYTES


def clamp(value: int, least: int, most: int) -> int:
    """Return the value within its bounds."""
    return max(least, min(most, value))
