"""A child process for what may crash: it crashes alone, with bounded memory and time.

tflite-runtime does not check a model's file, and a stock libedgetpu crashes on newer runtimes:
either takes the process with it that tries them first.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from pathlib import Path

from edge_runtime.errors import BackendError, Text

# A damaged file made tflite-runtime fill 8 GB; models for these boards need a tenth of this.
MEMORY_LIMIT_BYTES = 1 << 30


def ask_child(
    module: str, request: bytes, *, subject: Text, timeout_s: float, advice: Text
) -> bytes:
    """Run a module as a child and return its answer: the last line of its standard output.

    Raises BackendError where it crashes, hangs or says nothing; `subject` and `advice` are the
    words for people: what was tried, and what to do.
    """
    import subprocess  # a start whose models were tried before needs none

    try:
        child = subprocess.run(
            [sys.executable, "-m", module],
            input=request,
            capture_output=True,
            process_group=0,  # a Ctrl-C is the parent's alone: it must not look like a crash
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(
            "{subject}: did not run within {seconds:g} s and was ended; {advice}",
            subject=subject,
            seconds=timeout_s,
            advice=advice,
        ) from error
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise BackendError(
            "{subject}: crashed its test process ({signal}); {advice}",
            subject=subject,
            signal=name,
            advice=advice,
        )
    answer = child.stdout.strip().rpartition(b"\n")[2]
    if not answer:
        said = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise BackendError(
            "{subject}: its test process ended with status {status}: {said}",
            subject=subject,
            status=child.returncode,
            said=said,
        )
    return answer


def be_confined() -> int:
    """Bound what this child may do to the board; return a descriptor for its answer alone."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected: no core on the card
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    # A board with less than that: the kernel is to end this process, not the daemon.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    # Engines print to standard output as they please: only the answer may go there.
    answer = os.dup(1)
    os.dup2(2, 1)
    return answer
