"""Where a board begins to count its starts: behind the board whose name it took over."""

from __future__ import annotations

import contextlib
from pathlib import Path

from edge_runtime.enrolment.claim import ClaimError, parse_claim
from edge_runtime.enrolment.identity import IdentityFolder
from edge_runtime.errors import IdentityError


def first_boot(state_dir: Path) -> int:
    """Return the least number of a start: known from the moment the board has a claim."""
    folder = IdentityFolder(state_dir)
    with contextlib.suppress(IdentityError, ClaimError):
        waiting = folder.waiting()
        if waiting is not None:
            return parse_claim(waiting.claim).first_boot
        if folder.is_enrolled:
            return folder.office().first_boot
    return 1
