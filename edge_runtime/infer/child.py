"""A child process for what may crash: it crashes alone, with bounded memory and time.

tflite-runtime does not check a model's file, and a stock libedgetpu crashes on newer engines:
either takes the process with it that tries them first.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

from edge_runtime.board.libraries import library_files
from edge_runtime.errors import BackendError, Text
from edge_runtime.isolation.children import signal_name
from edge_runtime.isolation.limits import sacrifice_first
from edge_runtime.isolation.sandbox import Sandbox
from edge_runtime.options import DelegateOptions

if TYPE_CHECKING:
    from subprocess import Popen

# A damaged file made tflite-runtime fill 8 GB; models for these boards need a tenth of this.
MEMORY_LIMIT_BYTES = 1 << 30
ENDED_WITHIN_S = 5.0


class TimedOutError(BackendError):
    """What was tried gave no answer in time."""


def ask_child(
    module: str, request: bytes, *, subject: Text, timeout_s: float, advice: Text
) -> bytes:
    """Run a module as a child and return its answer: the last line of its standard output.

    Raises BackendError where it crashes or says nothing, TimedOutError where it hangs; `subject`
    and `advice` are the words for people: what was tried, and what to do.
    """
    import subprocess  # a start whose models were tried before needs none

    child = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A Ctrl-C is the parent's alone: it must not look like a crash. And no terminal: whoever
        # takes the child over would type there in the name of the person who sits before it.
        start_new_session=True,
    )
    try:
        said, complained = child.communicate(request, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        end(child)
        raise TimedOutError(
            "{subject}: did not run within {seconds:g} s and was ended; {advice}",
            subject=subject,
            seconds=timeout_s,
            advice=advice,
        ) from error
    except BaseException:
        end(child)
        raise
    if child.returncode < 0:
        raise BackendError(
            "{subject}: crashed its test process ({signal}); {advice}",
            subject=subject,
            signal=signal_name(child.returncode),
            advice=advice,
        )
    if not (answer := last_line(said)):
        raise BackendError(
            "{subject}: its test process ended with status {status}: {said}",
            subject=subject,
            status=child.returncode,
            said=last_line(complained).decode(errors="replace"),
        )
    return answer


def last_line(said: bytes) -> bytes:
    """Return the last line that is not empty."""
    return said.strip().rpartition(b"\n")[2]


def end(child: Popen[bytes]) -> None:
    """End a child and whatever it started; one that the kernel does not let go is left behind.

    A driver that hangs holds a process so that not even SIGKILL ends it.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(Exception):
        child.wait(ENDED_WITHIN_S)
    for pipe in (child.stdin, child.stdout, child.stderr):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()


def sandbox_of(files: tuple[str, ...], delegate: DelegateOptions | None) -> Sandbox:
    """Return what a process that runs a model may open: its files, and an accelerator's."""
    if delegate is None:
        return Sandbox(read=files)
    libraries = {str(one.parent) for one in library_files(delegate.library)}
    return Sandbox(read=(*files, *sorted(libraries)), devices=True)


def be_confined() -> int:
    """Bound what this child may do to the board; return a descriptor for its answer alone."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected: no core on the card
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    sacrifice_first()  # on a board with less memory than that
    # Engines print to standard output as they please: only the answer may go there.
    answer = os.dup(1)
    os.dup2(2, 1)
    return answer
