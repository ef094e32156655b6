"""The end of a process that has a thread in a native call that never returns."""

from __future__ import annotations

import logging
import os
import sys


def exit_unless(*, all_ended: bool) -> None:
    """End the process with 0, unless all threads have ended and it may end as any other.

    What hangs in native code cannot be ended, and C++ would abort a process that leaves it
    behind: everything is on disk by now.
    """
    if not all_ended:
        sys.stdout.flush()
        logging.shutdown()
        os._exit(0)
